//! What goes into the log, and the ticket for what comes back.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use simpul_types::{Digest, EventId, LeafIndex, Position, Receipt, StreamName, SubmissionId, Timestamp};
use tokio::sync::oneshot;

use crate::{append::Core, head::Head};

/// One leaf with its records, admitted together or not at all.
pub struct Draft {
    /// Indexed for ever; `None` in logs whose leaves have no id.
    pub submission_id: Option<SubmissionId>,
    /// A gapless count kept beside the log: key (a connector) and the number that comes next after this leaf.
    pub chain: Option<(Arc<str>, u64)>,
    /// The events, in order.
    pub records: Vec<RecordDraft>,
    /// Makes the leaf's bytes once its place is known; at most 65,535 bytes (an entry of a C2SP tile).
    pub leaf: Box<dyn FnOnce(&Assigned) -> Bytes + Send>,
}

/// One event. Holds personal data: no `Debug`.
pub struct RecordDraft {
    /// Indexed for ever; `None` in logs whose records have no id.
    pub event_id: Option<EventId>,
    /// The stream it belongs to, and so the data key it is sealed under.
    pub stream: StreamName,
    /// Stored in clear; bound to the ciphertext as additional data.
    pub header: Bytes,
    /// Sealed, in front of the payload.
    pub salt: Bytes,
    /// Sealed.
    pub payload: Bytes,
}

/// The place a leaf was given.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Index in the Merkle tree.
    pub leaf_index: LeafIndex,
    /// Position of the first record.
    pub first_position: Position,
    /// Never earlier than that of the leaf before.
    pub admitted_at: Timestamp,
    /// RFC 6962 tree hash over the SHA-256 of each sealed payload.
    pub sealed_root: Digest,
}

/// Why the log did not take a draft, or did not keep it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The queue is full; try again.
    #[error("the queue is full")]
    Full,
    /// A flush or write failed; nothing is acknowledged until the log is opened again.
    #[error("the log is poisoned: {0}")]
    Poisoned(String),
    /// The disk has no room ahead of the writer.
    #[error("the disk is full")]
    DiskFull,
    /// The log is closing.
    #[error("the log is closed")]
    Closed,
}

/// Resolves to the receipt after the flush that covers the draft (LOG-2).
#[must_use = "a ticket that is dropped gives no receipt"]
pub struct Ticket {
    pub(crate) core: Arc<Core>,
    pub(crate) leaf_index: LeafIndex,
    pub(crate) first_position: Position,
    pub(crate) done: oneshot::Receiver<Result<Arc<Committed>, AppendError>>,
    pub(crate) driven: bool,
}

/// What a flush acknowledged.
pub(crate) struct Committed {
    pub(crate) head: Arc<Head>,
    /// Leaf bytes of the frame, by index from `first_leaf`.
    pub(crate) first_leaf: u64,
    pub(crate) leaves: Vec<(Bytes, u64, u32)>,
}

impl Ticket {
    /// Index the leaf was given.
    pub fn leaf_index(&self) -> LeafIndex {
        self.leaf_index
    }

    /// Position the first record was given.
    pub fn first_position(&self) -> Position {
        self.first_position
    }
}

impl Future for Ticket {
    type Output = Result<Receipt, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.driven {
            self.driven = true;
            self.core.commit_if_idle();
        }
        let outcome = match Pin::new(&mut self.done).poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => Err(AppendError::Closed),
            Poll::Ready(Ok(outcome)) => outcome,
        };
        Poll::Ready(outcome.and_then(|committed| {
            let (leaf, first_position, count) =
                committed.leaves[(self.leaf_index.get() - committed.first_leaf) as usize].clone();
            self.core.shared.receipt_at(
                &committed.head,
                self.leaf_index,
                leaf,
                Position::new(first_position),
                count,
            )
        }))
    }
}
