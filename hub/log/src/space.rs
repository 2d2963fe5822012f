//! Room ahead of the writer. Segments are filled with zeros before they are written: then a flush changes no file size and
//! commits no journal, a cut write is told from a flipped bit, and a full disk is known before a frame is at stake.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::append::Core;

const CHUNK_BYTES: u64 = 1 << 20;
/// How long a full disk is left alone before the next try.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How often the checkpoint file follows the head. It is not flushed: it is a floor that recovery may rely on, and what
/// offline verification starts from.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);

struct CheckpointFile {
    written: u64,
    at: Instant,
}

impl CheckpointFile {
    fn refresh(&mut self, core: &Core, pause: Duration) {
        let head = Arc::clone(&core.shared.head.borrow());
        if head.size.get() == self.written || self.at.elapsed() < pause {
            return;
        }
        let path = core.shared.dir.join("checkpoint");
        let temporary = path.with_extension("tmp");
        let write = fs::write(&temporary, &head.checkpoint).and_then(|()| fs::rename(&temporary, &path));
        match write {
            Ok(()) => (self.written, self.at) = (head.size.get(), Instant::now()),
            Err(error) => {
                tracing::warn!(%error, "the checkpoint file could not be written");
                self.at = Instant::now();
            }
        }
    }
}

pub(crate) struct Space {
    state: Mutex<State>,
    changed: Condvar,
    ahead: u64,
}

struct State {
    file: Arc<File>,
    /// End of what the writer has written.
    used: u64,
    /// End of the zeros that are on disk.
    zeroed: u64,
    /// End of the zeros being written; the writer must not write between `zeroed` and this.
    claimed: u64,
    full: bool,
    stopping: bool,
}

impl Space {
    /// `file` holds data or zeros up to its present size; the writer stands at `used`.
    pub(crate) fn new(file: Arc<File>, used: u64, ahead: u64) -> io::Result<Self> {
        let zeroed = file.metadata()?.len().max(used);
        let state = State { file, used, zeroed, claimed: zeroed, full: false, stopping: false };
        Ok(Self { state: Mutex::new(state), changed: Condvar::new(), ahead })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `bytes` more can be promised: there is room on disk, or it has not been found full.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let state = self.lock();
        !state.full || state.used + bytes <= state.zeroed
    }

    /// Waits until nobody writes zeros below `end`. Called by the writer right before it writes up to `end`.
    pub(crate) fn reserve(&self, end: u64) {
        let mut state = self.lock();
        while state.zeroed < end && state.claimed > state.zeroed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.zeroed < end {
            // The writer outran the zeros: it extends the file itself, which costs this one flush a journal commit.
            (state.zeroed, state.claimed) = (end, end);
        }
    }

    /// The writer has written up to `used`.
    pub(crate) fn advance(&self, used: u64) {
        let mut state = self.lock();
        state.used = used;
        if state.zeroed < used + self.ahead / 2 {
            self.changed.notify_all();
        }
    }

    /// The writer goes on in a new segment.
    pub(crate) fn switch(&self, file: Arc<File>, used: u64) {
        let mut state = self.lock();
        while state.claimed > state.zeroed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (state.file, state.used, state.zeroed, state.claimed) = (file, used, used, used);
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The thread that keeps the room and the key pool ahead of use.
    pub(crate) fn run(core: &Core) {
        let space = &core.space;
        let mut note = CheckpointFile { written: core.shared.head.borrow().size.get(), at: Instant::now() };
        loop {
            note.refresh(core, CHECKPOINT_PAUSE);
            let (file, from, to) = {
                let mut state = space.lock();
                loop {
                    if state.stopping {
                        drop(state);
                        return note.refresh(core, Duration::ZERO);
                    }
                    let wanted = state.used + space.ahead;
                    let start = state.zeroed;
                    if start < wanted && start < state.used + space.ahead / 2 + CHUNK_BYTES {
                        let to = wanted.min(start + CHUNK_BYTES);
                        state.claimed = to;
                        break (Arc::clone(&state.file), start, to);
                    }
                    if core.shared.keystore.wants_refill() {
                        drop(state);
                        if let Err(error) = core.shared.keystore.refill() {
                            tracing::warn!(%error, "data keys could not be made ahead of use");
                            thread::sleep(RETRY_PAUSE);
                        }
                        state = space.lock();
                        continue;
                    }
                    drop(state);
                    note.refresh(core, CHECKPOINT_PAUSE);
                    state = space.lock();
                    let waited = space.changed.wait_timeout(state, RETRY_PAUSE);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            };
            let zeros = vec![0; (to - from) as usize];
            let written = file.write_all_at(&zeros, from).and_then(|()| file.sync_data());
            let mut state = space.lock();
            match written {
                Ok(()) => {
                    if state.full {
                        tracing::info!("the disk has room again");
                    }
                    (state.zeroed, state.claimed, state.full) = (to, to, false);
                    space.changed.notify_all();
                }
                Err(error) => {
                    if !state.full {
                        tracing::error!(%error, "no room ahead of the log's writer: new events are refused");
                    }
                    (state.claimed, state.full) = (state.zeroed, true);
                    space.changed.notify_all();
                    drop(space.changed.wait_timeout(state, RETRY_PAUSE));
                }
            }
        }
    }
}
