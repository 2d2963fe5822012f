//! The one tree that everything lives in. Values are sealed; state and tracking position change together (PRJ-1).

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{PoisonError, RwLock},
};

use simpul_signing::{StateSealer, sha256};
use simpul_types::{Digest, Position};

use crate::{
    StateKeys,
    error::StateError,
    key::{self, Blind},
    overlay::Overlay,
    row::{self, Tracking, Trim},
};

/// Folder below the configured one; a state of another layout gets another name.
const FOLDER: &str = "read-models-1";
const TREE: &str = "state";
const EPOCH: &[u8] = b"epoch";

/// Rows on disk.
pub(crate) struct State {
    db: sled::Db,
    tree: RwLock<sled::Tree>,
    sealer: StateSealer,
    pub(crate) blind: Blind,
    /// Held shared by whoever walks all rows, exclusively by a commit, so that a walk sees one position.
    gate: RwLock<()>,
}

/// What the state says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDigest {
    /// Position after the last event in the state.
    pub position: Position,
    /// Position from which on the feed of changes is kept.
    pub changes_from: Position,
    /// Over all rows, in the order of their keys, in clear.
    pub digest: Digest,
}

impl State {
    /// Opens the state below `dir`; a store that sled finds corrupt is derived data and makes room for a new one.
    pub(crate) fn open_or_renew(dir: &Path, cache_bytes: u64, keys: &StateKeys) -> Result<Self, StateError> {
        match Self::open(dir, cache_bytes, keys) {
            Err(StateError::Store(sled::Error::Corruption { .. })) => {
                tracing::warn!("read models are corrupt on disk and are built anew from the log");
                std::fs::remove_dir_all(dir.join(FOLDER))?;
                Self::open(dir, cache_bytes, keys)
            }
            other => other,
        }
    }

    /// Opens the state below `dir` as it stands, or an empty one where there is none.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, keys: &StateKeys) -> Result<Self, StateError> {
        std::fs::create_dir_all(dir)?;
        let db = open_db(&dir.join(FOLDER), cache_bytes)?;
        let sealer = keys.sealer.with_epoch(next_epoch(&db)?);
        let tree = RwLock::new(db.open_tree(TREE)?);
        Ok(Self { db, tree, sealer, blind: Blind(keys.index.clone()), gate: RwLock::new(()) })
    }

    fn tree(&self) -> sled::Tree {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops every row.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        self.db.drop_tree(TREE)?;
        *tree = self.db.open_tree(TREE)?;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree().is_empty()
    }

    /// One row in clear.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.tree().get(key)?.map(|sealed| self.open_row(&sealed)).transpose()
    }

    /// A decoded row.
    pub(crate) fn row<R: prost::Message + Default>(&self, key: &[u8]) -> Result<Option<R>, StateError> {
        self.get(key)?.map(|bytes| row::decode(&bytes)).transpose()
    }

    /// Rows of a prefix, in order.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl DoubleEndedIterator<Item = RowResult> + '_ {
        self.tree().scan_prefix(prefix).map(|item| self.open_item(item))
    }

    /// Rows of a range, in order.
    pub(crate) fn range(
        &self,
        range: impl std::ops::RangeBounds<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = RowResult> + '_ {
        self.tree().range(range).map(|item| self.open_item(item))
    }

    fn open_item(&self, item: sled::Result<(sled::IVec, sled::IVec)>) -> RowResult {
        let (key, sealed) = item?;
        Ok((key.to_vec(), self.open_row(&sealed)?))
    }

    fn open_row(&self, sealed: &[u8]) -> Result<Vec<u8>, StateError> {
        self.sealer.open(sealed).map_err(|_| StateError::Sealed)
    }

    /// How far the state has come.
    pub(crate) fn tracking(&self) -> Result<Tracking, StateError> {
        Ok(self.row(key::TRACKING)?.unwrap_or_default())
    }

    /// Writes a batch and the tracking position in one step. Invariant PRJ-1: a crash leaves both or neither.
    pub(crate) fn commit(
        &self,
        rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        tracking: &Tracking,
    ) -> Result<(), StateError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key, self.sealer.seal(&value)),
                None => batch.remove(key),
            }
        }
        batch.insert(key::TRACKING, self.sealer.seal(&row::encode(tracking)));
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        Ok(self.tree().apply_batch(batch)?)
    }

    /// Forgets changes whose whole leaf lies below `below`; returns from where on the feed is kept.
    pub(crate) fn trim_changes(&self, below: Position) -> Result<Position, StateError> {
        let kept = self.changes_from()?;
        if below <= kept {
            return Ok(kept);
        }
        let tree = self.tree();
        let mut batch = sled::Batch::default();
        for item in tree.range(key::CHANGES.to_vec()..key::changes(below, 0)) {
            let (key, sealed) = item?;
            let changes: row::Changes = row::decode(&self.open_row(&sealed)?)?;
            if changes.entries.last().is_none_or(|last| last.position < below.get()) {
                batch.remove(key);
            }
        }
        batch.insert(key::TRIM, self.sealer.seal(&row::encode(&Trim { below: below.get() })));
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        tree.apply_batch(batch)?;
        Ok(below)
    }

    /// From where on the feed of changes is kept.
    pub(crate) fn changes_from(&self) -> Result<Position, StateError> {
        let trim: Option<Trim> = self.row(key::TRIM)?;
        Ok(trim.map_or(Position::ZERO, |trim| Position::new(trim.below)))
    }

    /// Digest over all rows in clear, in the order of their keys. Commits wait meanwhile.
    ///
    /// `d0 = SHA-256("")`, `d(i+1) = SHA-256(d(i) ‖ length of key, u32 BE ‖ key ‖ value)`.
    pub(crate) fn digest(&self) -> Result<StateDigest, StateError> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let mut digest = sha256(&[]);
        for item in self.scan(b"") {
            let (key, value) = item?;
            let length = (key.len() as u32).to_be_bytes();
            digest = sha256(&[&digest, &length, &key, &value]);
        }
        let position = Position::new(self.tracking()?.position);
        Ok(StateDigest { position, changes_from: self.changes_from()?, digest })
    }

    /// Makes everything durable that was committed.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.db.flush()?;
        Ok(())
    }

    /// A fresh overlay.
    pub(crate) fn overlay(&self) -> Overlay<'_> {
        Overlay::new(self)
    }
}

/// A key with its row in clear.
pub type Row = (Vec<u8>, Vec<u8>);

pub(crate) type RowResult = Result<Row, StateError>;

/// Counts the starts of this store, in clear and beside the state: no two runs seal under the same nonces, so the number
/// is on disk before the first row is sealed.
fn next_epoch(db: &sled::Db) -> Result<u32, StateError> {
    let bump = |old: Option<&[u8]>| {
        let old = old.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
        Some(old.wrapping_add(1).to_be_bytes().to_vec())
    };
    let counted = db.update_and_fetch(EPOCH, bump)?.ok_or(StateError::Row)?;
    db.flush()?;
    Ok(u32::from_be_bytes(counted.as_ref().try_into().map_err(|_| StateError::Row)?))
}

fn open_db(path: &Path, cache_bytes: u64) -> sled::Result<sled::Db> {
    // A crash may lose the last second: the tracking position goes back with the rows, and the log has the rest.
    sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(Some(1_000))
        .open()
}
