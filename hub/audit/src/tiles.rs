//! The log as static tiles (c2sp.org/tlog-tiles): what strangers need to recompute the tree, and nothing they must not
//! see. An entry is the leaf's bytes: statement, signature and digests; headers and payloads are not among them.
//!
//! ```text
//! stored hashes ─▶ tile/L/N ──────┐
//! leaves of frames ─▶ tile/entries/N ─ compared leaf by leaf with tile/0/N ─▶ files (files.rs), or HTTPS (services/hub)
//! ```
//!
//! One tile is computed at a time, from the stored hashes and the leaves it needs; nothing of the tree is held.

mod files;
mod verify;

use bytes::Bytes;
use simpul_log::{ReadError, Reader};
use simpul_tlog::{
    leaf_hash,
    tile::{self, Tile, TileKind},
};
use simpul_types::LeafIndex;

pub use files::{FilesError, Written, checkpoint_of, write_files};
pub use verify::{
    FetchError, TileFetch, TileFolder, TilesOptions, TilesReport, TilesViolation, verify_tiles,
};

/// Why a tile was not given.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// The log has not grown so far.
    #[error("{tile} does not exist: the checkpoint speaks of {size} leaves")]
    NotYet {
        /// Which.
        tile: Tile,
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// A leaf does not fit into an entry.
    #[error("leaf {0} is larger than the 65,535 bytes of a tile's entry")]
    Oversized(u64),
    /// A stored leaf is not the one in the tree.
    #[error("leaf {0} does not have the hash that stands in the tree")]
    Mismatch(u64),
    /// The log could not be read.
    #[error("the log could not be read")]
    Read(#[from] ReadError),
}

/// The bytes of a tile, as of a checkpoint of `size` leaves. Blocking.
///
/// # Errors
/// [`TileError`]; nothing that is not in the signed tree is given.
pub fn read_tile(reader: &Reader, tile: &Tile, size: u64) -> Result<Bytes, TileError> {
    if !tile.exists_at(size) {
        return Err(TileError::NotYet { tile: *tile, size });
    }
    if tile.kind() != TileKind::Entries {
        return Ok(reader.stored_hashes(&tile.stored_indexes())?.concat().into());
    }
    let end = tile.first() + u64::from(tile.width());
    let entries = reader.leaf_bytes(LeafIndex::new(tile.first()), LeafIndex::new(end))?;
    let hashes = Tile::new(TileKind::Hashes(0), tile.index(), tile.width());
    let hashes = hashes.map(|hashes| hashes.stored_indexes()).unwrap_or_default();
    let hashes = reader.stored_hashes(&hashes)?;
    for (leaf, (entry, hash)) in (tile.first()..).zip(entries.iter().zip(&hashes)) {
        if leaf_hash(entry) != *hash {
            return Err(TileError::Mismatch(leaf));
        }
    }
    let bundle = tile::encode_entries(&entries);
    bundle.map(Bytes::from).map_err(|number| TileError::Oversized(tile.first() + number as u64))
}
