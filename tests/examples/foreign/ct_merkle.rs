//! The crate `ct-merkle`: trees in memory, inclusion and consistency.

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use sha2::Sha256;
use simpul_tests::foreign::{
    Answer, Ask, Question,
    question::{digest, digests, hex, unhex},
    tiles::{Finding, Log},
};

type Tree = MemoryBackedTree<Sha256, Vec<u8>>;

/// Its proofs are checked for trees up to this size only.
const SIZE_MAX: u64 = 1 << 63;

pub fn ask(questions: &[Question]) -> Vec<Answer> {
    questions.iter().map(|question| answer(questions, &question.ask)).collect()
}

fn tree(leaves: impl Iterator<Item = Vec<u8>>) -> Tree {
    let mut tree = Tree::new();
    leaves.for_each(|leaf| tree.push(leaf));
    tree
}

/// The first `size` leaves of the tree of a question.
fn prefix(questions: &[Question], id: usize, size: u64) -> Tree {
    let Ask::Tree { leaves } = &questions[id].ask else { panic!("question {id} is a tree") };
    tree(leaves.iter().take(size as usize).map(|leaf| unhex(leaf).expect("hex")))
}

fn root_text(tree: &Tree) -> Answer {
    Answer::Value(hex(tree.root().as_bytes()))
}

fn answer(questions: &[Question], ask: &Ask) -> Answer {
    match ask {
        Ask::Tree { leaves } => root_text(&tree(leaves.iter().map(|leaf| unhex(leaf).expect("hex")))),
        Ask::Root { tree, size } => root_text(&prefix(questions, *tree, *size)),
        Ask::ProveInclusion { tree, index, size } => {
            Answer::Value(hex(prefix(questions, *tree, *size).prove_inclusion(*index as usize).as_bytes()))
        }
        Ask::ProveConsistency { tree, old, new } => Answer::Value(hex(prefix(questions, *tree, *new)
            .prove_consistency((new - old) as usize)
            .as_bytes())),
        Ask::Inclusion { index, size, root, leaf, proof, .. } => {
            let Some(leaf) = leaf else { return Answer::Skip("it takes a leaf, not a leaf's hash".into()) };
            let (Some(root), Some(proof)) = (digest(root), digests(proof)) else { return odd() };
            if *size > SIZE_MAX {
                return vast();
            }
            let root = RootHash::<Sha256>::new(root.into(), *size);
            let proof = InclusionProof::try_from_bytes(proof.concat()).expect("whole hashes");
            root.verify_inclusion(&unhex(leaf).expect("hex"), *index, &proof).is_ok().into()
        }
        Ask::Consistency { old, new, old_root, new_root, proof } => {
            let (Some(old_root), Some(new_root), Some(proof)) =
                (digest(old_root), digest(new_root), digests(proof))
            else {
                return odd();
            };
            if (*old).max(*new) > SIZE_MAX {
                return vast();
            }
            let old_root = RootHash::<Sha256>::new(old_root.into(), *old);
            let proof = ConsistencyProof::try_from_bytes(proof.concat()).expect("whole hashes");
            RootHash::new(new_root.into(), *new).verify_consistency(&old_root, &proof).is_ok().into()
        }
        _ => Answer::Skip("it knows trees and proofs only".into()),
    }
}

fn odd() -> Answer {
    Answer::Skip("its hashes have 32 bytes".into())
}

fn vast() -> Answer {
    Answer::Skip("its trees end at 2^63 leaves".into())
}

pub fn tiles(log: &Log) -> Vec<Finding> {
    let tree = log.entries().map(|entries| tree(entries.into_iter()));
    let checked = tree.map_err(|error| format!("{error:#}")).and_then(|tree| {
        let same = tree.len() == log.checkpoint.size && tree.root().as_bytes()[..] == log.checkpoint.root;
        if same { Ok(tree) } else { Err("the entries lead to another root".into()) }
    });
    let mut findings =
        vec![Finding::new("root from entries", checked.as_ref().map(|_| 1).map_err(Clone::clone))];
    let Ok(tree) = checked else { return findings };
    let root = RootHash::<Sha256>::new(log.checkpoint.root.into(), log.checkpoint.size);
    let holds = |(index, leaf): (usize, &Vec<u8>)| {
        root.verify_inclusion(leaf, index as u64, &tree.prove_inclusion(index)).is_ok()
    };
    let wrong = tree.items().iter().enumerate().position(|item| !holds(item));
    let included = wrong.map_or(Ok(tree.len()), |index| Err(format!("entry {index} is not in the tree")));
    findings.push(Finding::new("inclusion", included));
    findings
}
