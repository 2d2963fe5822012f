//! Builds the state from zero beside the live one and gives its digest, for `audit replay --compare` (PRJ-2).

use std::path::{Path, PathBuf};

use simpul_log::Reader;
use simpul_types::Position;

use crate::{
    ahead,
    config::{self, StateKeys},
    error::StateError,
    fold::{Batch, Folder},
    state::{Room, State, StateDigest},
};

/// Events in one commit; nobody reads beside it.
const BATCH_EVENTS: usize = 4_096;
pub(crate) const ROOM: Room = Room { cache_bytes: 64 << 20, memory_bytes: 32 << 20 };

/// What to rebuild.
#[derive(Clone, Debug)]
pub struct Rebuild {
    /// Folder for the store, made, and removed again at the end.
    pub scratch: PathBuf,
    /// Position after the last event to fold.
    pub until: Position,
    /// From where on the state that it is compared with keeps its feed of changes.
    pub changes_from: Position,
    /// Digests that were recorded on the way, in the order of their positions; each is taken again there.
    pub recorded: Vec<StateDigest>,
}

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// At the end.
    pub digest: StateDigest,
    /// At every recorded position below the end, in order.
    pub on_the_way: Vec<StateDigest>,
}

impl Rebuild {
    /// What gives the same digest as `live`, unless one of the two is wrong.
    pub fn of(live: &StateDigest, scratch: impl Into<PathBuf>) -> Self {
        let scratch = scratch.into();
        Self { scratch, until: live.position, changes_from: live.changes_from, recorded: Vec::new() }
    }
}

/// Folds the log from zero and digests the result, and what stood at every recorded position. `progress` is told the position reached and the end, now and then.
/// Blocking, and as long as the log.
///
/// # Errors
/// The log or the store.
pub fn rebuild_digest(
    reader: &Reader,
    keys: &StateKeys,
    rebuild: &Rebuild,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<Rebuilt, StateError> {
    let state = State::open(&rebuild.scratch, ROOM, keys)?;
    let digest = build(&state, reader, keys, rebuild, progress);
    drop(state);
    std::fs::remove_dir_all(&rebuild.scratch)?;
    digest
}

/// Digest of the state that stands in `dir`, as it stands: nothing is adopted, followed or thrown away, a corrupt store is
/// an error. The hub must not be running.
///
/// # Errors
/// The store, also where another process has it open.
pub fn stored_digest(dir: &Path, keys: &StateKeys) -> Result<StateDigest, StateError> {
    State::open(dir, ROOM, keys)?.digest(&|| true)
}

/// Folds the log from zero into an empty `state`, up to `until`.
pub(crate) fn build(
    state: &State,
    reader: &Reader,
    keys: &StateKeys,
    rebuild: &Rebuild,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<Rebuilt, StateError> {
    config::begin(state, keys)?;
    state.pace().hurry(true);
    let folder = Folder::new();
    let mut batch = Batch::new(state)?;
    let mut recorded = rebuild.recorded.iter().peekable();
    let mut on_the_way = Vec::new();
    let scan = reader.scan(Position::ZERO);
    ahead::each(scan, reader, rebuild.until, state, |leaf| {
        folder.leaf(leaf, &mut batch)?;
        if batch.events >= BATCH_EVENTS {
            progress(batch.commit()?, rebuild.until);
        }
        // A digest was taken between two batches, so its position is the end of a leaf.
        while let Some(stop) = recorded.next_if(|stop| stop.position <= batch.position()) {
            if stop.position == batch.position() {
                batch.commit()?;
                state.trim_changes(stop.changes_from)?;
            }
            // Where it is not, the digest taken here has another position, and whoever compares sees it.
            on_the_way.push(state.digest(&|| true)?);
        }
        Ok(true)
    })?;
    progress(batch.commit()?, rebuild.until);
    state.trim_changes(rebuild.changes_from)?;
    Ok(Rebuilt { digest: state.digest(&|| true)?, on_the_way })
}
