//! A receipt is believed only where it proves itself: the leaf holds our statement, the proof leads from the leaf to the
//! checkpoint, the log signed the checkpoint, and the log never shrinks (LOG-3).

use simpul_proto::v1;
use simpul_tlog::{
    checkpoint::{self, Checkpoint, CheckpointError},
    leaf_hash,
    note::{NoteError, NoteVerifier, SignedNote},
    proof::verify_inclusion,
};
use simpul_types::{Digest, Leaf, LeafIndex, Receipt};

/// Checks the receipts of one connector, in the order they come.
pub struct ReceiptVerifier {
    log: Option<NoteVerifier>,
    newest: Option<Seen>,
    /// The last checkpoint that was checked; several submissions of one frame share one.
    last: Option<(String, Checkpoint)>,
}

/// The largest tree a connector has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes do not decode.
    #[error("the receipt or its leaf does not decode")]
    Form(#[from] simpul_types::receipt::LeafError),
    /// The leaf speaks of another submission.
    #[error("leaf {leaf} does not hold our {what}")]
    NotOurs {
        /// Which leaf.
        leaf: LeafIndex,
        /// What differs.
        what: &'static str,
    },
    /// The proof does not lead to the checkpoint's root.
    #[error("leaf {leaf} is not proven to be in the tree of {size} leaves")]
    Inclusion {
        /// Which leaf.
        leaf: LeafIndex,
        /// Size of the tree.
        size: u64,
        /// Why.
        #[source]
        source: simpul_tlog::proof::ProofError,
    },
    /// The checkpoint is malformed or not signed by the configured log.
    #[error("the checkpoint is not one of the configured log")]
    Checkpoint(#[from] CheckpointError),
    /// The configured verifier key cannot be read.
    #[error("the log's verifier key")]
    Verifier(#[source] NoteError),
    /// The log shows fewer leaves than it did before.
    #[error("LOG-3: the log has shrunk from {before} to {now} leaves")]
    Shrunk {
        /// Leaves seen before.
        before: u64,
        /// Leaves now.
        now: u64,
    },
    /// Two trees of one size.
    #[error("LOG-3: the log shows two different trees of {0} leaves")]
    Forked(u64),
}

impl ReceiptVerifier {
    /// Checks against the log of `log_verifier` (C2SP vkey); without one, checkpoints are read but their signature is
    /// not checked. `newest`: the largest tree seen by an earlier run.
    ///
    /// # Errors
    /// [`ReceiptError::Verifier`] where the key cannot be read.
    pub fn new(log_verifier: Option<&str>, newest: Option<Seen>) -> Result<Self, ReceiptError> {
        let log = log_verifier.map(NoteVerifier::parse).transpose().map_err(ReceiptError::Verifier)?;
        Ok(Self { log, newest, last: None })
    }

    /// The largest tree seen so far.
    pub fn newest(&self) -> Option<Seen> {
        self.newest
    }

    /// Checks the receipt of `submission`. A duplicate's receipt is the first one again, so it may speak of an older
    /// tree.
    ///
    /// # Errors
    /// [`ReceiptError`]; the submission then counts as not acknowledged.
    pub fn check(&mut self, submission: &v1::Submission, receipt: &Receipt) -> Result<Leaf, ReceiptError> {
        let leaf = Leaf::decode(&receipt.leaf)?;
        let not_ours = |what| ReceiptError::NotOurs { leaf: receipt.leaf_index, what };
        if leaf.statement_bytes != submission.statement {
            return Err(not_ours("statement"));
        }
        if leaf.signature != submission.signature || leaf.key_id.as_str() != submission.key_id {
            return Err(not_ours("signature"));
        }
        if leaf.first_position != receipt.first_position {
            return Err(not_ours("first position"));
        }
        if receipt.event_count as usize != submission.events.len() {
            return Err(not_ours("number of events"));
        }
        let seen = self.checkpoint(&receipt.checkpoint)?;
        verify_inclusion(
            receipt.leaf_index.get(),
            seen.size,
            &leaf_hash(&receipt.leaf),
            &receipt.inclusion_proof,
            &seen.root,
        )
        .map_err(|source| ReceiptError::Inclusion {
            leaf: receipt.leaf_index,
            size: seen.size,
            source,
        })?;
        self.follow(seen, receipt.duplicate)?;
        Ok(leaf)
    }

    fn checkpoint(&mut self, note: &str) -> Result<Seen, ReceiptError> {
        if let Some((_, checkpoint)) = self.last.as_ref().filter(|(text, _)| text == note) {
            return Ok(Seen { size: checkpoint.size, root: checkpoint.root });
        }
        let checkpoint = match &self.log {
            Some(log) => checkpoint::open(note, log)?,
            None => {
                let note = SignedNote::parse(note).map_err(CheckpointError::from)?;
                Checkpoint::parse(&note.text)?
            }
        };
        let seen = Seen { size: checkpoint.size, root: checkpoint.root };
        self.last = Some((note.to_owned(), checkpoint));
        Ok(seen)
    }

    /// LOG-3, as far as a sender can see it without asking for consistency proofs.
    fn follow(&mut self, seen: Seen, duplicate: bool) -> Result<(), ReceiptError> {
        if let Some(newest) = self.newest {
            if seen.size == newest.size && seen.root != newest.root {
                return Err(ReceiptError::Forked(seen.size));
            }
            if seen.size < newest.size {
                let shrunk = ReceiptError::Shrunk { before: newest.size, now: seen.size };
                return if duplicate { Ok(()) } else { Err(shrunk) };
            }
        }
        self.newest = Some(seen);
        Ok(())
    }
}
