//! Reading everything in order, and starting on it.

use std::{path::Path, time::Instant};

use simpul_log::{Schema, verify};
use simpul_signing::seal::WrapKey;
use simpul_tlog::note::NoteVerifier;
use simpul_types::Position;

use super::measure::{Row, once};

/// Replays a log's folder: every frame's checks, every leaf and event, sealed, as an auditor reads.
///
/// # Panics
/// Where the log cannot be read.
pub fn sealed(log: &Path, verifier: &NoteVerifier, wrap: WrapKey) -> Row {
    let reader = simpul_log::open_reader(log, Schema::Submissions, verifier, wrap).expect("opens");
    let (mut scan, mut events, start) = (reader.scan(Position::ZERO), 0usize, Instant::now());
    while let Some(leaves) = scan.next_frame().expect("whole") {
        events += leaves.iter().map(|leaf| leaf.events.len()).sum::<usize>();
    }
    once("replay, sealed", "Simpul", true, events, start.elapsed())
}

/// The same with every payload opened.
///
/// # Panics
/// Where the log cannot be read.
pub fn opened(log: &Path, verifier: &NoteVerifier, wrap: WrapKey) -> Row {
    let reader = simpul_log::open_reader(log, Schema::Submissions, verifier, wrap).expect("opens");
    let (mut scan, mut events, start) = (reader.scan(Position::ZERO), 0usize, Instant::now());
    while let Some(leaves) = scan.next_frame().expect("whole") {
        for event in leaves.iter().flat_map(|leaf| &leaf.events) {
            reader.open_payload(event).expect("opens");
            events += 1;
        }
    }
    once("replay, opened", "Simpul", true, events, start.elapsed())
}

/// Verification of every byte, tree and checkpoint signature.
///
/// # Panics
/// Where the log does not verify.
pub fn verified(log: &Path, verifier: &NoteVerifier) -> Row {
    let start = Instant::now();
    let report = verify::walk(log, verifier, &mut |_, _| Ok(())).expect("readable");
    assert_eq!(report.violation, None);
    once("offline verification", "Simpul", true, report.events as usize, start.elapsed())
}
