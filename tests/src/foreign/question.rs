//! One question and its answers. As JSON lines they are the contract with the programs in `tests/foreign`.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use simpul_types::Digest;

/// A question with our answer.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// Number, from 0; a tree is referred to by it.
    pub id: usize,
    /// What is special about it; documented disagreements are by class.
    pub class: String,
    /// The question.
    #[serde(flatten)]
    pub ask: Ask,
    /// What our code says. Not told to the others.
    #[serde(skip)]
    pub ours: Answer,
}

/// What is asked. Bytes are lower-case hex, levels and widths those of C2SP tlog-tiles.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ask {
    /// The root of the tree with these leaves, which later questions are about.
    Tree { leaves: Vec<String> },
    /// The root of its first `size` leaves.
    Root { tree: usize, size: u64 },
    /// The inclusion proof, its hashes one after the other.
    ProveInclusion { tree: usize, index: u64, size: u64 },
    /// The consistency proof, likewise.
    ProveConsistency { tree: usize, old: u64, new: u64 },
    /// SHA-256 of a tile's bytes, at the tree's full size.
    TileData { tree: usize, level: u8, index: u64, width: u16 },
    /// Whether an inclusion proof holds. `leaf` is there where the leaf itself is known.
    Inclusion {
        index: u64,
        size: u64,
        root: String,
        leaf_hash: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        leaf: Option<String>,
        proof: Vec<String>,
    },
    /// Whether a consistency proof holds.
    Consistency { old: u64, new: u64, old_root: String, new_root: String, proof: Vec<String> },
    /// Whether a verifier key of type 1 is one.
    Vkey { vkey: String },
    /// Whether a note bears this key's signature.
    Note { vkey: String, note: String },
    /// Whether it is a signed checkpoint of this key; what it says, as `size root`.
    SignedCheckpoint { vkey: String, note: String },
    /// Whether a signed checkpoint bears this witness's cosignature.
    Cosigned { vkey: String, note: String },
    /// What a checkpoint's text says, as `size root`.
    Checkpoint { text: String },
    /// What a path of a tile says, as `level index width`, level -1 for entries.
    TilePath { path: String },
    /// Whether an Ed25519 signature holds.
    Ed25519 { key: String, message: String, signature: String },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "value", rename_all = "snake_case")]
pub enum Answer {
    /// It holds.
    Accept,
    /// It does not hold, or is malformed.
    Reject,
    /// This is it.
    Value(String),
    /// The question cannot be put to this verifier, with the reason.
    Skip(String),
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Accept } else { Self::Reject }
    }
}

impl From<Option<String>> for Answer {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Reject, Self::Value)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Reject => f.write_str("reject"),
            Self::Value(value) => f.write_str(value),
            Self::Skip(why) => write!(f, "skipped: {why}"),
        }
    }
}

/// Questions in the making.
#[derive(Default)]
pub struct List {
    /// So far.
    pub questions: Vec<Question>,
}

impl List {
    /// Adds one and says its number.
    pub fn add(&mut self, class: impl Into<String>, ask: Ask, ours: impl Into<Answer>) -> usize {
        let id = self.questions.len();
        self.questions.push(Question { id, class: class.into(), ask, ours: ours.into() });
        id
    }
}

/// Lower-case hex.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// Bytes of lower-case hex; `None` where it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(text.as_bytes()).ok()
}

/// A hash of lower-case hex; `None` where it does not have 32 bytes.
pub fn digest(text: &str) -> Option<Digest> {
    unhex(text)?.try_into().ok()
}

/// Hashes; `None` where one does not have 32 bytes.
pub fn digests(texts: &[String]) -> Option<Vec<Digest>> {
    texts.iter().map(|text| digest(text)).collect()
}
