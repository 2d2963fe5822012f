//! The acknowledged head: how far the log reaches for anyone but its writer.

use simpul_types::{Digest, LeafIndex, Position};

/// What the newest flush acknowledged. Never moves backward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size of the tree: index of the next leaf.
    pub size: LeafIndex,
    /// Position of the next event.
    pub end: Position,
    /// Root of the tree of that size.
    pub root: Digest,
    /// Signed checkpoint (C2SP) over size and root.
    pub checkpoint: String,
}
