//! An executed erasure leaves no row, whenever the fold meets it, and a rebuild gives the same (PRJ-2).

use simpul_projection::IdentifierKind::{Card, Nik};
use simpul_proto::police::CaseRole;

use crate::support::*;

fn filled() -> TestLog {
    let mut log = TestLog::new();
    log.append(&[
        placement("a", claim("SITI", &nik(1), "", "CARD-A")),
        placement("b", claim("DEWI", &nik(2), "", "CARD-B")),
    ]);
    log.append(&[intake("i", "CASE-1", claim("SITI", &nik(1), "", ""))]);
    let victim = vec![(CaseRole::Victim, claim("SITI", &nik(1), "", ""))];
    log.append(&[report("l", "LP/B/1/II/2026/SPKT/POLDA JAMBI", "CASE-1", victim)]);
    log
}

const OF_SITI: &[&str] = &["sisko-placement/a", "mission-intake/i", "polri-lp/l"];

#[test]
fn prj_2_erasing_live_gives_what_a_rebuild_gives_and_no_row_of_the_person() {
    let mut log = filled();
    let (models, handle) = log.start(64);
    assert!(models.person_by(Nik, &nik(1)).unwrap().is_some());
    let before = models.digest().unwrap();
    log.erase(OF_SITI);
    log.caught_up(&models);
    assert!(models.person_by(Nik, &nik(1)).unwrap().is_none());
    assert!(models.person_by(Card, "CARD-A").unwrap().is_none());
    assert!(models.case("CASE-1").unwrap().is_none());
    assert!(models.person_by(Nik, &nik(2)).unwrap().is_some(), "nobody else is touched");
    assert_eq!(models.health().gaps, 0, "what is erased is no gap");
    let live = models.digest().unwrap();
    assert_ne!(live, before);
    assert_eq!(log.rebuilt(&live), live, "PRJ-2");
    // The stream begins again, and a second execution takes it again.
    log.append(&[placement("a", claim("RINI", &nik(3), "", ""))]);
    log.caught_up(&models);
    assert!(models.person_by(Nik, &nik(3)).unwrap().is_some());
    let live = models.digest().unwrap();
    assert_eq!(log.rebuilt(&live), live, "PRJ-2");
    log.erase(&["sisko-placement/a"]);
    log.caught_up(&models);
    assert!(models.person_by(Nik, &nik(3)).unwrap().is_none());
    let live = models.digest().unwrap();
    assert_eq!(log.rebuilt(&live), live, "PRJ-2");
    log.stop(handle);
    drop(models);
    let (models, handle) = log.start(64);
    assert_eq!(models.digest().unwrap(), live, "known again after a start");
    log.stop(handle);
}

#[test]
fn a_state_that_is_built_after_the_erasure_is_the_same() {
    let mut log = filled();
    let (models, handle) = log.start(1);
    log.erase(OF_SITI);
    log.caught_up(&models);
    let live = models.digest().unwrap();
    log.stop(handle);
    drop(models);
    let (models, handle) = log.start_in(&log.dir.path().join("another"), 64);
    assert_eq!(models.digest().unwrap(), live);
    log.stop(handle);
}

#[test]
fn a_document_read_while_the_rows_are_still_there_shows_nothing_that_is_erased() {
    let mut log = filled();
    let (models, handle) = log.start(64);
    // The projection stands still: the execution is in the log and not folded.
    log.stop(handle);
    log.erase(OF_SITI);
    assert!(models.position() < log.reader.head().end);
    let case = models.case("CASE-1").unwrap().expect("its row is still there");
    let document = models.document(simpul_types::View::Case, &case.reference).unwrap();
    let text = document.map(|document| format!("{:?}", document.classes)).unwrap_or_default();
    assert!(!text.contains("canary") && !text.contains("SITI"), "{text}");
}
