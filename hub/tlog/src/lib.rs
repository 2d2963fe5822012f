//! What makes the log provable by anyone: the RFC 6962 tree, proofs, C2SP signed notes, checkpoints, cosignatures and
//! tile paths. No I/O and no panic on any input; the offline verifier uses the same code as the hub.
//!
//! ```text
//! leaf bytes ─leaf_hash─▶ stored::Frontier ─▶ stored hashes ─▶ inclusion and consistency proofs ─▶ proof::verify_*
//!                               └─▶ root ─▶ checkpoint::Checkpoint ─sign─▶ note ─▶ cosignatures of witnesses
//! ```
//!
//! Read [`stored`] for the tree as it is kept, [`proof`] for what a verifier does.

pub mod base64;
pub mod checkpoint;
pub mod compare;
pub mod cosignature;
mod hash;
pub mod note;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod stored;
pub mod tile;

pub use hash::{empty_root, leaf_hash, node_hash, path_of, root_of, tree_hash};
