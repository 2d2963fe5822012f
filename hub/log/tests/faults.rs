//! The log with its fault points: what depends on one timing or one failing operation. The battery in `tests/faults` does the
//! rest. One plan holds for the whole process, so these tests take turns.

#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{draft, open, verifier};
use simpul_log::{
    OpenError, Schema,
    faults::{self, Bug, Failure, IoFault, Kind, Plan},
    trace::{self, Event, Recorder},
};
use simpul_types::clock::System;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

type Hook = Arc<dyn Fn() + Send + Sync>;

/// Fills segments while every spare that gets its name waits until another was made meanwhile, or long enough for one to be.
fn roll_with_slow_names(dir: &Path) -> (u64, u64) {
    const LONG_ENOUGH: Duration = Duration::from_millis(300);
    const EVENTS: u64 = 400;
    let made = Arc::new(AtomicU64::new(0));
    let (count, seen) = (Arc::clone(&made), Arc::clone(&made));
    let hooks: Vec<(&'static str, Hook)> = vec![
        ("spare.created", Arc::new(move || _ = count.fetch_add(1, Ordering::SeqCst))),
        (
            "roll.header-flushed",
            Arc::new(move || {
                let (before, start) = (seen.load(Ordering::SeqCst), Instant::now());
                while seen.load(Ordering::SeqCst) == before && start.elapsed() < LONG_ENOUGH {
                    thread::yield_now();
                }
            }),
        ),
    ];
    faults::begin(Plan { hooks, ..Plan::default() });
    {
        let (mut appender, _) = open(dir);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for number in 0..EVENTS / 4 {
            // A spare that was made anew while another got its name makes the append fail, or the frames vanish.
            let Ok(ticket) = appender.enqueue(draft(number, 4)) else { break };
            if runtime.block_on(ticket).is_err() {
                break;
            }
        }
    }
    faults::end();
    let report = simpul_log::verify::walk(dir, &verifier(), &mut |_, _| Ok(())).unwrap();
    assert!(made.load(Ordering::SeqCst) > 0, "spares were made");
    (report.events + u64::from(report.violation.is_some()), EVENTS)
}

#[test]
fn log_5_no_spare_is_made_while_another_gets_its_name() {
    let _turn = one_at_a_time();
    let dir = tempfile::tempdir().unwrap();
    let (kept, appended) = roll_with_slow_names(dir.path());
    assert_eq!(kept, appended);
}

#[test]
fn a_spare_made_while_another_gets_its_name_is_noticed() {
    let _turn = one_at_a_time();
    let dir = tempfile::tempdir().unwrap();
    faults::seed(Some(Bug::SpareWhileRolling));
    let (kept, appended) = roll_with_slow_names(dir.path());
    faults::seed(None);
    assert_ne!(kept, appended, "the test above would not notice");
}

#[test]
fn log_5_a_checkpoint_file_that_cannot_be_read_is_no_absent_one() {
    let _turn = one_at_a_time();
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    // The epoch is read behind the segments, the checkpoint before them: the first reads of a start are its size and bytes.
    fs::write(dir.path().join("checkpoint"), "not a checkpoint\n").unwrap();
    let io = IoFault { kind: Kind::Read, ordinal: 1, failure: Failure::Io, lasting: false };
    faults::begin(Plan { io: Some(io), ..Plan::default() });
    let config = harness::config(dir.path());
    let opened = simpul_log::open(config, Schema::Submissions, harness::keys(), Arc::new(System));
    faults::end();
    assert!(matches!(opened.err(), Some(OpenError::Io { .. })));
}

/// LOG-2: after a start, what stands in the log counts as acknowledged, so the start itself writes and flushes it.
#[test]
fn log_2_a_start_flushes_the_last_frame_it_found_before_it_counts() {
    let _turn = one_at_a_time();
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    {
        let (mut appender, _) = open(dir.path());
        runtime.block_on(appender.enqueue(draft(1, 2)).unwrap()).unwrap();
    }
    let record = dir.path().join("record");
    faults::begin(Plan { recorder: Some(Recorder::append(&record).unwrap()), ..Plan::default() });
    drop(open(dir.path()));
    faults::end();
    let events = trace::read(&record).unwrap();
    let written = events.iter().position(|event| match event {
        Event::Write { bytes, .. } => bytes.starts_with(b"SFR1"),
        _ => false,
    });
    let written = written.expect("the last frame is written again");
    let Event::Write { handle: frame, .. } = events[written] else { unreachable!("it was found above") };
    let flushed = events[written..]
        .iter()
        .any(|event| matches!(event, Event::Synced { handle, .. } if *handle == frame));
    assert!(flushed);
}
