//! Offline proofs of inclusion (c2sp.org/tlog-proof), files `*.tlog-proof`.
//!
//! | line | |
//! |---|---|
//! | `c2sp.org/tlog-proof@v1` | |
//! | `extra <base64>` | optional, not authenticated by itself; ours holds the leaf, which the proof then bears out |
//! | `index <decimal>` | of the leaf |
//! | base64 of 32 bytes, any number of lines | from the leaf's sibling upward |
//! | empty | |
//! | the signed checkpoint | verbatim, cosignatures included |

use std::fmt;

use data_encoding::BASE64;
use simpul_types::{Digest, Receipt};

use crate::{
    base64,
    checkpoint::parse_size,
    leaf_hash,
    policy::{Accepted, Policy, Refused},
    proof::{ProofError, verify_inclusion},
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A proof in a tree of 2^64 leaves has no more hashes.
const HASHES_MAX: usize = 64;

/// A proof that a leaf is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Index of the leaf.
    pub index: u64,
    /// Not authenticated by itself; the leaf's bytes where we made the file.
    pub extra: Option<Vec<u8>>,
    /// From the leaf upward.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// The file is not one.
    #[error("line {line} of the proof: {what}")]
    Form {
        /// From 1.
        line: usize,
        /// What was expected.
        what: &'static str,
    },
    /// The file does not say which leaf it is about, and nobody else did.
    #[error("the proof does not hold its leaf: give the leaf's bytes")]
    NoLeaf,
    /// The checkpoint.
    #[error("the checkpoint of the proof")]
    Checkpoint(#[from] Refused),
    /// The path.
    #[error("leaf {index} does not lead to the checkpoint's root")]
    Inclusion {
        /// Which leaf.
        index: u64,
        /// Why.
        #[source]
        source: ProofError,
    },
}

impl LogProof {
    /// The proof that a receipt holds, its leaf as extra data.
    pub fn from_receipt(receipt: &Receipt) -> Self {
        Self {
            index: receipt.leaf_index.get(),
            extra: Some(receipt.leaf.to_vec()),
            hashes: receipt.inclusion_proof.clone(),
            checkpoint: receipt.checkpoint.clone(),
        }
    }

    /// Reads a file. Nothing is verified.
    ///
    /// # Errors
    /// [`LogProofError::Form`], naming the line.
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        let refused = |line: usize, what: &'static str| LogProofError::Form { line, what };
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(refused(1, "an empty line before the checkpoint"))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().map(|(_, line)| line) != Some(FIRST_LINE) {
            return Err(refused(1, "expected `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.peek().and_then(|(_, line)| line.strip_prefix("extra ")) {
            Some(extra) => {
                lines.next();
                let extra = base64::decode(extra);
                Some(extra.ok_or_else(|| refused(2, "expected `extra <base64>`"))?)
            }
            None => None,
        };
        let (line, index) = lines.next().ok_or(refused(2, "expected `index <decimal>`"))?;
        let index = index.strip_prefix("index ").and_then(parse_size);
        let index = index.ok_or(refused(line, "expected `index <decimal>`"))?;
        let hashes = lines.map(|(line, hash)| {
            let hash = base64::decode_digest(hash);
            hash.ok_or(refused(line, "expected a hash: base64 of 32 bytes"))
        });
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > HASHES_MAX {
            return Err(refused(line + HASHES_MAX + 1, "more hashes than any tree needs"));
        }
        Ok(Self { index, extra, hashes, checkpoint: checkpoint.into() })
    }

    /// Verifies the proof of a leaf: the given one, else the one in the extra data.
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn verify(&self, leaf: Option<&[u8]>, policy: &Policy) -> Result<Accepted, LogProofError> {
        let leaf = leaf.or(self.extra.as_deref()).ok_or(LogProofError::NoLeaf)?;
        let accepted = policy.judge(&self.checkpoint)?;
        let (index, tree) = (self.index, &accepted.checkpoint);
        verify_inclusion(index, tree.size, &leaf_hash(leaf), &self.hashes, &tree.root)
            .map_err(|source| LogProofError::Inclusion { index, source })?;
        Ok(accepted)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
