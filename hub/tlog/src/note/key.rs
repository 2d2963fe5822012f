//! Keys of notes: a name, a type and an Ed25519 key.
//!
//! | text of a public key (vkey) | |
//! |---|---|
//! | name | not empty, no Unicode space, no `+` |
//! | `+` and key id | 8 lower-case hex digits: first 4 bytes of SHA-256(name ‖ newline ‖ type ‖ key) |
//! | `+` and key | base64(type, 1 byte ‖ key, 32 bytes); type 1 is Ed25519, 4 an Ed25519 cosignature |

use std::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};
use ring::{
    digest::{Context, SHA256},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

use super::{NoteError, NoteSignature};
use crate::{base64, cosignature};

/// Type byte of an Ed25519 note key.
pub const ED25519_TYPE: u8 = 0x01;
/// Type byte of an Ed25519 cosignature key.
pub const COSIGNATURE_TYPE: u8 = 0x04;
/// What every signature line begins with: an em dash and a space.
pub(super) const PREFIX: &str = "\u{2014} ";

/// A note key's name: not empty, no space, no plus sign, nothing that a note must not hold.
pub(super) fn valid_name(name: &str) -> bool {
    let wrong = |character: char| character.is_whitespace() || character < ' ' || character == '+';
    !name.is_empty() && !name.contains(wrong)
}

/// First four bytes of SHA-256(name ‖ newline ‖ type ‖ key).
pub fn key_id(name: &str, key_type: u8, public_key: &[u8]) -> [u8; 4] {
    let mut context = Context::new(&SHA256);
    for part in [name.as_bytes(), b"\n", &[key_type], public_key] {
        context.update(part);
    }
    let mut id = [0; 4];
    id.copy_from_slice(&context.finish().as_ref()[..4]);
    id
}

/// The public half of a note key.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    key_type: u8,
    key: [u8; 32],
}

impl NoteVerifier {
    /// An Ed25519 note key.
    ///
    /// # Errors
    /// [`NoteError::Key`] where the name cannot be one.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        Self::with_type(name, ED25519_TYPE, key)
    }

    pub(crate) fn with_type(name: &str, key_type: u8, key: [u8; 32]) -> Result<Self, NoteError> {
        if !valid_name(name) {
            return Err(NoteError::Key("name"));
        }
        Ok(Self { name: name.into(), id: key_id(name, key_type, &key), key_type, key })
    }

    /// Reads a verifier key (vkey) of type 1 or 4.
    ///
    /// # Errors
    /// [`NoteError::Key`], naming the part.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("three parts, separated by `+`"));
        };
        let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| NoteError::Key("key id"))?;
        let key = base64::decode(key).ok_or(NoteError::Key("base64"))?;
        let (&key_type, key) = key.split_first().ok_or(NoteError::Key("empty"))?;
        if key_type != ED25519_TYPE && key_type != COSIGNATURE_TYPE {
            return Err(NoteError::Key("type"));
        }
        let key = key.try_into().map_err(|_| NoteError::Key("length"))?;
        let verifier = Self::with_type(name, key_type, key)?;
        if id == verifier.id { Ok(verifier) } else { Err(NoteError::Key("key id is not that of the key")) }
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The Ed25519 key itself.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Type byte.
    pub fn key_type(&self) -> u8 {
        self.key_type
    }

    /// Whether this signature line says it is this key's.
    pub fn made(&self, signature: &NoteSignature) -> bool {
        self.id == signature.id && self.name == signature.name
    }

    /// Whether the bytes of a signature line, without the key id, hold for a note's text.
    pub fn verify(&self, text: &str, signature: &[u8]) -> bool {
        if self.key_type == COSIGNATURE_TYPE {
            let Some((time_s, signature)) = cosignature::split(signature) else { return false };
            return self.verify_raw(&cosignature::message(time_s, text), signature);
        }
        self.verify_raw(text, signature)
    }

    /// Whether `signature` is the key's Ed25519 signature over `message` as it is.
    pub fn verify_raw(&self, message: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message.as_bytes(), signature).is_ok()
    }

    /// The signature line of this key with these bytes behind the key id.
    pub fn line(&self, signature: &[u8]) -> String {
        let blob = BASE64.encode(&[&self.id[..], signature].concat());
        format!("{PREFIX}{} {blob}\n", self.name)
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text)
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode(&[&[self.key_type], &self.key[..]].concat());
        write!(f, "{}+{}+{key}", self.name, HEXLOWER.encode(&self.id))
    }
}

impl fmt::Debug for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A named private key that signs notes.
pub struct NoteSigner {
    verifier: NoteVerifier,
    pair: Ed25519KeyPair,
}

impl NoteSigner {
    /// From its name and 32-byte seed.
    ///
    /// # Errors
    /// [`NoteError::Key`] where name or seed cannot be.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::with_type(name, ED25519_TYPE, seed)
    }

    pub(crate) fn with_type(name: &str, key_type: u8, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key("seed"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("length"))?;
        Ok(Self { verifier: NoteVerifier::with_type(name, key_type, public)?, pair })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The public half.
    pub fn verifier(&self) -> NoteVerifier {
        self.verifier.clone()
    }

    /// The bare signature over a text. Deterministic: it can be made again after a crash.
    pub fn raw_sign(&self, text: &str) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        signature
    }

    /// The signature line over a text.
    pub fn sign_line(&self, text: &str) -> String {
        self.verifier.line(&self.raw_sign(text))
    }

    /// The whole note: text, empty line, signature line. `text` MUST end with a newline and hold no other control
    /// character; what breaks that is refused by everybody's parser.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.sign_line(text))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier)
    }
}
