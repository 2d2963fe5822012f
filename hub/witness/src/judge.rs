//! Whether a checkpoint may be cosigned. Pure: state in, verdict out.
//!
//! The order of the checks is the specification's, so that what a stranger learns of the state (409 tells its size) he
//! learns only with a checkpoint that the log signed.

use simpul_tlog::{
    checkpoint::Checkpoint,
    empty_root,
    note::{NoteError, NoteVerifier, SignedNote},
    proof::{ProofError, verify_consistency},
};
use simpul_types::Digest;

use crate::request::{AddCheckpoint, RequestError};

/// Why nothing was cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the body, the note or the text.
    #[error("{0}")]
    Malformed(String),
    /// 404: no log of this origin is known here.
    #[error("no log of this origin is known here")]
    UnknownOrigin,
    /// 403: no known key of the log signed it, or one of them wrongly.
    #[error("{0}")]
    Signature(String),
    /// 400: the proof starts beyond the checkpoint.
    #[error("the old size {old} is above the checkpoint's {size}")]
    OldAbove {
        /// As asked.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// 409: the proof does not start at what was cosigned last, or the checkpoint is another tree of that size.
    #[error("the newest cosigned checkpoint has {recorded} leaves{}", if *.split { " and another root" } else { "" })]
    Conflict {
        /// Size cosigned last; 0 where none was.
        recorded: u64,
        /// The log signed two roots for that size: a split view.
        split: bool,
    },
    /// 422: the proof does not lead from what was cosigned to this.
    #[error("the consistency proof does not hold: {0}")]
    Proof(#[from] ProofError),
}

impl Refusal {
    /// Status code of the protocol.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldAbove { .. } => 400,
            Self::UnknownOrigin => 404,
            Self::Signature(_) => 403,
            Self::Conflict { .. } => 409,
            Self::Proof(_) => 422,
        }
    }

    /// Whether the log's own signature stands under what was refused for breaking append-only: worth keeping.
    pub fn is_evidence(&self) -> bool {
        matches!(self, Self::Conflict { split: true, .. } | Self::Proof(_))
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The note and what it says; nothing is verified.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn read(note: &str) -> Result<(SignedNote, Checkpoint), Refusal> {
    let note = SignedNote::parse(note).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|error| Refusal::Malformed(error.to_string()))?;
    Ok((note, checkpoint))
}

/// The note with the lines of the log's known keys alone, each of them verified.
///
/// # Errors
/// [`Refusal::Signature`].
pub fn signed(note: &str, keys: &[NoteVerifier]) -> Result<SignedNote, Refusal> {
    let refused = |error: NoteError| Refusal::Signature(error.to_string());
    let mut note = SignedNote::open(note, keys).map_err(refused)?;
    note.signatures.retain(|line| keys.iter().any(|key| key.made(line)));
    Ok(note)
}

/// Whether a checkpoint that the log signed extends the recorded tree.
///
/// # Errors
/// [`Refusal`].
pub fn extends(
    recorded: Option<&Checkpoint>,
    request: &AddCheckpoint,
    checkpoint: &Checkpoint,
) -> Result<(), Refusal> {
    let (old, size) = (request.old, checkpoint.size);
    if old > size {
        return Err(Refusal::OldAbove { old, size });
    }
    let (recorded_size, recorded_root): (u64, Digest) =
        recorded.map_or_else(|| (0, empty_root()), |recorded| (recorded.size, recorded.root));
    let split = size == recorded_size && checkpoint.root != recorded_root && size > 0;
    if old != recorded_size || split {
        return Err(Refusal::Conflict { recorded: recorded_size, split });
    }
    Ok(verify_consistency(old, size, &request.proof, &recorded_root, &checkpoint.root)?)
}
