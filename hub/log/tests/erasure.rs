//! KEY-1: a key that the log says is dead is never served again, whatever is restored, and everything else stays as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{fs, path::Path, sync::Arc};

use harness::{config, draft, execution, keys, open, verifier};
use simpul_log::{AppendError, OpenError, ReadError, Reader, Schema};
use simpul_types::{Position, StreamName, clock::System};

const ROW: usize = 128;

/// The first event of [`draft`] 1 stands there.
fn victim() -> StreamName {
    harness::stream(1, 0)
}

fn erased_by(reader: &Reader, position: u64) -> Option<u64> {
    let event = reader.event(Position::new(position)).unwrap();
    match reader.open_payload(&event) {
        Ok(_) => None,
        Err(error) => Some(error.erased_by().expect("no other reason").get()),
    }
}

fn row(dir: &Path, slot: u64) -> Vec<u8> {
    fs::read(dir.join("keys")).unwrap()[slot as usize * ROW..][..ROW].to_vec()
}

fn slot(reader: &Reader, position: u64) -> u64 {
    reader.event(Position::new(position)).unwrap().slot
}

#[tokio::test]
async fn key_1_an_executed_stream_opens_never_again_and_everything_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 3)).unwrap().await.unwrap();
    let live = row(dir.path(), slot(&reader, 0));
    // Opened before, so that it is in the cache.
    assert_eq!(erased_by(&reader, 0), None);
    appender.enqueue_erasing(execution(2, &[victim()]), &[victim()]).unwrap().await.unwrap();
    let erased = row(dir.path(), slot(&reader, 0));
    assert_ne!(erased, live);
    assert!(
        erased.windows(16).all(|part| !live[8..68].windows(16).any(|key| key == part)),
        "no part of the key is left"
    );
    assert_eq!(erased[68..100], live[68..100], "the commitment is");
    assert_eq!((0..4).map(|at| erased_by(&reader, at)).collect::<Vec<_>>(), [Some(3), None, None, None]);
    appender.close();
    drop(reader);
    let report = simpul_log::verify::walk(dir.path(), &verifier(), &mut |_, _| Ok(())).unwrap();
    assert_eq!((report.violation, report.files, report.events), (None, vec![], 4));
    let (_, reader) = open(dir.path());
    assert_eq!((0..4).map(|at| erased_by(&reader, at)).collect::<Vec<_>>(), [Some(3), None, None, None]);
}

#[tokio::test]
async fn a_stream_goes_on_under_a_new_key_across_segments_and_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 1)).unwrap().await.unwrap();
    let execution = appender.enqueue_erasing(execution(2, &[victim()]), &[victim()]).unwrap();
    // Queued behind it and not flushed yet: same stream.
    let behind = appender.enqueue(draft(18, 1)).unwrap();
    execution.await.unwrap();
    behind.await.unwrap();
    assert_eq!((erased_by(&reader, 0), erased_by(&reader, 2)), (Some(1), None));
    // The index tables of a sealed segment have the newest slot.
    for number in 100..300 {
        appender.enqueue(draft(number, 4)).unwrap().await.unwrap();
    }
    assert!(harness::segments(dir.path()).len() > 1);
    let new = slot(&reader, 2);
    appender.close();
    drop(reader);
    for _ in 0..2 {
        let (mut appender, reader) = open(dir.path());
        let position = appender.end().get();
        appender.enqueue(draft(1_000_000 * 17 + 1 + position * 17, 1)).unwrap().await.unwrap();
        assert_eq!(harness::stream(1_000_000 * 17 + 1 + position * 17, 0), victim());
        assert_eq!(slot(&reader, position), new);
        assert_eq!(
            (erased_by(&reader, 0), erased_by(&reader, 2), erased_by(&reader, position)),
            (Some(1), None, None)
        );
        appender.close();
    }
}

#[tokio::test]
async fn a_key_file_from_before_the_erasure_is_destroyed_again_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 2)).unwrap().await.unwrap();
    let backup = fs::read(dir.path().join("keys")).unwrap();
    appender.enqueue_erasing(execution(2, &[victim()]), &[victim()]).unwrap().await.unwrap();
    let slot = slot(&reader, 0);
    appender.close();
    drop(reader);
    fs::write(dir.path().join("keys"), &backup).unwrap();
    {
        // Beside no writer: refused, though the row is there.
        let beside =
            simpul_log::open_reader(dir.path(), Schema::Submissions, &verifier(), keys().wrap).unwrap();
        assert_eq!((erased_by(&beside, 0), erased_by(&beside, 1)), (Some(2), None));
    }
    let (_, reader) = open(dir.path());
    assert_eq!((erased_by(&reader, 0), erased_by(&reader, 1)), (Some(2), None));
    assert_ne!(
        row(dir.path(), slot),
        backup[slot as usize * ROW..][..ROW],
        "destroyed in the restored file too"
    );
}

#[tokio::test]
async fn an_erasure_that_is_refused_a_place_leaves_the_key_alive() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.queue_events_max = 1;
    let (mut appender, reader) =
        simpul_log::open(config, Schema::Submissions, keys(), Arc::new(System)).unwrap();
    appender.enqueue(draft(1, 1)).unwrap().await.unwrap();
    // Nobody waits for it yet, so it stays queued, and the queue is full.
    let queued = appender.enqueue(draft(2, 1)).unwrap();
    let refused = appender.enqueue_erasing(execution(3, &[victim()]), &[victim()]).err();
    assert!(matches!(refused, Some(AppendError::Full)));
    queued.await.unwrap();
    appender.enqueue(draft(18, 1)).unwrap().await.unwrap();
    assert_eq!((slot(&reader, 2), harness::stream(18, 0)), (slot(&reader, 0), victim()));
    assert_eq!((erased_by(&reader, 0), erased_by(&reader, 2)), (None, None));
}

#[tokio::test]
async fn key_1_a_log_whose_erasures_cannot_be_read_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 1)).unwrap().await.unwrap();
    appender.enqueue_erasing(execution(2, &[victim()]), &[victim()]).unwrap().await.unwrap();
    let register = slot(&reader, 1);
    appender.close();
    drop(reader);
    let mut bytes = fs::read(dir.path().join("keys")).unwrap();
    bytes[register as usize * ROW + 20] ^= 1;
    fs::write(dir.path().join("keys"), bytes).unwrap();
    let opened = simpul_log::open(config(dir.path()), Schema::Submissions, keys(), Arc::new(System));
    assert!(matches!(opened.err(), Some(OpenError::Fence(_))));
}

#[tokio::test]
async fn an_erased_payload_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appender, reader) = open(dir.path());
    appender.enqueue(draft(1, 1)).unwrap().await.unwrap();
    appender.enqueue_erasing(execution(2, &[victim()]), &[victim()]).unwrap().await.unwrap();
    let event = reader.event(Position::ZERO).unwrap();
    assert!(matches!(reader.open_payload(&event), Err(ReadError::Key(_))));
    assert!(reader.condition().damages.is_empty());
}
