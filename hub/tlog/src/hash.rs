//! RFC 6962 hashing (SHA-256): leaves, nodes, and trees over hashes in memory.

use ring::digest::{self, Context, SHA256};
use simpul_types::Digest;

use crate::stored::Frontier;

/// SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(leaf);
    bytes(&context.finish())
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    bytes(&digest::digest(&SHA256, &input))
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    bytes(&digest::digest(&SHA256, &[]))
}

/// MTH(leaves), in memory for O(log n) digests.
pub fn tree_hash<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut tree = Frontier::empty();
    for leaf in leaves {
        tree.add(leaf_hash(leaf), |_| {});
    }
    tree.root()
}

/// Root over complete subtrees that get smaller from left to right; the empty root over none.
pub(crate) fn fold(subtrees: &[Digest]) -> Digest {
    let mut rest = subtrees.iter().rev();
    match rest.next() {
        None => empty_root(),
        Some(last) => rest.fold(*last, |right, left| node_hash(left, &right)),
    }
}

/// Root of the tree with these leaf hashes.
pub fn root_of(leaf_hashes: &[Digest]) -> Digest {
    match leaf_hashes {
        [] => empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// PATH(index, leaf hashes): the inclusion proof, from the leaf upward; empty where the index lies outside.
pub fn path_of(leaf_hashes: &[Digest], index: usize) -> Vec<Digest> {
    let (mut rest, mut index, mut path) = (leaf_hashes, index, Vec::new());
    while rest.len() > 1 && index < rest.len() {
        let at = split(rest.len());
        let (left, right) = rest.split_at(at);
        if index < at {
            path.push(root_of(right));
            rest = left;
        } else {
            path.push(root_of(left));
            (rest, index) = (right, index - at);
        }
    }
    path.reverse();
    path
}

/// Largest power of two below `length`, for `length` of at least 2.
fn split(length: usize) -> usize {
    1 << (usize::BITS - 1 - (length - 1).leading_zeros())
}

fn bytes(digest: &digest::Digest) -> Digest {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
