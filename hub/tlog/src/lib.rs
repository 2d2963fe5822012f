//! What makes the log provable: the RFC 6962 tree, proofs, signed notes and checkpoints. No I/O and no panic on any input;
//! the offline verifier uses the same code.
//!
//! Read [`stored`] for the tree as it is kept, [`proof`] for what a verifier does.

pub mod checkpoint;
mod hash;
pub mod note;
pub mod proof;
pub mod stored;

pub use hash::{empty_root, leaf_hash, node_hash, path_of, root_of, tree_hash};
