//! KEY-1 where the process dies, or the disk fails, between the flush of an execution and the end of the keys.

#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use harness::{draft, execution, open, stream};
use simpul_log::faults::{self, Failure, IoFault, Kind, Plan};
use simpul_types::Position;

const CHILD: &str = "SIMPUL_ERASURE_CHILD";

fn erase(dir: &Path, plan: Plan) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut appender, _) = open(dir);
    runtime.block_on(appender.enqueue(draft(1, 2)).unwrap()).unwrap();
    fs::copy(dir.join("keys"), dir.with_extension("keys-before")).unwrap();
    faults::begin(plan);
    let ticket = appender.enqueue_erasing(execution(2, &[stream(1, 0)]), &[stream(1, 0)]).unwrap();
    let answered = runtime.block_on(ticket);
    faults::end();
    assert!(answered.is_err(), "the test wants a fault before the answer");
}

/// After whatever happened, a start ends with the key gone.
fn check(dir: &Path) {
    let (_, reader) = open(dir);
    assert_eq!(reader.head().end.get(), 3, "the execution was flushed");
    let event = reader.event(Position::ZERO).unwrap();
    let refused = reader.open_payload(&event).err().expect("erased");
    assert_eq!(refused.erased_by(), Some(Position::new(2)));
    let other = reader.event(Position::new(1)).unwrap();
    reader.open_payload(&other).unwrap();
    let at = event.slot as usize * 128;
    let (now, before) =
        (fs::read(dir.join("keys")).unwrap(), fs::read(dir.with_extension("keys-before")).unwrap());
    assert_ne!(now[at + 8..at + 68], before[at + 8..at + 68], "the wrapped key is overwritten");
}

/// What the test below starts anew for each crash; alone it does nothing.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test tells its child where to work")]
fn child_that_crashes_at_a_point() {
    let Ok(dir) = env::var(CHILD) else { return };
    let (dir, point) = dir.split_once('|').unwrap();
    erase(&PathBuf::from(dir), Plan { crash: Some((point.into(), 1)), ..Plan::default() });
}

#[test]
fn key_1_a_crash_before_the_keys_are_destroyed_is_finished_by_the_next_start() {
    for point in ["append.flushed", "erase.dead", "erase.overwritten", "erase.flushed"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("log");
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_that_crashes_at_a_point"])
            .env(CHILD, format!("{}|{point}", data.display()))
            .status()
            .unwrap();
        assert!(!status.success(), "{point} was passed");
        check(&data);
    }
}

/// One plan for the whole process: the other tests plan in children.
#[test]
fn key_1_where_a_row_cannot_be_overwritten_nothing_is_acknowledged_and_the_next_start_destroys_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("log");
    // The first write is the frame, the second the row.
    let io = IoFault { kind: Kind::Write, ordinal: 2, failure: Failure::Io, lasting: false };
    erase(&data, Plan { io: Some(io), ..Plan::default() });
    check(&data);
}
