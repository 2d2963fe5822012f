//! Cosignatures (c2sp.org/tlog-cosignature, `cosignature/v1`): a witness says "as of this time, this is the largest
//! consistent tree of this log that I saw".
//!
//! | signature line's bytes | |
//! |---|---|
//! | key id, of type 4 | 4 |
//! | time, seconds since 1970-01-01T00:00:00Z, big-endian | 8 |
//! | Ed25519 over `cosignature/v1`, newline, `time <decimal>`, newline, the checkpoint's whole text | 64 |
//!
//! The message does not name the cosigner: a key MUST have one role only. Verification is
//! [`NoteVerifier::verify`](crate::note::NoteVerifier::verify) of a type 4 key.

use crate::note::{COSIGNATURE_TYPE, NoteError, NoteSignature, NoteSigner, NoteVerifier};

/// A witness's private key.
#[derive(Debug)]
pub struct CosignatureSigner(NoteSigner);

impl CosignatureSigner {
    /// From its name and 32-byte seed.
    ///
    /// # Errors
    /// [`NoteError::Key`] where the name cannot be one.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        NoteSigner::with_type(name, COSIGNATURE_TYPE, seed).map(Self)
    }

    /// The public half.
    pub fn verifier(&self) -> NoteVerifier {
        self.0.verifier()
    }

    /// The line to put under a signed checkpoint; `text` is its text with extension lines, without signatures.
    pub fn sign_line(&self, time_s: u64, text: &str) -> String {
        let signature = self.0.raw_sign(&message(time_s, text));
        self.0.verifier().line(&[&time_s.to_be_bytes()[..], &signature].concat())
    }
}

/// The time a cosignature speaks of, seconds; `None` where the line is not a cosignature's. Not verified.
pub fn time_of(line: &NoteSignature) -> Option<u64> {
    split(&line.signature).map(|(time_s, _)| time_s)
}

/// What is signed.
pub(crate) fn message(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// Time and Ed25519 signature.
pub(crate) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk::<8>()?;
    (signature.len() == 64).then(|| (u64::from_be_bytes(*time), signature))
}
