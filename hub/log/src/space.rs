//! Room ahead of the writer. A segment is filled with zeros before its first frame: then a flush changes no file size and
//! commits no journal, a cut write is told from a flipped bit, and a full disk is known before a frame is at stake.
//!
//! The zeros go into a spare file, never into the segment in use: a flush waits for every dirty page of its file, and
//! would wait for the zeros too. When the segment in use is half full, the next spare is made; when it is full, the spare
//! gets its header and its name. Spares grow fourfold up to a whole segment, so that a small log stays small.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    append::Core,
    config::Config,
    disk::{self, File, point, seeded},
};

const CHUNK_BYTES: u64 = 1 << 20;
/// How long a full disk is left alone before the next try.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often the checkpoint file follows the head. It is not flushed: it is a floor that recovery may rely on, and what
/// offline verification starts from.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Space {
    state: Mutex<State>,
    changed: Condvar,
    path: PathBuf,
    spare_bytes_min: u64,
    spare_bytes_max: u64,
}

/// A file of zeros, flushed, under a name of its own.
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) bytes: u64,
}

struct State {
    /// End of what the writer has written to the segment in use.
    used: u64,
    /// End of the zeros that were prepared in it.
    prepared: u64,
    spare: Option<Spare>,
    /// A spare was taken and does not have its own name yet: none may be made under the common one.
    rolling: bool,
    full: bool,
    stopping: bool,
}

impl State {
    fn wants_spare(&self) -> bool {
        (!self.rolling || seeded!(SpareWhileRolling)) && self.spare.is_none() && self.used > self.prepared / 2
    }
}

impl Space {
    /// The segment in use is prepared up to `prepared`; the writer stands at `used`.
    pub(crate) fn new(config: &Config, used: u64, prepared: u64) -> Self {
        let state = State { used, prepared, spare: None, rolling: false, full: false, stopping: false };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            path: config.dir.join("segments").join("spare"),
            spare_bytes_min: config.zero_ahead_bytes.min(config.segment_bytes),
            spare_bytes_max: config.segment_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `bytes` more can be promised: there is room prepared, or the disk has not been found full.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let state = self.lock();
        !state.full || state.used + bytes <= state.prepared
    }

    /// Whether the segment in use is prepared up to `end`.
    pub(crate) fn is_prepared(&self, end: u64) -> bool {
        end <= self.lock().prepared
    }

    /// The writer has written up to `used`.
    pub(crate) fn advance(&self, used: u64) {
        let mut state = self.lock();
        state.used = used;
        if state.wants_spare() {
            self.changed.notify_all();
        }
    }

    /// The spare file, if one is ready. No other is made before [`Self::switch`], which follows once this one has its name.
    pub(crate) fn take_spare(&self) -> Option<Spare> {
        let mut state = self.lock();
        let spare = state.spare.take();
        state.rolling |= spare.is_some();
        spare
    }

    /// The writer goes on in a new segment.
    pub(crate) fn switch(&self, used: u64, prepared: u64) {
        let mut state = self.lock();
        (state.used, state.prepared, state.rolling) = (used, prepared, false);
    }

    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The thread that keeps room, key pool and checkpoint file up with the writer.
    pub(crate) fn run(core: &Core) {
        let space = &core.space;
        let mut note = CheckpointFile { written: u64::MAX, at: Instant::now() };
        loop {
            space.keep_up(core, &mut note);
            let state = space.lock();
            if state.stopping {
                drop(state);
                disk::remove_file(&space.path).ok();
                return note.refresh(core, Duration::ZERO);
            }
            if !state.wants_spare() {
                drop(space.changed.wait_timeout(state, CHECKPOINT_PAUSE));
                continue;
            }
            let bytes = (state.prepared * 4).clamp(space.spare_bytes_min, space.spare_bytes_max);
            drop(state);
            let made = space.make_spare(bytes, || space.keep_up(core, &mut note));
            space.take_in(made);
        }
    }

    fn take_in(&self, made: io::Result<Option<Spare>>) {
        let mut state = self.lock();
        match made {
            Ok(spare) => {
                if state.full {
                    tracing::info!("the disk has room again");
                }
                (state.spare, state.full) = (spare, false);
                drop(state);
                point!("spare.offered");
            }
            Err(error) => {
                if !state.full {
                    tracing::error!(%error, "no room ahead of the log's writer: new events are refused");
                }
                state.full = true;
                drop(state);
                disk::remove_file(&self.path).ok();
                thread::sleep(RETRY_PAUSE);
            }
        }
    }

    /// Fills a file with zeros and flushes it; `None` where the log stops meanwhile.
    fn make_spare(&self, bytes: u64, mut between: impl FnMut()) -> io::Result<Option<Spare>> {
        disk::remove_file(&self.path).ok();
        // A new file always: what an open log writes to is never touched from here.
        let file = File::create_new(&self.path)?;
        point!("spare.created");
        let zeros = vec![0; CHUNK_BYTES as usize];
        let mut at = 0;
        while at < bytes {
            let length = CHUNK_BYTES.min(bytes - at);
            file.write_all_at(&zeros[..length as usize], at)?;
            // In small steps, so that no frame's flush stands behind a long queue of zeros.
            file.sync_data()?;
            point!("spare.filled");
            at += length;
            between();
            if self.lock().stopping {
                return Ok(None);
            }
        }
        file.sync_all()?;
        point!("spare.flushed");
        Ok(Some(Spare { path: self.path.clone(), file, bytes }))
    }

    fn keep_up(&self, core: &Core, note: &mut CheckpointFile) {
        note.refresh(core, CHECKPOINT_PAUSE);
        if core.shared.keystore.wants_refill()
            && let Err(error) = core.shared.keystore.refill()
        {
            tracing::warn!(%error, "data keys could not be made ahead of use");
            thread::sleep(RETRY_PAUSE);
        }
    }
}

struct CheckpointFile {
    /// Size that the file speaks of; none at first, so that a file that is missing or damaged is written anew.
    written: u64,
    at: Instant,
}

impl CheckpointFile {
    fn refresh(&mut self, core: &Core, pause: Duration) {
        let head = Arc::clone(&core.shared.head.borrow());
        // A damaged end: the file may be all that says how far the log was acknowledged.
        if core.shared.damages().read_only.is_some() {
            return;
        }
        if head.size.get() == self.written || self.at.elapsed() < pause {
            return;
        }
        let path = core.shared.dir.join("checkpoint");
        let temporary = path.with_extension("tmp");
        let write = || {
            disk::write(&temporary, head.checkpoint.as_bytes())?;
            point!("checkpoint.written");
            disk::rename(&temporary, &path)?;
            point!("checkpoint.renamed");
            Ok(())
        };
        match write() {
            Ok(()) => (self.written, self.at) = (head.size.get(), Instant::now()),
            Err::<(), io::Error>(error) => {
                tracing::warn!(%error, "the checkpoint file could not be written");
                self.at = Instant::now();
            }
        }
    }
}
