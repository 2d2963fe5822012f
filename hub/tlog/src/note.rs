//! Signed notes (c2sp.org/signed-note): a text and signature lines, readable by people and machines.
//!
//! | part | bytes |
//! |---|---|
//! | text | UTF-8 without control characters but newline; its last byte is a newline |
//! | empty line | one newline |
//! | signature lines, 1 to [`SIGNATURES_MAX`] | U+2014, space, name, space, base64(key id, 4 bytes ‖ signature), newline |
//!
//! ```text
//! simpul.example/demo
//! 3
//! lCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=
//!
//! — simpul.example/demo az3grpukl5AXaVfYkLiD…
//! ```
//!
//! The text may hold empty lines itself: the last one is the border. What is signed is the text with its last newline
//! and without the empty line.

mod key;

pub use self::key::{COSIGNATURE_TYPE, ED25519_TYPE, NoteSigner, NoteVerifier, key_id};
use self::key::{PREFIX, valid_name};

/// Notes larger than this are refused.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// More signature lines than this are refused; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// Why a note or a key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note: no empty line, a bad signature line, control characters.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// Not a key of this kind.
    #[error("malformed note key: {0}")]
    Key(&'static str),
    /// A known key's signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
    /// No signature of a known key.
    #[error("no signature of a known key")]
    Unsigned,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub id: [u8; 4],
    /// What follows the id: 64 bytes for an Ed25519 key, time and 64 bytes for a cosignature.
    pub signature: Vec<u8>,
}

/// A note taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// The signed text, its last newline included.
    pub text: String,
    /// At least one.
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Takes a note apart. Nothing is verified.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("too large"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Malformed("control character"));
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed("no empty line"))?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("no newline at the end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::Malformed("too many signatures"));
            }
            signatures.push(parse_line(line).ok_or(NoteError::Malformed("signature line"))?);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Takes a note apart and verifies it: unknown keys are passed over, a known key's bad signature refuses the note.
    /// What comes back still holds the lines of unknown keys.
    ///
    /// # Errors
    /// [`NoteError`]; [`NoteError::Unsigned`] where no known key signed.
    pub fn open(note: &str, verifiers: &[NoteVerifier]) -> Result<Self, NoteError> {
        let note = Self::parse(note)?;
        let mut verified = false;
        for signature in &note.signatures {
            let Some(verifier) = verifiers.iter().find(|verifier| verifier.made(signature)) else { continue };
            if !verifier.verify(&note.text, &signature.signature) {
                return Err(NoteError::BadSignature(signature.name.clone()));
            }
            verified = true;
        }
        if verified { Ok(note) } else { Err(NoteError::Unsigned) }
    }

    /// The 64 bytes that this Ed25519 key signed with; `None` where it has no line here. Not verified.
    pub fn signature_of(&self, verifier: &NoteVerifier) -> Option<[u8; 64]> {
        let line = self.signatures.iter().find(|signature| verifier.made(signature))?;
        line.signature.as_slice().try_into().ok()
    }
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, blob) = line.strip_prefix(PREFIX)?.split_once(' ')?;
    let blob = crate::base64::decode(blob)?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    let valid = valid_name(name) && !signature.is_empty();
    valid.then(|| NoteSignature { name: name.into(), id: *id, signature: signature.to_vec() })
}
