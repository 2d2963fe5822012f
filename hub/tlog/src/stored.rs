//! Stored hashes: one flat array of the hashes of all complete subtrees in order of completion, the layout of Go's
//! `sumdb/tlog`. Appending a leaf appends its hash and those of the subtrees it completes; every proof reads O(log n).
//!
//! ```text
//! leaf        0    1        2    3             4
//! stored      0    1 2      3    4 5 6         7
//! level       0    0 1      0    0 1 2         0
//! ```

use simpul_types::Digest;

use crate::hash::{fold, node_hash};

/// Where stored hashes are read from.
pub trait HashReader {
    /// Why they could not be read.
    type Error;

    /// The hashes at these indexes, in this order. MUST return as many as were asked for.
    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, Self::Error>;
}

/// Index of the hash of subtree `n` of `level`: leaves n × 2^level up to (n + 1) × 2^level.
pub fn stored_index(level: u8, n: u64) -> u64 {
    // The subtree is complete with its last leaf, whose own hash comes `level` places earlier.
    let mut leaf = n;
    for _ in 0..level {
        leaf = 2 * leaf + 1;
    }
    stored_count(leaf) + u64::from(level)
}

/// Number of stored hashes of a tree of `size` leaves: 2 × size less the number of its complete subtrees.
pub fn stored_count(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// A complete subtree: its level and its number within the level.
type Subtree = (u8, u64);

/// Complete subtrees that cover the leaves from `from` to `to`, left to right. `from` is a multiple of the largest power
/// of two that fits.
fn subtrees(from: u64, to: u64) -> Vec<Subtree> {
    let (mut at, mut found) = (from, Vec::new());
    while at < to {
        let level = (u64::BITS - 1 - (to - at).leading_zeros()) as u8;
        found.push((level, at >> level));
        at += 1 << level;
    }
    found
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

    /// The tree of `size` leaves whose hashes are stored.
    ///
    /// # Errors
    /// The reader's own.
    pub fn load<R: HashReader + ?Sized>(size: u64, reader: &R) -> Result<Self, R::Error> {
        let indexes: Vec<_> = subtrees(0, size).iter().map(|&(level, n)| stored_index(level, n)).collect();
        Ok(Self { size, subtrees: reader.read(&indexes)? })
    }

    /// Adds a leaf and appends the stored hashes it completes to `out`, in order.
    pub fn push(&mut self, leaf_hash: Digest, out: &mut Vec<Digest>) {
        let mut hash = leaf_hash;
        out.push(hash);
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(&left, &hash);
            out.push(hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
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

/// What a proof is made of, left to right in proof order: each item the root over complete subtrees.
struct Plan(Vec<Vec<Subtree>>);

impl Plan {
    fn range(&mut self, from: u64, to: u64) {
        self.0.push(subtrees(from, to));
    }

    fn read<R: HashReader + ?Sized>(self, reader: &R) -> Result<Vec<Digest>, R::Error> {
        let indexes: Vec<_> = self.0.iter().flatten().map(|&(level, n)| stored_index(level, n)).collect();
        let mut hashes = &reader.read(&indexes)?[..];
        let mut proof = Vec::with_capacity(self.0.len());
        for item in &self.0 {
            let (own, rest) = hashes.split_at(item.len().min(hashes.len()));
            proof.push(fold(own));
            hashes = rest;
        }
        Ok(proof)
    }
}

/// PATH(index, D[size]); empty where the index lies outside.
///
/// # Errors
/// The reader's own.
pub fn inclusion_proof<R: HashReader + ?Sized>(index: u64, size: u64, reader: &R) -> Result<Vec<Digest>, R::Error> {
    let mut plan = Plan(Vec::new());
    let (mut from, mut to) = (0, size);
    while index < to && to - from > 1 {
        let middle = from + largest_power_below(to - from);
        if index < middle {
            plan.range(middle, to);
            to = middle;
        } else {
            plan.range(from, middle);
            from = middle;
        }
    }
    plan.0.reverse();
    plan.read(reader)
}

/// PROOF(old, D[new]); empty where the sizes give none.
///
/// # Errors
/// The reader's own.
pub fn consistency_proof<R: HashReader + ?Sized>(old: u64, new: u64, reader: &R) -> Result<Vec<Digest>, R::Error> {
    let mut plan = Plan(Vec::new());
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    loop {
        if old == to {
            if !whole {
                plan.range(from, to);
            }
            break;
        }
        let middle = from + largest_power_below(to - from);
        if old <= middle {
            plan.range(middle, to);
            to = middle;
        } else {
            plan.range(from, middle);
            from = middle;
            whole = false;
        }
    }
    plan.0.reverse();
    plan.read(reader)
}

/// Largest power of two below `length`, for `length` of at least 2.
fn largest_power_below(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}
