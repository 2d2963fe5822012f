//! Persons found by how they are described, and who is said to be one with whom.

use simpul_identity::{Described, Name};
use simpul_projection::{IdentifierKind::Nik, PersonId, ReadModels, TieState};
use simpul_proto::{
    identity::{LinkConfidence, PersonsDistinguished, PersonsLinked, PersonsUnlinked},
    police::CaseRole,
    v1::PersonClaim,
};

use crate::support::*;

fn born(name: &str, nik: &str, birth_date: &str) -> PersonClaim {
    PersonClaim { birth_date: birth_date.into(), ..claim(name, nik, "", "") }
}

fn found(models: &ReadModels, name: &str, birth_date: &str) -> Vec<(PersonId, u8)> {
    let asked = Described { name: Name::of(name), birth_date: birth_date.into(), ..Default::default() };
    let found = models.find_persons(&asked, 10).unwrap();
    assert!(!found.truncated);
    found.candidates.iter().map(|one| (one.person.id, one.score.0)).collect()
}

fn linked(one: PersonId, other: PersonId) -> Input {
    let message = PersonsLinked {
        person: one.to_string(),
        same_as: other.to_string(),
        confidence: LinkConfidence::Certain.into(),
        grounds: vec!["SAME_FACE".into()],
        decided_by: "officer-7".into(),
        decided_on: "2026-03-05".into(),
        ..Default::default()
    };
    who_is_who("simpul.identity.v1.PersonsLinked", &message)
}

fn unlinked(one: PersonId, other: PersonId) -> Input {
    let message =
        PersonsUnlinked { person: one.to_string(), same_as: other.to_string(), ..Default::default() };
    who_is_who("simpul.identity.v1.PersonsUnlinked", &message)
}

fn distinguished(one: PersonId, other: PersonId) -> Input {
    let message =
        PersonsDistinguished { person: one.to_string(), other: other.to_string(), ..Default::default() };
    who_is_who("simpul.identity.v1.PersonsDistinguished", &message)
}

#[test]
fn a_misspelt_name_finds_the_person_and_the_better_candidate_stands_first() {
    let mut log = TestLog::new();
    log.append(&[placement("a", born("SITI NURHAYATI BINTI ACHMAD", &nik(1), "1988-02-29"))]);
    log.append(&[placement("b", born("SITI NURHAYATI", &nik(2), "1970-12-01"))]);
    log.append(&[placement("c", born("RUDI HARTONO", &nik(3), "1988-02-29"))]);
    log.append(&[intake("d", "C-1", born("SUPARNO", "", "1971-05-06"))]);
    let (models, handle) = log.start(64);
    let siti = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let other = models.person_by(Nik, &nik(2)).unwrap().unwrap();

    let both = found(&models, "Noerhajati Sitti", "");
    assert_eq!(both.len(), 2, "without a date both are candidates");
    let dated = found(&models, "Noerhayati Sitti", "1988-02-29");
    assert_eq!((dated[0].0, dated[1].0), (siti, other));
    assert!(dated[0].1 > dated[1].1, "{dated:?}");
    // One word is quite wrong: the year of birth finds her, one year off too.
    assert_eq!(found(&models, "Siti Noerhayatun", "1989")[0].0, siti);

    let mononym = found(&models, "Soeparno", "");
    assert_eq!(mononym.len(), 1);
    assert_eq!(found(&models, "Nobody Such", ""), []);
    assert_eq!(found(&models, "", ""), []);
    log.stop(handle);
}

#[test]
fn of_a_report_with_several_persons_each_is_found_as_who_they_are() {
    let mut log = TestLog::new();
    let persons = vec![
        (CaseRole::Victim, born("DEWI LESTARI", &nik(4), "1999-01-01")),
        (CaseRole::Suspect, born("BAMBANG SUTEJO", &nik(5), "1975-01-01")),
    ];
    log.append(&[report("lp", "LP/B/1/II/2026", "", persons)]);
    let (models, handle) = log.start(64);
    let suspect = models.person_by(Nik, &nik(5)).unwrap().unwrap();
    assert_eq!(found(&models, "Bambang Soetedjo", ""), [(suspect, 98)]);
    log.stop(handle);
}

#[test]
fn linked_persons_are_read_together_and_a_link_can_be_taken_back() {
    let mut log = TestLog::new();
    log.append(&[placement("a", born("SITI NURHAYATI", &nik(1), "1988-02-29"))]);
    log.append(&[intake(
        "b",
        "C-1",
        PersonClaim { passport: "X7654321".into(), ..born("NURHAYATI", "", "") },
    )]);
    let (models, handle) = log.start(64);
    let siti = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let met = found(&models, "Nurhayati", "")[0].0;
    assert_ne!(siti, met);

    let at = log.append(&[linked(met, siti)]);
    log.caught_up(&models);
    for person in [siti, met] {
        let facts = models.facts(&person).unwrap();
        assert_eq!((facts.claims.len(), facts.placements.len(), facts.stays.len()), (2, 1, 1));
        assert_eq!((facts.linked_persons, facts.links_held), (1, 0));
    }
    // Each claim keeps its source and its event: nothing was merged.
    let sources: Vec<_> =
        models.facts(&siti).unwrap().claims.iter().map(|one| one.source.to_string()).collect();
    assert_eq!(sources, ["kp2mi", "kbri-yangon"]);
    let before = models.facts_then(&siti, at).unwrap();
    assert_eq!((before.claims.len(), before.stays.len()), (1, 0), "nobody knew it before");
    let ties = models.person(&met).unwrap().unwrap().ties;
    assert_eq!((ties[0].other, ties[0].state, ties[0].position), (siti, TieState::Linked, at));

    log.append(&[unlinked(siti, met)]);
    log.caught_up(&models);
    assert_eq!(models.facts(&siti).unwrap().stays.len(), 0);
    assert_eq!(models.person(&siti).unwrap().unwrap().ties[0].state, TieState::Unlinked);
    assert_eq!(
        models.facts_then(&siti, at.plus(1)).unwrap().stays.len(),
        1,
        "what was known then stays known"
    );

    let live = models.digest().unwrap();
    assert_eq!(log.rebuilt(&live), live, "PRJ-2");
    log.stop(handle);
}

#[test]
fn a_victim_and_a_suspect_of_one_case_are_not_made_one() {
    let mut log = TestLog::new();
    let persons = vec![
        (CaseRole::Victim, born("DEWI LESTARI", &nik(4), "1999-01-01")),
        (CaseRole::Suspect, born("DEWI LESTARI", &nik(5), "1999-01-01")),
    ];
    log.append(&[report("lp", "LP/B/1/II/2026", "", persons)]);
    log.append(&[placement("p", born("DEWI L", &nik(6), "1999-01-01"))]);
    let (models, handle) = log.start(64);
    let [victim, suspect, third] =
        [4, 5, 6].map(|serial| models.person_by(Nik, &nik(serial)).unwrap().unwrap());
    log.append(&[linked(victim, suspect)]);
    log.append(&[linked(victim, third)]);
    log.caught_up(&models);
    let facts = models.facts(&victim).unwrap();
    assert_eq!((facts.linked_persons, facts.links_held), (1, 1));
    assert!(facts.claims.iter().all(|claim| claim.value.nik != nik(5)));
    let ties = models.person(&suspect).unwrap().unwrap().ties;
    assert_eq!((ties[0].other, ties[0].state), (victim, TieState::Held));

    // Who is distinguished from somebody is not linked to them through a third.
    let mut log = TestLog::new();
    for serial in [7, 8, 9] {
        log.append(&[placement(&format!("q{serial}"), born("ANI YULI", &nik(serial), "1990-01-01"))]);
    }
    let (models, second) = log.start(64);
    let [a, b, c] = [7, 8, 9].map(|serial| models.person_by(Nik, &nik(serial)).unwrap().unwrap());
    log.append(&[distinguished(a, c)]);
    log.append(&[linked(a, b)]);
    log.append(&[linked(b, c)]);
    log.caught_up(&models);
    let facts = models.facts(&a).unwrap();
    assert_eq!((facts.linked_persons, facts.links_held), (1, 1));
    log.stop(second);
    drop(handle);
}

#[test]
fn a_word_about_somebody_unknown_changes_nobody() {
    let mut log = TestLog::new();
    log.append(&[placement("a", born("SITI NURHAYATI", &nik(1), ""))]);
    let (models, handle) = log.start(64);
    let siti = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let message = PersonsLinked { person: siti.to_string(), same_as: "00".repeat(16), ..Default::default() };
    log.append(&[who_is_who("simpul.identity.v1.PersonsLinked", &message)]);
    log.append(&[linked(siti, siti)]);
    log.caught_up(&models);
    assert_eq!(models.person(&siti).unwrap().unwrap().ties, []);
    assert_eq!(models.health().gaps, 0);
    log.stop(handle);
}
