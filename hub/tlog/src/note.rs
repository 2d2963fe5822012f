//! Signed notes (c2sp.org/signed-note): a text and signature lines, readable by people and machines.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

/// Type byte of an Ed25519 note key.
pub const ED25519_TYPE: u8 = 0x01;
/// Type byte of an Ed25519 cosignature key.
pub const COSIGNATURE_TYPE: u8 = 0x04;
/// Notes larger than this are refused.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// More signature lines than this are refused; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;
const PREFIX: &str = "\u{2014} ";

/// Why a note or a key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note: no empty line, a bad signature line, control characters.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// Not a verifier key.
    #[error("malformed verifier key: {0}")]
    Key(&'static str),
    /// A known key's signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
    /// No signature of a known key.
    #[error("no signature of a known key")]
    Unsigned,
}

/// A note key's name: not empty, no space, no plus sign.
fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

/// First four bytes of SHA-256(name ‖ newline ‖ type ‖ key).
pub fn key_id(name: &str, key_type: u8, public_key: &[u8]) -> [u8; 4] {
    let hash = digest(&SHA256, &[name.as_bytes(), b"\n", &[key_type], public_key].concat());
    hash.as_ref()[..4].try_into().expect("four bytes of 32")
}

/// The public half of a note key: `name+hex(key id)+base64(type ‖ key)`.
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
            return Err(NoteError::Key("three parts, separated by '+'"));
        };
        let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| NoteError::Key("key id"))?;
        let key = BASE64.decode(key.as_bytes()).map_err(|_| NoteError::Key("base64"))?;
        let Some((&key_type, key)) = key.split_first() else { return Err(NoteError::Key("empty")) };
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

    /// Type byte.
    pub fn key_type(&self) -> u8 {
        self.key_type
    }

    /// Whether `signature` is the key's Ed25519 signature over `message`.
    pub fn verify_raw(&self, message: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message.as_bytes(), signature).is_ok()
    }

    /// The signature line that this key's raw signature makes.
    pub fn line(&self, signature: &[u8]) -> String {
        let blob = BASE64.encode(&[&self.id[..], signature].concat());
        format!("{PREFIX}{} {blob}\n", self.name)
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

    /// The bare signature over a text. Deterministic.
    pub fn raw_sign(&self, text: &str) -> [u8; 64] {
        self.pair.sign(text.as_bytes()).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// The signature line over a text.
    pub fn sign_line(&self, text: &str) -> String {
        self.verifier.line(&self.raw_sign(text))
    }

    /// The whole note: text, empty line, signature line. `text` ends with a newline.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.sign_line(text))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier)
    }
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub id: [u8; 4],
    /// What follows the id; for Ed25519 the 64 bytes of the signature.
    pub signature: Vec<u8>,
}

/// A note taken apart. Nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// The signed text, its last newline included.
    pub text: String,
    /// At least one.
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Takes a note apart.
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
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("no newline at the end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::Malformed("too many signatures"));
            }
            signatures.push(parse_line(line).ok_or(NoteError::Malformed("signature line"))?);
        }
        Ok(Self { text: text.into(), signatures })
    }

    /// Takes a note apart and verifies it: unknown keys are passed over, a known key's bad signature refuses the note.
    ///
    /// # Errors
    /// [`NoteError`]; [`NoteError::Unsigned`] where no known key signed.
    pub fn open(note: &str, verifiers: &[NoteVerifier]) -> Result<Self, NoteError> {
        let note = Self::parse(note)?;
        let mut verified = 0;
        for signature in &note.signatures {
            let known = |verifier: &&NoteVerifier| verifier.name == signature.name && verifier.id == signature.id;
            if let Some(verifier) = verifiers.iter().find(known) {
                if !verifier.verify_raw(&note.text, &signature.signature) {
                    return Err(NoteError::BadSignature(signature.name.clone()));
                }
                verified += 1;
            }
        }
        if verified == 0 { Err(NoteError::Unsigned) } else { Ok(note) }
    }
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, blob) = line.strip_prefix(PREFIX)?.split_once(' ')?;
    let blob = BASE64.decode(blob.as_bytes()).ok()?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    let valid = valid_name(name) && !signature.is_empty();
    valid.then(|| NoteSignature { name: name.into(), id: *id, signature: signature.to_vec() })
}
