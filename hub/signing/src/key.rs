//! Ed25519 keys of connectors, of the directory authority and of the hub's verdicts.
//!
//! # Which signatures hold
//!
//! RFC 8032 leaves edges open on which verifiers differ. Here holds what `ring` (BoringSSL) accepts, the same in the hub,
//! the connectors and the offline verifier; Go's `crypto/ed25519` and OpenSSL 3 follow the same rule.
//!
//! | | rule | so |
//! |---|---|---|
//! | S | below the group's order L; anything else is refused | nobody can turn a signature into another one |
//! | R | compared byte for byte with the encoding of \[S\]B − \[h\]A; a non-canonical R never holds | – |
//! | equation | without cofactor: \[S\]B = R + \[h\]A | what holds only times 8 is refused |
//! | h | SHA-512(R ‖ A ‖ message) over the bytes as sent, reduced modulo L | – |
//! | A | y may be p or more and is reduced; a sign bit on x = 0 passes; off the curve, nothing holds | one key may have two encodings, with two key ids |
//! | small order | A and R of small order are not refused | a key of small order can be made to sign many messages at once: whoever registers a key vouches for how it was made |
//!
//! One consequence is relied on: for a key that was made by RFC 8032, a message has one signature that holds unless its
//! owner makes more, so a stored signature cannot be replaced by a stranger. Not relied on: that no owner can craft a key
//! under which one signature holds for two messages; what is signed is stored beside the signature, and leaves are told
//! apart by their bytes. Edge vectors for each line stand in `tests/ed25519_edges.rs`.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use simpul_types::KeyId;
use zeroize::Zeroizing;

use crate::{
    digest::{random, sha256},
    dsse::pae,
    text::{self, KeyError, Secret},
};

const LABEL: &str = "simpul-ed25519-seed";

/// A private Ed25519 key.
///
/// | file | one line, `simpul-ed25519-seed:` and the 32-byte seed of RFC 8032 in lower-case hex |
/// |---|---|
pub struct SigningKey {
    seed: Secret,
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

/// A public Ed25519 key. Its text is 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; 32]);

/// The signature is not of this key over these bytes. Says no more, so that nobody learns by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// First 16 hex digits of SHA-256 of a public key.
pub fn key_id(public_key: &[u8]) -> KeyId {
    let digest = sha256(&[public_key]);
    HEXLOWER.encode(&digest[..8]).parse().expect("8 bytes are 16 hex digits")
}

impl SigningKey {
    /// A fresh key.
    ///
    /// # Panics
    /// Where the operating system has no random bytes.
    pub fn generate() -> Self {
        let seed = Zeroizing::new(random());
        Self::from_seed(&seed).expect("any 32 bytes are a seed")
    }

    /// The key of an RFC 8032 seed.
    ///
    /// # Errors
    /// [`KeyError::Seed`] where `ring` refuses it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Seed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Seed)?;
        Ok(Self { seed: Zeroizing::new(*seed), pair, public: VerifyingKey(public) })
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`KeyError`] where it is another kind of key or no key.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let seed = text::parse(LABEL, text)?;
        Self::from_seed(&seed)
    }

    /// The text of a key file. SECRET: for a file that only its owner can read.
    pub fn to_text(&self) -> Zeroizing<String> {
        text::render(LABEL, &self.seed)
    }

    /// The seed, for a signer that has its own form of key, such as a note signer. SECRET.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs bytes as they are. For statements use [`Self::sign_dsse`].
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    /// Signs `PAE(payload_type, payload)`.
    pub fn sign_dsse(&self, payload_type: &str, payload: &[u8]) -> [u8; 64] {
        self.sign(&pae(payload_type, payload))
    }

    /// The public key's bytes.
    pub fn public_key(&self) -> [u8; 32] {
        self.public.0
    }

    /// The public key.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    /// Id of the public key.
    pub fn key_id(&self) -> KeyId {
        self.public.key_id()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.key_id())
    }
}

impl VerifyingKey {
    /// From its bytes. Bytes that are no point of the curve make a key that verifies nothing.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hex digits.
    ///
    /// # Errors
    /// [`KeyError::Hex`].
    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        text::decode_32(hex.trim()).map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its id.
    pub fn key_id(&self) -> KeyId {
        key_id(&self.0)
    }

    /// Whether `signature` is this key's over `message`.
    ///
    /// # Errors
    /// [`BadSignature`], also where it does not have 64 bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| BadSignature)
    }

    /// Whether `signature` is this key's over `PAE(payload_type, payload)`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify_dsse(
        &self,
        payload_type: &str,
        payload: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        self.verify(&pae(payload_type, payload), signature)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}
