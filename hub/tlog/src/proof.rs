//! Verification of inclusion and consistency proofs. Lengths are checked before anything is hashed.

use simpul_types::Digest;

use crate::hash::{empty_root, node_hash};

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Index or sizes that cannot be.
    #[error("index and sizes do not fit together")]
    Range,
    /// Too short or too long.
    #[error("the proof has {given} hashes, not {expected}")]
    Length {
        /// Hashes in the proof.
        given: usize,
        /// Hashes a proof of these sizes has.
        expected: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Whether the leaf with this hash stands at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf_hash: &Digest,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let inner = bits(index ^ (size - 1));
    check_length(proof, inner + shifted(index, inner).count_ones() as usize)?;
    let (low, high) = proof.split_at(inner);
    let mut hash = *leaf_hash;
    for (level, sibling) in low.iter().enumerate() {
        hash = if index >> level & 1 == 1 { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
    }
    for sibling in high {
        hash = node_hash(sibling, &hash);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Whether the tree of `new` leaves extends the tree of `old` leaves.
///
/// Size 0 is consistent with everything, but only with an empty proof and the root of the empty tree (C2SP
/// tlog-witness; other verifiers differ).
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Digest],
    old_root: &Digest,
    new_root: &Digest,
) -> Result<(), ProofError> {
    let same = |right: bool| if right { Ok(()) } else { Err(ProofError::Root) };
    if old > new {
        return Err(ProofError::Range);
    }
    if old == 0 {
        check_length(proof, 0)?;
        return same(*old_root == empty_root() && (new != 0 || *new_root == empty_root()));
    }
    if old == new {
        check_length(proof, 0)?;
        return same(old_root == new_root);
    }
    let shift = old.trailing_zeros() as usize;
    let inner = bits((old - 1) ^ (new - 1)) - shift;
    let border = shifted(old - 1, inner + shift).count_ones() as usize;
    let whole = old.is_power_of_two();
    check_length(proof, usize::from(!whole) + inner + border)?;
    let (seed, rest) = match proof.split_first() {
        Some((first, rest)) if !whole => (*first, rest),
        _ => (*old_root, proof),
    };
    let mask = (old - 1) >> shift;
    let (low, high) = rest.split_at(inner);
    let (mut old_hash, mut new_hash) = (seed, seed);
    for (level, hash) in low.iter().enumerate() {
        if mask >> level & 1 == 1 {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
    }
    for hash in high {
        old_hash = node_hash(hash, &old_hash);
        new_hash = node_hash(hash, &new_hash);
    }
    same(old_hash == *old_root && new_hash == *new_root)
}

fn check_length(proof: &[Digest], expected: usize) -> Result<(), ProofError> {
    let given = proof.len();
    if given == expected { Ok(()) } else { Err(ProofError::Length { given, expected }) }
}

fn bits(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()) as usize
}

fn shifted(number: u64, by: usize) -> u64 {
    number.checked_shr(by as u32).unwrap_or(0)
}
