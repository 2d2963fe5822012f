//! Linking: by strong identifiers, never merged.

use simpul_projection::IdentifierKind::{Card, Nik, Passport};
use simpul_proto::registry::EvidenceKind;

use crate::support::*;

#[test]
fn any_identifier_leads_to_the_person_and_claims_name_their_source() {
    let mut log = TestLog::new();
    log.append(&[placement("a", claim("SITI", &nik(1), "X1234567", ""))]);
    log.append(&[intake("b", "C-1", claim("Siti", "", "x 123-4567", ""))]);
    let (models, handle) = log.start(64);
    let person = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    assert_eq!(models.person_by(Passport, "X1234567").unwrap(), Some(person));
    assert_eq!(models.person_by(Card, "NOSUCH").unwrap(), None);

    let facts = models.facts(&person).unwrap();
    assert!(facts.found);
    let told: Vec<_> = facts
        .claims
        .iter()
        .map(|claim| (claim.value.name.as_str(), claim.position.get(), claim.source.as_str()))
        .collect();
    assert_eq!(told, [("SITI", 0, "kp2mi"), ("Siti", 1, "kbri-yangon")]);
    assert_eq!(facts.placements.len(), 1);
    assert_eq!(facts.stays.len(), 1);
    assert_eq!(facts.stays[0].value.contact_date.unwrap().to_string(), "2026-03-04");
    assert_eq!(facts.stays[0].observed_at.as_us(), 2_000_000);
    let person = models.person(&person).unwrap().unwrap();
    assert!(person.conflicts.is_empty());
    assert_eq!(person.records.len(), 2);
    log.stop(handle);
}

#[test]
fn numbers_of_the_evidence_and_the_mrz_lead_to_the_person_too() {
    let mut log = TestLog::new();
    log.append(&[placement_with("a", claim("DEWI", &nik(2), "", ""), |placement| {
        placement.evidence = vec![
            evidence(EvidenceKind::Passport, "X7654321"),
            evidence(EvidenceKind::WorkerCard, "E-PMI/2023 01"),
        ];
    })]);
    let mut scanned = claim("RATNA", "", "", "");
    scanned.mrz =
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10".into();
    log.append(&[intake("m", "C-2", scanned)]);
    let (models, handle) = log.start(64);
    let person = models.person_by(Nik, &nik(2)).unwrap();
    assert!(person.is_some());
    assert_eq!(models.person_by(Passport, "X7654321").unwrap(), person);
    assert_eq!(models.person_by(Card, "EPMI202301").unwrap(), person);
    log.stop(handle);
}

#[test]
fn identifiers_of_two_persons_go_to_the_stronger_and_leave_a_conflict_on_both() {
    let mut log = TestLog::new();
    log.append(&[placement("a", claim("SITI", &nik(1), "X1111111", ""))]);
    log.append(&[placement("b", claim("DEWI", &nik(2), "X2222222", ""))]);
    let at = log.append(&[intake("c", "C-1", claim("SITI", &nik(1), "X2222222", ""))]);
    let (models, handle) = log.start(64);
    let siti = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let dewi = models.person_by(Nik, &nik(2)).unwrap().unwrap();
    assert_ne!(siti, dewi);
    assert_eq!(models.person_by(Passport, "X2222222").unwrap(), Some(dewi), "never silently merged");
    assert_eq!(models.facts(&siti).unwrap().claims.len(), 2, "NIK is stronger than passport");
    assert_eq!(models.facts(&dewi).unwrap().claims.len(), 1);
    for (person, other) in [(siti, dewi), (dewi, siti)] {
        let conflicts = models.person(&person).unwrap().unwrap().conflicts;
        assert_eq!(conflicts.len(), 1);
        assert_eq!((conflicts[0].other, conflicts[0].first, conflicts[0].times), (other, at, 1));
    }
    log.stop(handle);
}

#[test]
fn a_new_nik_with_the_passport_of_another_nik_is_another_person() {
    let mut log = TestLog::new();
    log.append(&[placement("a", claim("SITI", &nik(1), "X1111111", ""))]);
    log.append(&[placement("b", claim("SITI", &nik(9), "X1111111", ""))]);
    let (models, handle) = log.start(64);
    let (first, second) = (models.person_by(Nik, &nik(1)).unwrap(), models.person_by(Nik, &nik(9)).unwrap());
    assert_ne!(first, second);
    assert_eq!(models.person_by(Passport, "X1111111").unwrap(), first);
    assert_eq!(models.person(&second.unwrap()).unwrap().unwrap().conflicts.len(), 1);
    assert_eq!(models.facts(&first.unwrap()).unwrap().placements.len(), 1);
    log.stop(handle);
}

#[test]
fn a_person_known_by_passport_gains_a_nik() {
    let mut log = TestLog::new();
    log.append(&[intake("a", "C-1", claim("ANI", "", "X1111111", ""))]);
    log.append(&[placement("b", claim("ANI", &nik(1), "X1111111", ""))]);
    let (models, handle) = log.start(64);
    let person = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    assert_eq!(models.person_by(Passport, "X1111111").unwrap(), Some(person));
    let facts = models.facts(&person).unwrap();
    assert_eq!((facts.claims.len(), facts.stays.len(), facts.placements.len()), (2, 1, 1));
    log.stop(handle);
}

#[test]
fn a_corrected_record_speaks_of_the_other_person_only() {
    let mut log = TestLog::new();
    log.append(&[placement("a", claim("SITI", &nik(1), "", ""))]);
    log.append(&[placement("a", claim("SITI", &nik(2), "", ""))]);
    let (models, handle) = log.start(64);
    let wrong = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let right = models.person_by(Nik, &nik(2)).unwrap().unwrap();
    assert!(!models.facts(&wrong).unwrap().found, "nobody says anything of that NIK any more");
    assert_eq!(models.facts(&right).unwrap().placements.len(), 1);
    log.stop(handle);
}

#[test]
fn a_record_without_identifiers_keeps_its_unnamed_person_until_it_gets_one() {
    let mut log = TestLog::new();
    log.append(&[intake("a", "C-1", claim("TANPA NOMOR", "", "not a passport", ""))]);
    log.append(&[intake("a", "C-1", claim("TANPA NOMOR", "", "", ""))]);
    log.append(&[intake("a", "C-1", claim("TANPA NOMOR", "", "X1111111", ""))]);
    // The number was misread: what it leads to now is not the person of the right number.
    log.append(&[intake("a", "C-1", claim("TANPA NOMOR", "", "X3333333", ""))]);
    let (models, handle) = log.start(64);
    let first = models.person_by(Passport, "X1111111").unwrap().unwrap();
    let second = models.person_by(Passport, "X3333333").unwrap().unwrap();
    assert_ne!(first, second);
    assert!(!models.facts(&first).unwrap().found);
    assert_eq!(models.facts(&second).unwrap().stays.len(), 1);
    log.stop(handle);
}

#[test]
fn a_person_of_many_records_has_them_all() {
    let mut log = TestLog::new();
    for number in 0..9 {
        log.append(&[placement(&format!("p{number}"), claim("SITI", &nik(1), "", ""))]);
    }
    let (models, handle) = log.start(2);
    let person = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    assert_eq!(models.facts(&person).unwrap().placements.len(), 9);
    assert_eq!(models.subject_ref(Nik, &nik(1)).len(), 64);
    log.stop(handle);
}
