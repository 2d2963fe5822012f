//! Random trees: roots, tiles, proofs that hold, and each of them spoiled in one place.

use simpul_signing::sha256;
use simpul_tlog::{
    leaf_hash, node_hash, proof,
    stored::{self, Frontier, HashReader},
    tile,
};
use simpul_types::Digest;

use super::question::{Ask, List, digest, digests, hex};
use crate::seeded::Seeded;

/// Sizes at and around the borders of tiles and complete trees; some random ones come to them.
const SIZES: &[u64] = &[0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 255, 256, 257, 511, 513, 700];
const RANDOM_SIZES: u64 = 4;
const RANDOM_SIZE_END: u64 = 900;
/// Proofs of each kind per tree.
const PROOFS: u64 = 6;
/// Sizes of trees that nobody can build: a path of random hashes is a valid proof of the root it leads to.
const VAST: &[u64] =
    &[1 << 32, (1 << 40) + 12_345, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX];

/// A tree in memory with its stored hashes.
pub struct Tree {
    /// The leaves.
    pub leaves: Vec<Vec<u8>>,
    stored: Vec<Digest>,
}

impl HashReader for Tree {
    type Error = u64;

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, u64> {
        indexes.iter().map(|&index| self.stored.get(index as usize).copied().ok_or(index)).collect()
    }
}

impl Tree {
    /// The tree with these leaves.
    pub fn new(leaves: Vec<Vec<u8>>) -> Self {
        let (mut frontier, mut stored) = (Frontier::empty(), Vec::new());
        leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf), &mut stored));
        Self { leaves, stored }
    }

    /// A tree of random leaves of up to 40 bytes.
    pub fn random(size: u64, seeded: &mut Seeded) -> Self {
        let leaf = |_| {
            let length = seeded.below(41) as usize;
            seeded.bytes(length)
        };
        Self::new((0..size).map(leaf).collect())
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Root of its first `size` leaves.
    ///
    /// # Panics
    /// Where it has fewer.
    pub fn root(&self, size: u64) -> Digest {
        stored::root(size, self).expect("the tree has that many leaves")
    }

    /// The bytes of a tile: `width` hashes of tree level 8 × `level`.
    ///
    /// # Panics
    /// Where it has no such tile.
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Vec<u8> {
        let first = index * u64::from(tile::FULL_WIDTH);
        let at = |n| stored::stored_index(8 * level, n);
        let indexes: Vec<_> = (first..first + u64::from(width)).map(at).collect();
        self.read(&indexes).expect("the tree has that tile").concat()
    }
}

pub(super) fn ask(list: &mut List, seed: u64) {
    let mut seeded = Seeded(seed);
    let random: Vec<_> = (0..RANDOM_SIZES).map(|_| 10 + seeded.below(RANDOM_SIZE_END)).collect();
    for &size in SIZES.iter().chain(&random) {
        about(list, &Tree::random(size, &mut seeded), &mut seeded);
    }
    for &size in VAST {
        for _ in 0..PROOFS {
            vast(list, size, &mut seeded);
        }
    }
}

fn about(list: &mut List, tree: &Tree, seeded: &mut Seeded) {
    let size = tree.size();
    let class = if size == 0 { "root of the empty tree" } else { "root" };
    let leaves = tree.leaves.iter().map(hex).collect();
    let id = list.add(class, Ask::Tree { leaves }, Some(hex(tree.root(size))));
    for level in tile::layout(size) {
        let full = level.full.checked_sub(1).map(|last| (last, tile::FULL_WIDTH));
        let partial = Some((level.full, level.partial_width)).filter(|(_, width)| *width > 0);
        for (index, width) in full.into_iter().chain(partial) {
            let data = hex(sha256(&[&tree.tile(level.level, index, width)]));
            list.add("tile", Ask::TileData { tree: id, level: level.level, index, width }, Some(data));
        }
    }
    if size == 0 {
        return;
    }
    for _ in 0..PROOFS {
        let part = 1 + seeded.below(size);
        list.add("root", Ask::Root { tree: id, size: part }, Some(hex(tree.root(part))));

        let index = seeded.below(part);
        let proof = stored::inclusion_proof(index, part, tree).expect("the tree has that leaf");
        list.add("inclusion", Ask::ProveInclusion { tree: id, index, size: part }, Some(hex(proof.concat())));
        let leaf = &tree.leaves[index as usize];
        let proof = Inclusion {
            index,
            size: part,
            leaf: Some(leaf.clone()),
            leaf_hash: leaf_hash(leaf),
            root: tree.root(part),
            proof,
        };
        proof.ask_with_spoiled(list, seeded);

        let old = 1 + seeded.below(part);
        let proof = stored::consistency_proof(old, part, tree).expect("the tree has those leaves");
        list.add(
            "consistency",
            Ask::ProveConsistency { tree: id, old, new: part },
            Some(hex(proof.concat())),
        );
        let (old_root, new_root) = (tree.root(old), tree.root(part));
        Consistency { old, new: part, old_root, new_root, proof }.ask_with_spoiled(list, seeded);
    }
    empty(list, size, tree.root(size), seeded);
}

/// Sizes 0, on which verifiers differ (evidence.md 2.1).
fn empty(list: &mut List, size: u64, root: Digest, seeded: &mut Seeded) {
    let none = simpul_tlog::empty_root();
    let from_empty = |old_root, new, new_root, proof| Consistency { old: 0, new, old_root, new_root, proof };
    from_empty(none, size, root, Vec::new()).ask(list, "consistency from size 0");
    from_empty(seeded.digest(), size, root, Vec::new()).ask(list, "consistency from size 0, wrong old root");
    from_empty(none, size, root, vec![seeded.digest()]).ask(list, "consistency from size 0, with a proof");
    from_empty(none, 0, none, Vec::new()).ask(list, "consistency of size 0 with itself");
    from_empty(none, 0, seeded.digest(), Vec::new()).ask(list, "consistency of size 0 with another root");
}

struct Inclusion {
    index: u64,
    size: u64,
    leaf: Option<Vec<u8>>,
    leaf_hash: Digest,
    root: Digest,
    proof: Vec<Digest>,
}

impl Inclusion {
    fn ask(&self, list: &mut List, class: &str) {
        let Self { index, size, leaf, leaf_hash, root, proof } = self;
        let ask = Ask::Inclusion {
            index: *index,
            size: *size,
            root: hex(root),
            leaf_hash: hex(leaf_hash),
            leaf: leaf.as_ref().map(hex),
            proof: proof.iter().map(hex).collect(),
        };
        list.add(class, ask, proof::verify_inclusion(*index, *size, leaf_hash, proof, root).is_ok());
    }

    fn ask_with_spoiled(self, list: &mut List, seeded: &mut Seeded) {
        self.ask(list, "inclusion");
        let spoiled = |proof: Vec<Digest>| Self { proof, leaf: self.leaf.clone(), ..self };
        for proof in spoiled_proofs(&self.proof, seeded) {
            spoiled(proof).ask(list, "inclusion, spoiled proof");
        }
        let changed = |index, size, root| Self {
            index,
            size,
            root,
            leaf: self.leaf.clone(),
            proof: self.proof.clone(),
            ..self
        };
        let Self { index, size, root, .. } = self;
        changed(index, size, flip(root, seeded)).ask(list, "inclusion, spoiled root");
        changed(index.wrapping_add(1), size, root).ask(list, "inclusion, other index");
        changed(index.wrapping_sub(1), size, root).ask(list, "inclusion, other index");
        changed(index, size.wrapping_sub(1), root).ask(list, "inclusion, other size");
        changed(index, size.wrapping_add(1), root).ask(list, "inclusion, other size");
        changed(size, size, root).ask(list, "inclusion, index outside");
    }
}

struct Consistency {
    old: u64,
    new: u64,
    old_root: Digest,
    new_root: Digest,
    proof: Vec<Digest>,
}

impl Consistency {
    fn ask(&self, list: &mut List, class: &str) {
        let Self { old, new, old_root, new_root, proof } = self;
        let ask = Ask::Consistency {
            old: *old,
            new: *new,
            old_root: hex(old_root),
            new_root: hex(new_root),
            proof: proof.iter().map(hex).collect(),
        };
        list.add(class, ask, proof::verify_consistency(*old, *new, proof, old_root, new_root).is_ok());
    }

    fn ask_with_spoiled(self, list: &mut List, seeded: &mut Seeded) {
        self.ask(list, "consistency");
        for proof in spoiled_proofs(&self.proof, seeded) {
            Self { proof, ..self }.ask(list, "consistency, spoiled proof");
        }
        let Self { old, new, old_root, new_root, .. } = self;
        let changed =
            |old, new, old_root, new_root| Self { old, new, old_root, new_root, proof: self.proof.clone() };
        changed(old, new, flip(old_root, seeded), new_root).ask(list, "consistency, spoiled root");
        changed(old, new, old_root, flip(new_root, seeded)).ask(list, "consistency, spoiled root");
        changed(old, new, new_root, old_root).ask(list, "consistency, roots swapped");
        changed(new, old, new_root, old_root).ask(list, "consistency, backwards");
        changed(old.wrapping_add(1), new, old_root, new_root).ask(list, "consistency, other size");
        changed(old, new.wrapping_add(1), old_root, new_root).ask(list, "consistency, other size");
        changed(new, new, new_root, new_root).ask(list, "consistency, equal sizes with a proof");
    }
}

fn spoiled_proofs(proof: &[Digest], seeded: &mut Seeded) -> Vec<Vec<Digest>> {
    let mut spoiled = vec![[proof, &[seeded.digest()]].concat(), [&[seeded.digest()], proof].concat()];
    if let [rest @ .., last] = proof {
        spoiled.push(rest.to_vec());
        spoiled.push(proof[1..].to_vec());
        spoiled.push([proof, &[*last]].concat());
        let mut flipped = proof.to_vec();
        let at = seeded.below(proof.len() as u64) as usize;
        flipped[at] = flip(flipped[at], seeded);
        spoiled.push(flipped);
        if proof.len() > 1 {
            let mut swapped = proof.to_vec();
            swapped.swap(0, proof.len() - 1);
            spoiled.push(swapped);
        }
    }
    spoiled
}

fn flip(mut digest: Digest, seeded: &mut Seeded) -> Digest {
    let bit = seeded.below(256) as usize;
    digest[bit / 8] ^= 1 << (bit % 8);
    digest
}

/// Proofs in a tree of a size that nobody can build.
fn vast(list: &mut List, size: u64, seeded: &mut Seeded) {
    let (index, leaf) = (seeded.below(size), seeded.bytes(20));
    let (leaf_hash, length) = (leaf_hash(&leaf), depth(index, size));
    let proof: Vec<_> = (0..length).map(|_| seeded.digest()).collect();
    let root = climb(index, size, leaf_hash, &proof);
    Inclusion { index, size, leaf: Some(leaf), leaf_hash, root, proof }.ask_with_spoiled(list, seeded);

    let old = 1 + seeded.below(size - 1);
    let mut proof: Vec<_> = (0..130).map(|_| seeded.digest()).collect();
    let (old_root, new_root, used) = grow(0, size, old, seeded.digest(), &proof);
    proof.truncate(used);
    Consistency { old, new: size, old_root, new_root, proof }.ask_with_spoiled(list, seeded);
}

/// Largest power of two below `length`, for `length` of at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// Hashes of an inclusion proof, by the recursion of RFC 6962.
fn depth(index: u64, size: u64) -> usize {
    if size == 1 {
        return 0;
    }
    let half = split(size);
    1 + if index < half { depth(index, half) } else { depth(index - half, size - half) }
}

/// The root that an inclusion proof leads to, likewise.
fn climb(index: u64, size: u64, leaf_hash: Digest, proof: &[Digest]) -> Digest {
    let Some((last, rest)) = proof.split_last() else { return leaf_hash };
    let half = split(size);
    if index < half {
        node_hash(&climb(index, half, leaf_hash, rest), last)
    } else {
        node_hash(last, &climb(index - half, size - half, leaf_hash, rest))
    }
}

/// Both roots that a consistency proof between these leaves leads to, and how many of its hashes it takes.
fn grow(from: u64, size: u64, old: u64, seed: Digest, proof: &[Digest]) -> (Digest, Digest, usize) {
    if old == size {
        return if from == 0 { (seed, seed, 0) } else { (proof[0], proof[0], 1) };
    }
    let half = split(size);
    if old <= half {
        let (old_root, new_root, used) = grow(from, half, old, seed, proof);
        (old_root, node_hash(&new_root, &proof[used]), used + 1)
    } else {
        let (old_root, new_root, used) = grow(from + half, size - half, old - half, seed, proof);
        (node_hash(&proof[used], &old_root), node_hash(&proof[used], &new_root), used + 1)
    }
}

/// Our answer to a proof as published, where a hash may have any length.
pub(super) fn inclusion_holds(index: u64, size: u64, root: &str, leaf_hash: &str, proof: &[String]) -> bool {
    let parts = (digest(leaf_hash), digests(proof), digest(root));
    let (Some(leaf_hash), Some(proof), Some(root)) = parts else { return false };
    proof::verify_inclusion(index, size, &leaf_hash, &proof, &root).is_ok()
}

/// The same for consistency.
pub(super) fn consistency_holds(
    old: u64,
    new: u64,
    old_root: &str,
    new_root: &str,
    proof: &[String],
) -> bool {
    let parts = (digest(old_root), digests(proof), digest(new_root));
    let (Some(old_root), Some(proof), Some(new_root)) = parts else { return false };
    proof::verify_consistency(old, new, &proof, &old_root, &new_root).is_ok()
}
