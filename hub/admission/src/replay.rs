//! What is in the log already: the same bytes get the first receipt again, other bytes are refused (LOG-4).
//! The first may still be in flight; then its flush is waited for.

use std::time::Duration;

use simpul_log::{ReadError, Reader, StoredLeaf};
use simpul_types::{Leaf, LeafIndex, Position, Receipt, RejectReason, Rejection};
use tokio::task;

use crate::{
    dedupe::{self, Gate},
    validate::Validated,
};

/// How often somebody who waits for another's flush looks whether the log still lives.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);

/// The submission id is known: the same statement gets the first receipt. The statement holds the root over
/// all header bytes, and those the commitments of the payloads, so the same statement means the same
/// submission.
pub(crate) async fn known(
    gate: &Gate,
    reader: &Reader,
    leaf: LeafIndex,
    validated: &Validated,
) -> Result<Receipt, Rejection> {
    committed(gate, reader, |size, _| size > leaf).await?;
    let (_, first) = read(reader, move |reader| reader.leaf(leaf)).await?;
    if first.statement_bytes != validated.submission().statement_bytes {
        let message = "this submission id is known with another statement";
        return Err(Rejection::new(RejectReason::SubmissionIdReused, message).at("statement.submission_id"));
    }
    receipt(reader, leaf).await
}

/// Event `index` of the submission stands at `position`. Where all of it is one leaf of the same sender, with
/// the same headers, it was sent before under another submission id, and gets that leaf's receipt.
pub(crate) async fn replayed(
    gate: &Gate,
    reader: &Reader,
    index: usize,
    position: Position,
    fork: Option<u64>,
    validated: &Validated,
) -> Result<Receipt, Rejection> {
    committed(gate, reader, |_, end| end > position).await?;
    let (stored, first) = read(reader, move |reader| reader.leaf_of(position)).await?;
    let submission = validated.submission();
    let same_sender = first.statement.sender == submission.statement.sender;
    let same_events = stored.events.len() == submission.events.len()
        && stored
            .events
            .iter()
            .zip(&submission.events)
            .all(|(stored, sent)| stored.header == sent.header_bytes);
    if same_sender && same_events {
        return receipt(reader, stored.index).await;
    }
    let known = stored.events.iter().find(|event| event.position == position);
    let same_event = known.is_some_and(|event| event.header == submission.events[index].header_bytes);
    match fork {
        // Sent before in another grouping: the number tells the sender where to go on.
        Some(next) if same_sender && same_event => Err(dedupe::forked(next)),
        _ => {
            let message = if same_event {
                "this event is in the log, as part of another submission"
            } else {
                "this event id is known with other bytes"
            };
            Err(Rejection::new(RejectReason::EventIdReused, message)
                .at(format!("events[{index}].header.event_id")))
        }
    }
}

/// Waits until the acknowledged head is far enough, or the log stops acknowledging.
async fn committed(
    gate: &Gate,
    reader: &Reader,
    enough: impl Fn(LeafIndex, Position) -> bool,
) -> Result<(), Rejection> {
    let mut heads = reader.subscribe();
    loop {
        let wait = heads.wait_for(|head| enough(head.size, head.end));
        match tokio::time::timeout(HEALTH_INTERVAL, wait).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => return Err(dedupe::draining()),
            Err(_) => {
                if let Some(error) = gate.stopped() {
                    return Err(dedupe::refused(error));
                }
            }
        }
    }
}

async fn read(
    reader: &Reader,
    read: impl FnOnce(&Reader) -> Result<StoredLeaf, ReadError> + Send + 'static,
) -> Result<(StoredLeaf, Leaf), Rejection> {
    let stored = apart(reader, read).await?;
    let leaf = Leaf::decode(&stored.bytes).map_err(|error| {
        tracing::error!(leaf = stored.index.get(), %error, "a stored leaf does not decode");
        broken()
    })?;
    Ok((stored, leaf))
}

async fn receipt(reader: &Reader, leaf: LeafIndex) -> Result<Receipt, Rejection> {
    let receipt = apart(reader, move |reader| reader.receipt(leaf)).await?;
    Ok(Receipt { duplicate: true, ..receipt })
}

/// Reads the disk on a thread that may block; replays are rare.
async fn apart<T: Send + 'static>(
    reader: &Reader,
    read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Rejection> {
    let reader = reader.clone();
    let read = task::spawn_blocking(move || read(&reader)).await.map_err(|_| dedupe::draining())?;
    read.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the log could not be read");
        match error {
            ReadError::Io { .. } | ReadError::Tree(_) => {
                Rejection::new(RejectReason::LogPoisoned, "the log could not be read; try again later")
            }
            _ => broken(),
        }
    })
}

fn broken() -> Rejection {
    Rejection::new(RejectReason::BrokenChain, "a stored record does not match its proof")
}
