//! Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a log as the text of a signed note.
//!
//! | line of the text | |
//! |---|---|
//! | origin | not empty; for our logs the name of the key |
//! | size | decimal, no sign, no leading zero |
//! | root | base64 of 32 bytes |
//! | extensions | none of ours; those of others are passed over, but signed: cosign a note's text, not [`Checkpoint::body`] |
//!
//! LOG-3: a log never signs two inconsistent checkpoints. That is the log's promise; this module only writes them down.

use data_encoding::BASE64;
use simpul_types::Digest;

use crate::{
    base64,
    note::{ED25519_TYPE, NoteError, NoteSigner, NoteVerifier, SignedNote},
};

/// A tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; equals the name of its key. No newline.
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
    #[error("the checkpoint's note does not hold")]
    Note(#[from] NoteError),
    /// A line of the text.
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
        let root = base64::decode_digest(root);
        Ok(Self {
            origin: origin.into(),
            size: parse_size(size).ok_or(CheckpointError::Body("size"))?,
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

/// Verifies a signed checkpoint of the log that this key belongs to: one good signature of an Ed25519 key whose name is
/// the origin.
///
/// # Errors
/// [`CheckpointError`].
pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Checkpoint, CheckpointError> {
    if verifier.key_type() != ED25519_TYPE {
        // A witness's word is no log's word.
        return Err(NoteError::Key("a log signs with a key of type 1").into());
    }
    let note = SignedNote::open(note, std::slice::from_ref(verifier))?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    if checkpoint.origin != verifier.name() {
        return Err(CheckpointError::Origin(checkpoint.origin));
    }
    Ok(checkpoint)
}

/// Decimal without sign and leading zero.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}
