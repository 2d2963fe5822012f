//! Stored hashes: one flat array of the hashes of all complete subtrees in order of completion, the layout of Go's
//! `sumdb/tlog`. Appending a leaf appends its hash and those of the subtrees it completes; nothing stored ever changes;
//! every proof reads O(log n) hashes.
//!
//! ```text
//! leaf        0    1        2    3             4
//! stored      0    1 2      3    4 5 6         7
//! level       0    0 1      0    0 1 2         0
//! ```
//!
//! Sizes up to 2^63 have indexes of their own; beyond that, indexes saturate at `u64::MAX`, which no reader holds.

use simpul_types::Digest;

use crate::hash::{fold, node_hash};

/// Where stored hashes are read from.
pub trait HashReader {
    /// Why they could not be read.
    type Error;

    /// The hashes at these indexes, in this order. MUST return as many as were asked for: fewer give roots and proofs
    /// that do not verify.
    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, Self::Error>;
}

/// Index of the hash of subtree `n` of `level`: leaves n × 2^level up to (n + 1) × 2^level.
pub fn stored_index(level: u8, n: u64) -> u64 {
    if level > 63 {
        return u64::MAX;
    }
    // The subtree is complete with its last leaf, whose own hash comes `level` places earlier.
    let last = ((u128::from(n) + 1) << level) - 1;
    let before = 2 * last - u128::from(last.count_ones());
    u64::try_from(before + u128::from(level)).unwrap_or(u64::MAX)
}

/// Number of stored hashes of a tree of `size` leaves: twice the leaves less the complete subtrees of its right edge.
pub fn stored_count(size: u64) -> u64 {
    let count = 2 * u128::from(size) - u128::from(size.count_ones());
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Right edge of a tree: its complete subtrees, largest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Digest>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn empty() -> Self {
        Self { size: 0, subtrees: Vec::new() }
    }

    /// The tree of `size` leaves whose hashes are stored. Compare its root with the signed one.
    ///
    /// # Errors
    /// The reader's own.
    pub fn load<R: HashReader + ?Sized>(size: u64, reader: &R) -> Result<Self, R::Error> {
        let mut indexes = Vec::new();
        cover(0, size, &mut indexes);
        Ok(Self { size, subtrees: reader.read(&indexes)? })
    }

    /// Adds a leaf and appends the stored hashes it completes to `out`, in order.
    pub fn push(&mut self, leaf_hash: Digest, out: &mut Vec<Digest>) {
        self.add(leaf_hash, |hash| out.push(*hash));
    }

    /// Adds a leaf and shows the hashes it completes, in order.
    pub(crate) fn add(&mut self, leaf_hash: Digest, mut completes: impl FnMut(&Digest)) {
        let mut hash = leaf_hash;
        completes(&hash);
        // The set bits of the size are the subtrees; adding one carries through the low ones.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(&left, &hash);
            completes(&hash);
        }
        self.subtrees.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree.
    pub fn root(&self) -> Digest {
        fold(&self.subtrees)
    }
}

/// Root of the tree of `size` leaves.
///
/// # Errors
/// The reader's own.
pub fn root<R: HashReader + ?Sized>(size: u64, reader: &R) -> Result<Digest, R::Error> {
    Frontier::load(size, reader).map(|frontier| frontier.root())
}

/// `PATH(index, D[size])`, from the leaf upward; empty where the index lies outside.
///
/// # Errors
/// The reader's own.
pub fn inclusion_proof<R: HashReader + ?Sized>(
    index: u64,
    size: u64,
    reader: &R,
) -> Result<Vec<Digest>, R::Error> {
    let mut siblings = Vec::new();
    let (mut from, mut to) = (0, size);
    while index < to && to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            siblings.push((middle, to));
            to = middle;
        } else {
            siblings.push((from, middle));
            from = middle;
        }
    }
    roots_upward(siblings, reader)
}

/// `PROOF(old, D[new])`; empty where the sizes give none (0, equal, or old above new).
///
/// # Errors
/// The reader's own.
pub fn consistency_proof<R: HashReader + ?Sized>(
    old: u64,
    new: u64,
    reader: &R,
) -> Result<Vec<Digest>, R::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    // from < old <= to throughout; `whole` while the old tree starts at the left edge, so that its root is known.
    let (mut from, mut to, mut whole) = (0, new, true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            parts.push((middle, to));
            to = middle;
        } else {
            parts.push((from, middle));
            from = middle;
            whole = false;
        }
    }
    if !whole {
        parts.push((from, to));
    }
    roots_upward(parts, reader)
}

/// The roots of these ranges of leaves, last range first, in one read.
fn roots_upward<R: HashReader + ?Sized>(
    ranges: Vec<(u64, u64)>,
    reader: &R,
) -> Result<Vec<Digest>, R::Error> {
    let mut indexes = Vec::new();
    for &(from, to) in ranges.iter().rev() {
        cover(from, to, &mut indexes);
    }
    let hashes = reader.read(&indexes)?;
    let mut rest = &hashes[..];
    let mut proof = Vec::with_capacity(ranges.len());
    for &(from, to) in ranges.iter().rev() {
        let own = ((to - from).count_ones() as usize).min(rest.len());
        let (subtrees, others) = rest.split_at(own);
        proof.push(fold(subtrees));
        rest = others;
    }
    Ok(proof)
}

/// Appends the stored indexes of the complete subtrees that cover these leaves, left to right: one per set bit of the
/// length. `from` is a multiple of the largest power of two that fits, as in every range of RFC 6962's recursions.
fn cover(from: u64, to: u64, indexes: &mut Vec<u64>) {
    let mut at = from;
    while at < to {
        let level = (to - at).ilog2();
        indexes.push(stored_index(level as u8, at >> level));
        at += 1 << level;
    }
}

/// Largest power of two below `length`, for `length` of at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}
