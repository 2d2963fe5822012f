//! Values of read models at rest (PII-1): sealed, since names and identifiers stand in them.
//!
//! | sealed value | bytes |
//! |---|---|
//! | nonce: epoch ‖ counter, both big-endian | 4 + 8 |
//! | AES-256-GCM ciphertext | as many as the plaintext |
//! | tag | 16 |
//!
//! The store counts its starts and gives the number as epoch, so that no two runs share a nonce; within a run the
//! counter never repeats. The counter begins at a random number, so that a store that was deleted, and counts from one
//! again under the same key, still does not repeat the nonces of copies that someone may have kept.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ring::aead::{Aad, LessSafeKey, Nonce};

use crate::{
    digest::random,
    seal::{OpenError, TAG_BYTES, aes, hidden, nonce, open},
    text::Secret,
};

const NONCE: usize = 12;

/// Seals and opens the values of one store. Cheap to clone; clones share the counter.
#[derive(Clone)]
pub struct StateSealer {
    key: Arc<LessSafeKey>,
    epoch: u32,
    counter: Arc<AtomicU64>,
}

hidden!(StateSealer);

impl StateSealer {
    /// In a random epoch until [`Self::with_epoch`] gives it a counted one.
    pub(crate) fn new(secret: &Secret) -> Self {
        let key = Arc::new(aes(secret));
        Self { key, epoch: u32::from_be_bytes(random()), counter: random_counter() }
    }

    /// The same key in this run's epoch. A store that outlives a run MUST give a number that no earlier run had, and
    /// MUST have it on disk before the first value is sealed.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    #[must_use]
    pub fn with_epoch(&self, epoch: u32) -> Self {
        Self { key: Arc::clone(&self.key), epoch, counter: random_counter() }
    }

    /// Bytes that sealing adds to a plaintext.
    pub const OVERHEAD_BYTES: usize = NONCE + TAG_BYTES;

    /// Seals a value under a fresh nonce.
    ///
    /// # Panics
    /// On a plaintext of 64 GiB, which no limit lets through.
    pub fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let nonce = nonce(self.epoch, self.counter.fetch_add(1, Ordering::Relaxed));
        let mut sealed = Vec::with_capacity(plaintext.len() + Self::OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed[NONCE..],
            )
            .expect("a value is far below 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`Self::seal`] made, in this run or another.
    ///
    /// # Errors
    /// [`OpenError`] where the bytes were changed or another key sealed them.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(OpenError)?;
        open(&self.key, *nonce, &[], sealed)
    }
}

fn random_counter() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(u64::from_be_bytes(random())))
}
