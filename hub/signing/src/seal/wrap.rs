//! Data keys at rest, wrapped under the hub's key-encryption key.
//!
//! | wrapped data key | bytes |
//! |---|---|
//! | nonce, random | 12 |
//! | AES-256-GCM ciphertext of the data key | 32 |
//! | tag; AAD is the slot, 8 bytes big-endian | 16 |
//!
//! The slot as AAD keeps a wrapped key in its place: put into another slot it does not open. Random 96-bit nonces allow
//! 2^32 wraps under one key (SP 800-38D); rotate the key-encryption key before that.

use std::sync::Arc;

use ring::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroizing;

use super::{DataKey, OpenError, aes, hidden};
use crate::digest::random;

/// Length of a wrapped data key.
pub const WRAPPED_BYTES: usize = NONCE + 32 + super::TAG_BYTES;
const NONCE: usize = 12;

/// Key-encryption key: wraps data keys. Cheap to clone.
#[derive(Clone)]
pub struct WrapKey {
    present: Arc<LessSafeKey>,
    /// Only unwraps.
    before: Option<Arc<LessSafeKey>>,
}

hidden!(WrapKey);

impl WrapKey {
    /// From its bytes; the caller zeroes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { present: Arc::new(aes(&Zeroizing::new(bytes))), before: None }
    }

    /// The same, which also unwraps what `before` wrapped.
    pub(crate) fn and_before(self, before: &Self) -> Self {
        Self { before: Some(Arc::clone(&before.present)), ..self }
    }

    /// Wraps the data key of `slot`.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn wrap(&self, slot: u64, key: &DataKey) -> [u8; WRAPPED_BYTES] {
        self.wrap_with(random(), slot, key)
    }

    /// The data key of `slot`.
    ///
    /// # Errors
    /// [`OpenError`] where the bytes were changed, belong to another slot or another key wrapped them.
    pub fn unwrap(&self, slot: u64, wrapped: &[u8]) -> Result<DataKey, OpenError> {
        unwrap_with(&self.present, slot, wrapped).or_else(|error| {
            self.before.as_ref().map_or(Err(error), |before| unwrap_with(before, slot, wrapped))
        })
    }

    pub(super) fn wrap_with(&self, nonce: [u8; NONCE], slot: u64, key: &DataKey) -> [u8; WRAPPED_BYTES] {
        let mut wrapped = [0; WRAPPED_BYTES];
        wrapped[..NONCE].copy_from_slice(&nonce);
        wrapped[NONCE..NONCE + 32].copy_from_slice(key.expose());
        let tag = self
            .present
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(slot.to_be_bytes()),
                &mut wrapped[NONCE..NONCE + 32],
            )
            .expect("32 bytes are far below 64 GiB");
        wrapped[NONCE + 32..].copy_from_slice(tag.as_ref());
        wrapped
    }
}

fn unwrap_with(key: &LessSafeKey, slot: u64, wrapped: &[u8]) -> Result<DataKey, OpenError> {
    let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let opened = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(slot.to_be_bytes()),
            bytes.as_mut_slice(),
        )
        .map_err(|_| OpenError)?;
    let secret: &[u8; 32] = (&*opened).try_into().map_err(|_| OpenError)?;
    Ok(DataKey::from_bytes(*secret))
}
