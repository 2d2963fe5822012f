//! Sealing of payloads: AES-256-GCM under one data key per stream, with a key commitment.
//!
//! AES-GCM is not key-committing: one ciphertext can open to two plaintexts under two keys, so whoever holds keys could
//! show an auditor another history. Hence both the AES key and a public commitment are derived from the data key; the
//! commitment stands in the log, and a reader compares it with [`Sealer::commitment`] before it opens anything.
//!
//! | derived | HKDF-SHA256 with salt `simpul/v1/data-key`, input the 32-byte data key, info |
//! |---|---|
//! | AES-256-GCM key | `aes-256-gcm` |
//! | key commitment | `commitment` |
//!
//! | sealed payload | bytes |
//! |---|---|
//! | ciphertext | as many as the plaintext |
//! | tag | 16 |
//!
//! Nonce (not stored): start epoch, 4 bytes big-endian ‖ position, 8 bytes big-endian. An epoch is durable before its
//! first use and never used by two starts of a hub, and a position is given once per epoch, so no nonce repeats under a
//! data key. The record's version byte stands in the log's frame, not here.

mod wrap;

use std::sync::{Arc, LazyLock};

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
};
use simpul_types::Digest;
use zeroize::Zeroizing;

pub use self::wrap::{WRAPPED_BYTES, WrapKey};
use crate::{digest::random, text::Secret};

/// Bytes that sealing adds to a plaintext.
pub const TAG_BYTES: usize = 16;

/// Sealed bytes were changed or moved, or the key is another one. Says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open under this key")]
pub struct OpenError;

/// 32 secret bytes that one stream's payloads are sealed under. Destroying them erases those payloads.
pub struct DataKey(Secret);

/// A data key made ready to seal and open. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(Arc<Ready>);

struct Ready {
    key: LessSafeKey,
    commitment: Digest,
}

/// The nonce of the payload at `position`, sealed in start epoch `epoch`.
pub fn nonce(epoch: u32, position: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&epoch.to_be_bytes());
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    nonce
}

impl DataKey {
    /// A fresh key.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// From its bytes; the caller zeroes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The public value that fixes this key: equal commitments, equal keys.
    pub fn commitment(&self) -> Digest {
        *derive(&self.expander(), &[b"commitment"])
    }

    /// Makes it ready; one extraction and two expansions, to be kept for as long as the stream is busy.
    pub fn sealer(&self) -> Sealer {
        let expander = self.expander();
        let key = aes(&derive(&expander, &[b"aes-256-gcm"]));
        Sealer(Arc::new(Ready { key, commitment: *derive(&expander, &[b"commitment"]) }))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn expander(&self) -> Prk {
        static SALT: LazyLock<Salt> = LazyLock::new(|| Salt::new(HKDF_SHA256, b"simpul/v1/data-key"));
        SALT.extract(&self.0[..])
    }
}

impl Sealer {
    /// Seals in place and appends the tag. One nonce MUST seal one plaintext only (see the module's text).
    ///
    /// # Panics
    /// On a plaintext of 64 GiB, which no limit lets through.
    pub fn seal(&self, nonce: [u8; 12], aad: &[u8], plaintext: &mut Vec<u8>) {
        let tag = self.seal_in_place(nonce, aad, plaintext);
        plaintext.extend_from_slice(&tag);
    }

    /// Seals in place, within a larger buffer, and returns the tag that belongs behind it. As [`Self::seal`] otherwise.
    ///
    /// # Panics
    /// As [`Self::seal`].
    pub fn seal_in_place(&self, nonce: [u8; 12], aad: &[u8], plaintext: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.key.seal_in_place_separate_tag(nonce, Aad::from(aad), plaintext);
        let tag = tag.expect("a payload is far below 64 GiB");
        tag.as_ref().try_into().expect("an AES-GCM tag has 16 bytes")
    }

    /// Opens what [`Self::seal`] made. Compare [`Self::commitment`] with the recorded one first.
    ///
    /// # Errors
    /// [`OpenError`] where nonce, AAD, key or any byte differs.
    pub fn open(&self, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        open(&self.0.key, nonce, aad, sealed)
    }

    /// The commitment of the data key.
    pub fn commitment(&self) -> Digest {
        self.0.commitment
    }
}

macro_rules! hidden {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        })+
    };
}
hidden!(DataKey, Sealer);
pub(crate) use hidden;

pub(crate) fn open(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let mut bytes = sealed.to_vec();
    let opened = key
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes)
        .map_err(|_| OpenError)?
        .len();
    bytes.truncate(opened);
    Ok(bytes)
}

pub(crate) fn aes(secret: &Secret) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, &secret[..]).expect("an AES-256 key has 32 bytes");
    LessSafeKey::new(key)
}

pub(crate) fn extract(salt: &[u8], secret: &Secret) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(&secret[..])
}

/// 32 bytes of HKDF-Expand under the info parts one after the other.
pub(crate) fn derive(expander: &Prk, info: &[&[u8]]) -> Secret {
    let mut output = Zeroizing::new([0; 32]);
    expander
        .expand(info, HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut output[..]))
        .expect("32 bytes are one block of HKDF-SHA256");
    output
}
