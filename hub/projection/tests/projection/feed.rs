//! The ordered feed of changes.

use simpul_projection::ChangeKey;
use simpul_types::{FieldClass, Position, View};

use crate::support::*;

#[test]
fn each_change_has_the_document_as_it_was_right_after_its_event() {
    let mut log = TestLog::new();
    for destination in ["HKG", "TWN", "SGP"] {
        log.append(&[placement_with("a", claim("SITI", &nik(1), "", ""), |placement| {
            placement.destination = destination.into();
        })]);
    }
    log.append(&[licence("l", "N-1", "2029-01-01")]);
    let (models, handle) = log.start(64);
    let changes: Vec<_> = models.changes(ChangeKey::default()).map(Result::unwrap).collect();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| {
            let reference = &change.document.classes[&FieldClass::Reference];
            (
                change.key.position,
                change.document.view,
                reference["destination"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let placement = View::Placement;
    assert_eq!(
        seen,
        [
            (0, placement, "HKG".into()),
            (1, placement, "TWN".into()),
            (2, placement, "SGP".into()),
            (3, View::Licence, String::new())
        ]
    );
    assert_eq!(changes[1].document.classes[&FieldClass::Reference]["positions"], serde_json::json!([0, 1]));
    assert_eq!(changes[1].occurred_at.as_us(), 2_000_000);
    log.stop(handle);
}

/// Submissions of many sizes, so that a leaf needs several rows and walks start inside them.
#[test]
fn a_walk_from_any_key_gives_the_rest_in_order() {
    let mut log = TestLog::new();
    let mut number = 0;
    for size in [1, 300, 2, 700, 1] {
        let events: Vec<_> = (0..size)
            .map(|_| {
                number += 1;
                placement(&format!("p{number}"), claim("SITI", &nik(number % 40), "", ""))
            })
            .collect();
        log.append(&events);
    }
    let (models, handle) = log.start(100);
    let all: Vec<_> = models.changes(ChangeKey::default()).map(|change| change.unwrap().key).collect();
    assert_eq!(all.len(), 1_004);
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    for at in [0, 1, 2, 255, 256, 257, 300, 301, 302, 303, 304, 558, 559, 560, 1_002, 1_003] {
        let rest: Vec<_> = models.changes(all[at]).take(3).map(|change| change.unwrap().key).collect();
        assert_eq!(rest, all[at..all.len().min(at + 3)], "from {at}");
        let after: Vec<_> =
            models.changes(all[at].next()).take(1).map(|change| change.unwrap().key).collect();
        assert_eq!(after.first(), all.get(at + 1), "after {at}");
    }

    // Trimming takes whole rows, and a rebuild that trims alike gives the same digest.
    assert_eq!(models.trim_changes(Position::new(302)).unwrap().get(), 302);
    assert_eq!(models.changes(ChangeKey::default()).next().unwrap().unwrap().key.position, 301);
    let live = models.digest().unwrap();
    assert_eq!((live.position.get(), live.changes_from.get()), (1_004, 302));
    assert_eq!(log.rebuilt(&live), live);
    log.stop(handle);
}
