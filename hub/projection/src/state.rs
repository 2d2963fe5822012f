//! The one set of rows that everything lives in. State and tracking position change together (PRJ-1).

use std::{fs, ops::RangeBounds, path::Path};

use simpul_signing::sha256;
use simpul_types::{Digest, Position};

use crate::{
    StateKeys,
    error::StateError,
    key::{self, Blind},
    overlay::Overlay,
    pace::Pace,
    row::{self, Tracking, Trim},
    store::{Rows, Span, Store},
};

/// Folder below the configured one; a state of another layout gets another name.
const FOLDER: &str = "read-models-3";
/// Folders of earlier layouts, which make room.
const FORMER: &[&str] = &["read-models-1", "read-models-2"];

/// How much memory the rows may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Opened pages.
    pub(crate) cache_bytes: u64,
    /// Rows that are in no run yet; up to two memories more wait to be written.
    pub(crate) memory_bytes: usize,
}

/// The rows, by key.
pub(crate) struct State {
    store: Store,
    pub(crate) blind: Blind,
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
    /// Opens the state below `dir`; one that is damaged or of other keys is derived data and makes room for a new one.
    pub(crate) fn open_or_renew(dir: &Path, room: Room, keys: &StateKeys) -> Result<Self, StateError> {
        for former in FORMER.iter().map(|former| dir.join(former)).filter(|former| former.exists()) {
            tracing::warn!("read models of an older layout are built anew from the log");
            fs::remove_dir_all(former)?;
        }
        match Self::open(dir, room, keys) {
            Err(error @ (StateError::Damaged(_) | StateError::Sealed | StateError::Row)) => {
                tracing::warn!(%error, "read models on disk do not fit and are built anew from the log");
                fs::remove_dir_all(dir.join(FOLDER))?;
                Self::open(dir, room, keys)
            }
            other => other,
        }
    }

    /// Opens the state below `dir` as it stands, or an empty one where there is none.
    pub(crate) fn open(dir: &Path, room: Room, keys: &StateKeys) -> Result<Self, StateError> {
        let store = Store::open(&dir.join(FOLDER), &keys.sealer, room.cache_bytes, room.memory_bytes)?;
        Ok(Self { store, blind: Blind(keys.index.clone()) })
    }

    /// Drops every row.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        self.store.clear()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Whether there is such a row.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool, StateError> {
        Ok(self.store.get(key, |_| ())?.is_some())
    }

    /// A decoded row.
    pub(crate) fn row<R: prost::Message + Default>(&self, key: &[u8]) -> Result<Option<R>, StateError> {
        self.store.get(key, row::decode)?.transpose()
    }

    /// Rows of a prefix, in order.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = RowResult> + '_ {
        self.store.walk(Span::prefix(prefix), false)
    }

    /// Rows of a range, in order.
    pub(crate) fn range(&self, range: impl RangeBounds<Vec<u8>>) -> impl Iterator<Item = RowResult> + '_ {
        self.store.walk(Span::of(range), false)
    }

    /// Rows of a range, the last one first.
    pub(crate) fn range_back(
        &self,
        range: impl RangeBounds<Vec<u8>>,
    ) -> impl Iterator<Item = RowResult> + '_ {
        self.store.walk(Span::of(range), true)
    }

    /// How far the state has come.
    pub(crate) fn tracking(&self) -> Result<Tracking, StateError> {
        Ok(self.row(key::TRACKING)?.unwrap_or_default())
    }

    /// Writes a batch and the tracking position in one step. Invariant PRJ-1: a crash leaves both or neither.
    pub(crate) fn commit(&self, mut rows: Rows, tracking: &Tracking) -> Result<(), StateError> {
        rows.put(key::TRACKING, |buffer| row::append(tracking, buffer));
        self.store.commit(rows)
    }

    /// Writes rows that come with a tracking position of their own.
    pub(crate) fn commit_rows(&self, rows: Rows) -> Result<(), StateError> {
        self.store.commit(rows)
    }

    /// Forgets changes whose whole leaf lies below `below`; returns from where on the feed is kept.
    pub(crate) fn trim_changes(&self, below: Position) -> Result<Position, StateError> {
        let kept = self.changes_from()?;
        if below <= kept {
            return Ok(kept);
        }
        let mut rows = Rows::default();
        for item in self.range(key::CHANGES.to_vec()..key::changes(below, 0)) {
            let (key, value) = item?;
            let changes: row::Changes = row::decode(&value)?;
            if changes.entries.last().is_none_or(|last| last.position < below.get()) {
                rows.remove(&key);
            }
        }
        rows.put(key::TRIM, |buffer| row::append(&Trim { below: below.get() }, buffer));
        self.store.commit(rows)?;
        Ok(below)
    }

    /// From where on the feed of changes is kept.
    pub(crate) fn changes_from(&self) -> Result<Position, StateError> {
        let trim: Option<Trim> = self.row(key::TRIM)?;
        Ok(trim.map_or(Position::ZERO, |trim| Position::new(trim.below)))
    }

    /// Digest over all rows of this moment in clear, in the order of their keys. Commits go on meanwhile.
    ///
    /// `d0 = SHA-256("")`, `d(i+1) = SHA-256(d(i) ‖ length of key, u32 BE ‖ key ‖ value)`.
    pub(crate) fn digest(&self, go_on: &dyn Fn() -> bool) -> Result<StateDigest, StateError> {
        let tables = self.store.snapshot()?;
        let mut digest = sha256(&[]);
        self.store.each(&tables, |key, value| {
            if !go_on() {
                return Err(StateError::Stopped);
            }
            let length = (key.len() as u32).to_be_bytes();
            digest = sha256(&[&digest, &length, key, value]);
            Ok(())
        })?;
        let tracking = self.store.get_in(&tables, key::TRACKING, row::decode::<Tracking>)?.transpose()?;
        let position = Position::new(tracking.unwrap_or_default().position);
        let trim = self.store.get_in(&tables, key::TRIM, row::decode::<Trim>)?.transpose()?;
        let changes_from = trim.map_or(Position::ZERO, |trim| Position::new(trim.below));
        Ok(StateDigest { position, changes_from, digest })
    }

    /// Makes everything durable that was committed.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.store.flush()
    }

    /// The pace of the store's own threads, and of those who fold into it.
    pub(crate) fn pace(&self) -> &Pace {
        self.store.pace()
    }

    /// A fresh overlay.
    pub(crate) fn overlay(&self) -> Overlay<'_> {
        Overlay::new(&self.store, &self.blind)
    }
}

/// A key with its row in clear.
pub type Row = (Vec<u8>, Vec<u8>);

pub(crate) type RowResult = Result<Row, StateError>;
