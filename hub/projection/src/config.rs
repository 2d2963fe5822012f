//! Opening the read models.

use std::{path::PathBuf, sync::Arc};

use simpul_log::{ReadError, Reader};
use simpul_signing::{IndexKey, StateSealer, sha256};
use simpul_types::Position;

use crate::{
    erase::{ERASING, Eraser},
    error::{OpenError, StateError},
    read::{ReadModels, Shared},
    runner::{self, Handle},
    state::{Room, State},
};

/// Configuration of the read models.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the state; made where it is missing. Everything in it can be deleted while the hub is down.
    pub dir: PathBuf,
    /// Opened pages kept in memory, bytes.
    pub cache_bytes: u64,
    /// Rows gathered in memory before they are written, bytes; while a disk is behind, three times as much.
    pub memory_bytes: usize,
    /// Events in one commit. Reads wait while a commit runs, so this bounds how long a look-up may stall.
    pub batch_events_max: usize,
}

impl Config {
    /// The defaults for a state in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), cache_bytes: 64 << 20, memory_bytes: 32 << 20, batch_events_max: 512 }
    }
}

/// Secrets of the read models.
#[derive(Clone)]
pub struct StateKeys {
    /// Blinds what names a person, a case or a report in keys.
    pub index: IndexKey,
    /// Seals rows, each start of the store in an epoch of its own.
    pub sealer: StateSealer,
}

impl StateKeys {
    /// Blind hash of a fixed text: tells keys apart without showing them.
    pub(crate) fn check(&self) -> Vec<u8> {
        self.index.blind("state", "keys")[..8].to_vec()
    }
}

/// Opens the state, or starts it anew where it is of another log, other keys or an older layout, and follows the log.
///
/// # Errors
/// [`OpenError`]: a number in the configuration, the folder, the log.
pub fn start(config: Config, reader: Reader, keys: StateKeys) -> Result<(ReadModels, Handle), OpenError> {
    if config.batch_events_max == 0 {
        return Err(OpenError::Config("batch_events_max"));
    }
    let room = Room { cache_bytes: config.cache_bytes, memory_bytes: config.memory_bytes };
    let state = State::open_or_renew(&config.dir, room, &keys)?;
    adopt(&state, &reader, &keys)?;
    let tracking = state.tracking()?;
    let shared = Arc::new(Shared::new(state, reader, &tracking));
    let eraser = Eraser { keys, scratch: config.dir.join(ERASING) };
    let handle = runner::start(Arc::clone(&shared), config.batch_events_max, eraser)?;
    Ok((ReadModels::new(shared), handle))
}

/// Keeps the state where it is a state of this log under these keys, and empties it where it is not.
fn adopt(state: &State, reader: &Reader, keys: &StateKeys) -> Result<(), StateError> {
    let misfit = match state.tracking() {
        Err(StateError::Sealed | StateError::Row) => Some("other keys or another layout"),
        Err(error) => return Err(error),
        Ok(tracking) if tracking.position == 0 => {
            (!state.is_empty() && tracking.keys != keys.check()).then_some("no beginning")
        }
        Ok(tracking) if tracking.keys != keys.check() => Some("other keys"),
        Ok(tracking) if tracking.position > reader.head().end.get() => Some("ahead of the log"),
        Ok(tracking) => {
            match reader.leaf_of(Position::new(tracking.position - 1)) {
                Ok(leaf) => (sha256(&[&leaf.bytes])[..] != tracking.leaf).then_some("another log"),
                // Its leaf is damaged: it is kept, for what else could it be a state of.
                Err(ReadError::Corrupt { .. }) => None,
                Err(error) => return Err(error.into()),
            }
        }
    };
    if let Some(why) = misfit {
        tracing::warn!(why, "read models do not fit and are built anew from the log");
        state.clear()?;
    }
    if state.is_empty() {
        let tracking = crate::row::Tracking { keys: keys.check(), ..Default::default() };
        state.commit(Default::default(), &tracking)?;
    }
    Ok(())
}

/// Makes an empty state usable, for rebuilding.
pub(crate) fn begin(state: &State, keys: &StateKeys) -> Result<(), StateError> {
    state.clear()?;
    let tracking = crate::row::Tracking { keys: keys.check(), ..Default::default() };
    state.commit(Default::default(), &tracking)
}
