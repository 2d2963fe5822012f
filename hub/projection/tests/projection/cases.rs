//! Cases: opened by missions, joined by police reports, found by either's number.

use std::collections::BTreeSet;

use simpul_proto::police::CaseRole;
use simpul_types::{AgencyCode, FieldClass, View};

use crate::support::*;

const LP: &str = "LP/B/149/II/2026/SPKT/POLDA JAMBI";

#[test]
fn a_report_joins_the_case_it_names_and_its_number_finds_the_case() {
    let mut log = TestLog::new();
    log.append(&[intake("i", "KBRI-YGN/2026/0007", claim("SITI", "", "X1111111", ""))]);
    log.append(&[screening("s", "kbri-ygn/2026/0007")]);
    log.append(&[report(
        "lp",
        LP,
        "KBRI-YGN/2026/0007",
        vec![(CaseRole::Victim, claim("SITI", &nik(1), "", ""))],
    )]);
    let (models, handle) = log.start(64);
    let case = models.case("KBRI-YGN/2026/0007").unwrap().unwrap();
    assert_eq!(models.case("lp/b/149/ii/2026/spkt/polda jambi").unwrap().unwrap().reference, case.reference);
    assert_eq!(
        models.case(&case.reference).unwrap().unwrap().case_ref.as_deref(),
        Some("KBRI-YGN/2026/0007")
    );
    assert!(models.case("no such case").unwrap().is_none());
    let document = models.document(View::Case, LP).unwrap().unwrap();
    assert_eq!(document.position.get(), 2);
    let records = document.classes[&FieldClass::Reference]["records"].as_array().unwrap();
    let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intake", "screening", "report"]);
    assert_eq!(records[2]["stage"], "INVESTIGATION");
    log.stop(handle);
}

#[test]
fn a_report_that_names_no_case_is_one_of_its_own_and_moves_with_its_history_when_it_joins() {
    let mut log = TestLog::new();
    log.append(&[report("lp", LP, "", vec![])]);
    log.append(&[report("lp", LP, "", vec![])]);
    log.append(&[intake("i", "C-1", claim("SITI", "", "X1111111", ""))]);
    let (models, handle) = log.start(64);
    let own = models.case(LP).unwrap().unwrap();
    assert_eq!((own.case_ref.as_deref(), own.opened.get()), (None, 0));

    log.append(&[report("lp", LP, "C-1", vec![])]);
    log.append(&[report("lp", LP, "", vec![])]);
    log.caught_up(&models);
    let joined = models.case("C-1").unwrap().unwrap();
    assert_ne!(joined.reference, own.reference);
    assert_eq!(models.case(LP).unwrap().unwrap().reference, joined.reference);
    assert_eq!(
        models.case(&own.reference).unwrap().unwrap().reference,
        joined.reference,
        "old references lead on"
    );
    let document = models.document(View::Case, "C-1").unwrap().unwrap();
    let records = document.classes[&FieldClass::Reference]["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    let sources: BTreeSet<_> = records.iter().map(|record| record["source"].as_str().unwrap()).collect();
    let providers: BTreeSet<_> = document.providers.iter().map(AgencyCode::as_str).collect();
    assert_eq!(providers, sources, "the agencies whose data it shows");
    assert_eq!(
        records[1]["positions"],
        serde_json::json!([0, 1, 3, 4]),
        "history is kept, and it stays joined"
    );

    let changes: Vec<_> = models.changes(Default::default()).map(Result::unwrap).collect();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.key.position, change.key.n, change.document.r#ref.as_str()))
        .collect();
    let (own, joined) = (own.reference.as_str(), joined.reference.as_str());
    assert_eq!(seen, [(0, 0, own), (1, 0, own), (2, 0, joined), (3, 0, joined), (3, 1, own), (4, 0, joined)]);
    let left = &changes[4].document.classes[&FieldClass::Reference];
    assert_eq!((left["moved_to"].as_str(), left["moved_position"].as_u64()), (Some(joined), Some(3)));
    assert!(left.get("records").is_none());
    assert!(changes[1].document.classes[&FieldClass::Reference].get("moved_to").is_none(), "as it was then");
    log.stop(handle);
}

#[test]
fn another_case_reference_moves_an_intake() {
    let mut log = TestLog::new();
    log.append(&[intake("i", "C-1", claim("SITI", "", "X1111111", ""))]);
    log.append(&[intake("i", "C-2", claim("SITI", "", "X1111111", ""))]);
    let (models, handle) = log.start(64);
    let first = models.document(View::Case, "C-1").unwrap().unwrap();
    assert!(first.classes[&FieldClass::Reference].get("records").is_none());
    assert!(!first.classes.contains_key(&FieldClass::Identity));
    let second = models.document(View::Case, "C-2").unwrap().unwrap();
    assert_eq!(second.classes[&FieldClass::Reference]["records"].as_array().unwrap().len(), 1);
    log.stop(handle);
}

#[test]
fn a_case_is_sorted_by_field_class_and_reference_names_nobody() {
    let mut log = TestLog::new();
    log.append(&[intake("i", "C-1", claim("CANARY VICTIM", "", "X1111111", ""))]);
    log.append(&[screening("s", "C-1")]);
    log.append(&[report(
        "lp",
        LP,
        "C-1",
        vec![
            (CaseRole::Victim, claim("CANARY VICTIM", &nik(1), "", "")),
            (CaseRole::Suspect, claim("CANARY SUSPECT", &nik(2), "", "")),
        ],
    )]);
    let (models, handle) = log.start(64);
    let document = models.document(View::Case, "C-1").unwrap().unwrap();
    let (victim, suspect) = (nik(1), nik(2));
    // What, and the one class that may show it.
    let owned = [
        ("CANARY VICTIM", FieldClass::Identity),
        (victim.as_str(), FieldClass::Identity),
        ("X1111111", FieldClass::Identity),
        ("CANARY SUSPECT", FieldClass::Suspect),
        (suspect.as_str(), FieldClass::Suspect),
        (LP, FieldClass::Suspect),
        ("KUHP 455", FieldClass::Suspect),
        ("canary-recruiter", FieldClass::Suspect),
        ("canary-narrative", FieldClass::Screening),
        ("canary-interview", FieldClass::Screening),
        ("DEBT", FieldClass::Screening),
        ("IDENTIFIED", FieldClass::ScreeningResult),
        ("MEDICAL", FieldClass::Health),
        ("canary-shelter", FieldClass::ShelterLocation),
        ("TOURIST", FieldClass::Placement),
        ("INVESTIGATION", FieldClass::Reference),
    ];
    for (text, owner) in owned {
        for class in FieldClass::ALL {
            let shown = document.cut(&BTreeSet::from([*class])).to_string();
            assert_eq!(shown.contains(text), *class == owner, "{text} in {class}");
        }
    }
    assert!(document.cut(&BTreeSet::new()).get("reference").is_none());
    log.stop(handle);
}

#[test]
fn one_person_may_be_victim_and_suspect_in_one_report() {
    let mut log = TestLog::new();
    let both = claim("RINA", &nik(1), "", "");
    log.append(&[report("lp", LP, "", vec![(CaseRole::Victim, both.clone()), (CaseRole::Suspect, both)])]);
    let (models, handle) = log.start(64);
    let document = models.document(View::Case, LP).unwrap().unwrap();
    let roles = |class: FieldClass| document.classes[&class]["persons"][0]["roles"].clone();
    assert_eq!(roles(FieldClass::Identity), serde_json::json!(["VICTIM"]));
    assert_eq!(roles(FieldClass::Suspect), serde_json::json!(["SUSPECT"]));
    log.stop(handle);
}
