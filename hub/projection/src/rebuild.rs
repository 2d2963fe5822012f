//! Builds the state from zero beside the live one and gives its digest, for `audit replay --compare` (PRJ-2).

use std::path::{Path, PathBuf};

use simpul_log::Reader;
use simpul_types::Position;

use crate::{
    config::{self, StateKeys},
    error::StateError,
    fold::{Batch, Folder},
    state::{State, StateDigest},
};

/// Events in one commit; nobody reads beside it.
const BATCH_EVENTS: usize = 4_096;
const CACHE_BYTES: u64 = 128 << 20;

/// What to rebuild.
#[derive(Clone, Debug)]
pub struct Rebuild {
    /// Folder for the store, made, and removed again at the end.
    pub scratch: PathBuf,
    /// Position after the last event to fold.
    pub until: Position,
    /// From where on the state that it is compared with keeps its feed of changes.
    pub changes_from: Position,
}

impl Rebuild {
    /// What gives the same digest as `live`, unless one of the two is wrong.
    pub fn of(live: &StateDigest, scratch: impl Into<PathBuf>) -> Self {
        Self { scratch: scratch.into(), until: live.position, changes_from: live.changes_from }
    }
}

/// Folds the log from zero and digests the result. `progress` is told the position reached and the end, now and then.
/// Blocking, and as long as the log.
///
/// # Errors
/// The log or the store.
pub fn rebuild_digest(
    reader: &Reader,
    keys: &StateKeys,
    rebuild: &Rebuild,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<StateDigest, StateError> {
    let state = State::open(&rebuild.scratch, CACHE_BYTES, keys)?;
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
    State::open(dir, CACHE_BYTES, keys)?.digest()
}

fn build(
    state: &State,
    reader: &Reader,
    keys: &StateKeys,
    rebuild: &Rebuild,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<StateDigest, StateError> {
    config::begin(state, keys)?;
    let folder = Folder::new(reader.clone());
    let mut scan = reader.scan(Position::ZERO);
    let mut batch = Batch::new(state)?;
    while batch.position() < rebuild.until {
        let Some(leaves) = scan.next_frame()? else { break };
        for leaf in leaves.iter().filter(|leaf| leaf.first_position < rebuild.until) {
            folder.leaf(leaf, rebuild.until, &mut batch)?;
            if batch.events >= BATCH_EVENTS {
                progress(batch.commit(state)?, rebuild.until);
                batch = Batch::new(state)?;
            }
        }
    }
    progress(batch.commit(state)?, rebuild.until);
    state.trim_changes(rebuild.changes_from)?;
    state.digest()
}
