//! Damage below the acknowledged head: named, put aside, mended from a copy that proves the same leaves.
#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use harness::{Model, draft, open, verifier};
use simpul_log::repair::{RepairError, Repaired, repair};

/// A log of several segments, closed, and a copy of it.
async fn pair() -> (tempfile::TempDir, tempfile::TempDir, Model) {
    let (whole, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut model = Model::default();
    {
        let (mut appender, _) = open(whole.path());
        for number in 0..200 {
            model.append(&mut appender, number, 3).await;
        }
    }
    harness::copy(whole.path(), copy.path());
    (whole, copy, model)
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn mend(dir: &Path, from: &Path) -> Result<Repaired, RepairError> {
    repair(dir, from, &verifier(), &|_| Ok(()), &dir.join("quarantine"))
}

fn verified(dir: &Path) -> Result<(), String> {
    let report = simpul_log::verify::walk(dir, &verifier(), &mut |_, _| Ok(())).unwrap();
    match (report.violation, report.files.first()) {
        (None, None) => Ok(()),
        (violation, file) => Err(format!("{violation:?} {file:?}")),
    }
}

fn same_files(one: &Path, other: &Path) {
    for path in harness::files(one).iter().filter(|path| path.extension().is_none_or(|end| end != "idx")) {
        let name = path.strip_prefix(one).unwrap();
        if !name.starts_with("quarantine") && name != Path::new("lock") {
            assert_eq!(fs::read(path).unwrap(), fs::read(other.join(name)).unwrap(), "{}", name.display());
        }
    }
}

#[tokio::test]
async fn log_5_every_damaged_place_is_mended_byte_for_byte() {
    let (whole, copy, model) = pair().await;
    let segments = harness::segments(whole.path());
    assert!(segments.len() > 3);
    let middle = segments[1].clone();
    let last = segments.last().unwrap().clone();
    let places: Vec<(PathBuf, u64)> = vec![
        (middle.clone(), 20),
        (middle.clone(), 4_096 + 10),
        (middle.clone(), 4_096 + 70),
        (middle.clone(), 4_096 + 400),
        (middle.clone(), 20_000),
        (middle, 30_001),
        (segments[0].clone(), 4_097),
        (last.clone(), 4_096 + 9),
        (last, 5_000),
        (whole.path().join("tree"), 77),
        (whole.path().join("keys"), 12),
        (whole.path().join("checkpoint"), 60),
        (segments[0].with_extension("idx"), 300),
    ];
    for (path, offset) in places {
        let name = path.strip_prefix(whole.path()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        harness::copy(whole.path(), dir.path());
        flip(&dir.path().join(name), offset);
        let named = verified(dir.path()).expect_err(&format!("{} at {offset}", name.display()));
        let file = name.file_name().unwrap().to_str().unwrap();
        assert!(named.contains(file), "{named}");
        let repaired = mend(dir.path(), copy.path()).unwrap();
        assert_eq!(repaired.unmended, [], "{named}");
        assert_eq!(repaired.mended.len(), 1, "{named}: {repaired:?}");
        assert_eq!(repaired.quarantined.len(), 1, "the damaged bytes are kept");
        verified(dir.path()).unwrap();
        same_files(dir.path(), whole.path());
        let (appender, reader) = open(dir.path());
        model.check(&appender, &reader);
    }
}

#[tokio::test]
async fn several_frames_headers_and_a_missing_segment_are_mended_at_once() {
    let (whole, copy, model) = pair().await;
    let segments = harness::segments(whole.path());
    let wide = OpenOptions::new().write(true).open(&segments[0]).unwrap();
    wide.write_all_at(&[0xa5; 9_000], 6_000).unwrap();
    fs::remove_file(&segments[2]).unwrap();
    fs::remove_file(segments[2].with_extension("idx")).unwrap();
    let repaired = mend(whole.path(), copy.path()).unwrap();
    assert_eq!(repaired.unmended, []);
    verified(whole.path()).unwrap();
    let (appender, reader) = open(whole.path());
    model.check(&appender, &reader);
}

#[tokio::test]
async fn log_5_a_damaged_newest_frame_is_mended_with_or_without_the_checkpoint_file() {
    let (whole, copy, model) = pair().await;
    let last = harness::segment(whole.path());
    let (start, end) = harness::last_frame(whole.path());
    for (at, checkpoint) in
        [(start + 3, true), ((start + end) / 2, true), (end - 2, false), (start + 3, false)]
    {
        let dir = tempfile::tempdir().unwrap();
        harness::copy(whole.path(), dir.path());
        flip(&dir.path().join(last.strip_prefix(whole.path()).unwrap()), at);
        if !checkpoint {
            harness::forget_last_checkpoint(dir.path());
        }
        verified(dir.path()).expect_err("damaged");
        let repaired = mend(dir.path(), copy.path()).unwrap();
        assert_eq!((repaired.mended.len(), repaired.unmended.len()), (1, 0), "{repaired:?}");
        verified(dir.path()).unwrap();
        let (appender, reader) = open(dir.path());
        model.check(&appender, &reader);
    }
}

#[tokio::test]
async fn a_copy_that_does_not_prove_the_leaves_is_refused_and_nothing_changes() {
    let (whole, _, _) = pair().await;
    let other = tempfile::tempdir().unwrap();
    {
        let (mut appender, _) = open(other.path());
        for number in 500..700 {
            appender.enqueue(draft(number, 3)).unwrap().await.unwrap();
        }
    }
    let first = harness::segments(whole.path())[0].clone();
    flip(&first, 9_000);
    let before = fs::read(&first).unwrap();
    let refused = mend(whole.path(), other.path()).unwrap_err();
    assert!(matches!(refused, RepairError::Refused { .. }), "{refused}");
    assert_eq!(fs::read(&first).unwrap(), before);
    assert!(!whole.path().join("quarantine").exists());
}

#[tokio::test]
async fn a_copy_whose_records_are_not_those_of_its_leaves_is_refused() {
    let (whole, copy, _) = pair().await;
    flip(&harness::segments(whole.path())[0], 9_000);
    let refused = repair(
        whole.path(),
        copy.path(),
        &verifier(),
        &|_| Err("the headers do not match".into()),
        &whole.path().join("quarantine"),
    );
    assert!(matches!(refused, Err(RepairError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn damage_that_the_copy_does_not_reach_stays_and_is_listed() {
    let (whole, copy, _) = pair().await;
    let segments = harness::segments(copy.path());
    for path in &segments[1..] {
        fs::remove_file(path).unwrap();
    }
    let ours = harness::segments(whole.path());
    flip(&ours[0], 9_000);
    flip(&ours[1], 9_000);
    let repaired = mend(whole.path(), copy.path()).unwrap();
    assert_eq!((repaired.mended.len(), repaired.unmended.len()), (1, 1), "{repaired:?}");
    assert!(verified(whole.path()).unwrap_err().contains(ours[1].file_name().unwrap().to_str().unwrap()));
}

#[tokio::test]
async fn a_live_log_is_not_repaired() {
    let (whole, copy, _) = pair().await;
    let (_appender, _reader) = open(whole.path());
    assert!(matches!(mend(whole.path(), copy.path()), Err(RepairError::Locked(_))));
}
