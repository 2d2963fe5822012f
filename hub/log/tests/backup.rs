//! Copies of a log at its checkpoint, beside its writer.
#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::fs;

use harness::{Model, open, verifier};
use simpul_log::backup::{Copied, copy, stored_root};

fn take(from: &std::path::Path, to: &std::path::Path, before: Option<&Copied>) -> Copied {
    let kept = |name: &str| {
        before.is_some_and(|before| {
            before.segments.iter().any(|segment| segment.name == name && segment.sealed)
        })
    };
    copy(from, to, &verifier(), true, &kept, &mut |_| ()).unwrap()
}

#[tokio::test]
async fn log_3_a_copy_taken_under_load_opens_as_the_same_tree_and_the_next_one_adds_only_what_is_new() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut appender, reader) = open(dir.path());
    let mut model = Model::default();
    let mut before: Option<Copied> = None;
    for round in 0..4 {
        for number in round * 60..round * 60 + 60 {
            model.append(&mut appender, number, 3).await;
        }
        // The checkpoint file follows the head by a tenth of a second; a copy of any of them is a whole log.
        while !dir.path().join("checkpoint").exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let copied = take(dir.path(), to.path(), before.as_ref());
        let kept = copied.segments.iter().filter(|segment| segment.kept).count();
        let sealed = before.map_or(0, |before| before.segments.iter().filter(|one| one.sealed).count());
        assert_eq!(kept, sealed, "round {round}");
        let size = simpul_types::LeafIndex::new(copied.size);
        assert_eq!(reader.root_at(size).unwrap(), copied.root);
        assert_eq!(stored_root(to.path(), copied.size).unwrap(), copied.root);
        fs::write(to.path().join("checkpoint"), &copied.checkpoint).unwrap();
        let report = simpul_log::verify::walk(to.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
        assert_eq!((report.violation, report.files), (None, vec![]));
        assert_eq!(report.leaves, copied.size);
        before = Some(copied);
    }
    appender.close();
    let last = take(dir.path(), to.path(), before.as_ref());
    let (appender, reader) = open(to.path());
    assert_eq!(reader.head().root, last.root);
    model.check(&appender, &reader);
}
