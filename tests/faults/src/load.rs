//! What is submitted: a function of the number. Now and then an erasure, of a stream that others go on with under a new key.

use bytes::Bytes;
use simpul_log::Draft;
use simpul_types::StreamName;

use crate::harness;

/// One of so many submissions is an erasure.
const ERASURE_EVERY: u64 = 16;

/// The stream whose keys die with that submission.
pub(crate) fn erases(number: u64) -> Option<StreamName> {
    (number % ERASURE_EVERY == ERASURE_EVERY - 3).then(|| harness::stream(number, 0))
}

/// How many of the first submissions are erasures.
pub(crate) fn erasures(submissions: u64) -> u64 {
    (0..submissions).filter(|number| erases(*number).is_some()).count() as u64
}

/// Events of a submission.
fn events(number: u64) -> usize {
    1 + (number % 4) as usize
}

/// The submission.
pub(crate) fn draft(number: u64) -> Draft {
    match erases(number) {
        Some(stream) => harness::execution(number, &[stream]),
        None => harness::draft(number, events(number)),
    }
}

/// Payload of one of its events.
pub(crate) fn payload(number: u64, event: u64) -> Bytes {
    match erases(number) {
        Some(stream) => harness::execution_payload(&[stream]).into(),
        None => harness::payload(number, event).into(),
    }
}
