//! Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a log as the text of a signed note.

use data_encoding::BASE64;
use simpul_types::Digest;

use crate::note::{NoteError, NoteSigner, NoteVerifier, SignedNote};

/// A tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; equals the name of its key.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Digest,
}

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note or its signature.
    #[error("note")]
    Note(#[from] NoteError),
    /// A line of the body.
    #[error("malformed checkpoint: {0}")]
    Body(&'static str),
    /// It is of another log.
    #[error("the checkpoint is of `{0}`")]
    Origin(String),
}

impl Checkpoint {
    /// The text that is signed, its last newline included.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    /// Reads the text of a checkpoint; lines behind the third are extensions and passed over.
    ///
    /// # Errors
    /// [`CheckpointError::Body`], naming the line.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Body("no newline at the end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Body("three lines"));
        };
        if origin.is_empty() {
            return Err(CheckpointError::Body("origin"));
        }
        if lines.any(str::is_empty) {
            return Err(CheckpointError::Body("empty extension line"));
        }
        let decimal = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        if !decimal || (size.len() > 1 && size.starts_with('0')) {
            return Err(CheckpointError::Body("size"));
        }
        let root = BASE64.decode(root.as_bytes()).ok().and_then(|root| root.try_into().ok());
        Ok(Self {
            origin: origin.into(),
            size: size.parse().map_err(|_| CheckpointError::Body("size"))?,
            root: root.ok_or(CheckpointError::Body("root"))?,
        })
    }

    /// The signed note.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.body())
    }

    /// The signed note from a raw signature that was made before.
    pub fn with_signature(&self, verifier: &NoteVerifier, signature: &[u8; 64]) -> String {
        format!("{}\n{}", self.body(), verifier.line(signature))
    }
}

/// Verifies a signed checkpoint of the log that this key belongs to.
///
/// # Errors
/// [`CheckpointError`].
pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Checkpoint, CheckpointError> {
    let note = SignedNote::open(note, std::slice::from_ref(verifier))?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    if checkpoint.origin == verifier.name() {
        Ok(checkpoint)
    } else {
        Err(CheckpointError::Origin(checkpoint.origin))
    }
}
