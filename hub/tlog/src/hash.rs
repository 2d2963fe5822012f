//! RFC 6962 hashing (SHA-256): leaves, nodes, and trees over hashes in memory.

use ring::digest::{Context, SHA256, digest};
use simpul_types::Digest;

/// SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    finish(&[&[0], leaf])
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    finish(&[&[1], left, right])
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    digest(&SHA256, &[]).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn finish(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Tree hash over leaves, in memory for O(log n) digests.
pub fn tree_hash<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> Digest {
    // A stack of complete subtrees, largest first, as the bits of the count say.
    let (mut stack, mut count) = (Vec::<Digest>::new(), 0u64);
    for leaf in leaves {
        let mut hash = leaf_hash(leaf);
        let mut bits = count;
        while bits & 1 == 1
            && let Some(left) = stack.pop()
        {
            hash = node_hash(&left, &hash);
            bits >>= 1;
        }
        stack.push(hash);
        count += 1;
    }
    fold(&stack)
}

/// Root over complete subtrees, largest first.
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
    if leaf_hashes.len() <= 1 || index >= leaf_hashes.len() {
        return Vec::new();
    }
    let at = split(leaf_hashes.len());
    let (left, right) = leaf_hashes.split_at(at);
    let (mut path, sibling) =
        if index < at { (path_of(left, index), root_of(right)) } else { (path_of(right, index - at), root_of(left)) };
    path.push(sibling);
    path
}

/// Largest power of two below `length`, for `length` of at least 2.
fn split(length: usize) -> usize {
    1 << (usize::BITS - 1 - (length - 1).leading_zeros())
}
