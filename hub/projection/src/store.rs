//! Rows on disk: sorted runs, each written once, merged in the background; no journal, because the log is one.
//!
//! ```text
//! commit ─▶ memory ──(32 MiB)──▶ frozen ──writer──▶ run ─ run ─ run ─ run ─┐
//!             ▲                    ▲                        └─ merger ─▶ run, a level up
//!             └────── reads: batch, memory, frozen, runs, the newest first ─┘
//! ```
//!
//! A batch is seen as a whole or not at all, and memory is frozen between batches only; so every run ends at a commit, and
//! a crash leaves the state of the last run that the manifest names, with the tracking position in it (PRJ-1). What came
//! after is folded again from the log. Readers take a snapshot of the list of parts and never wait for a commit, a
//! writer or a merge.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use simpul_signing::StateSealer;

use crate::{error::StateError, pace::Pace};

mod cache;
mod filter;
mod hash;
mod manifest;
mod memory;
mod page;
mod rows;
mod run;
mod sorted;
mod walk;
mod work;

#[cfg(test)]
mod tests;

use cache::Cache;
use hash::spread;
use manifest::Manifest;
use memory::Memory;
pub(crate) use rows::Rows;
use run::{Run, RunCursor};
use sorted::Sorted;
pub(crate) use walk::Span;
use walk::{Cursor, MemoryCursor, Merge};

/// Memories that wait to be written before a commit waits too.
const FROZEN_MAX: usize = 2;
/// Runs before a commit waits for the merger; each costs every look-up a little.
const RUNS_MAX: usize = 40;
/// Rows that a batch has room for from the start, at most: an erasure's is as large as what it erases.
const ROOM_ROWS_MAX: usize = 65_536;
/// Rows that a walk takes at once, at most.
const CHUNK_ROWS: usize = 512;

pub(crate) struct Store {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    dir: PathBuf,
    sealer: StateSealer,
    cache: Cache,
    memory_bytes: usize,
    tables: RwLock<Arc<Tables>>,
    /// Held by a commit, and by whoever needs that none comes.
    committing: Mutex<()>,
    /// Rows of the last batch.
    rows_last: AtomicUsize,
    /// Held while the list of runs changes.
    manifest: Mutex<Manifest>,
    work: Mutex<Work>,
    changed: Condvar,
    pace: Pace,
    _lock: File,
}

/// What the background threads are told, and tell.
#[derive(Default)]
struct Work {
    stop: bool,
    /// Counts what may give one of them something to do.
    news: u64,
    /// Why the last attempt to write or merge failed.
    failure: Option<String>,
}

/// The parts of the state, the newest first.
#[derive(Clone)]
pub(crate) struct Tables {
    /// The batch that memory is just taking over.
    batch: Option<Arc<Batch>>,
    memory: Arc<Memory>,
    frozen: Vec<Arc<Memory>>,
    runs: Vec<Arc<Run>>,
}

/// A batch that is being committed.
struct Batch {
    rows: Rows,
    walked: Arc<Sorted>,
}

impl Store {
    /// Opens the folder, or makes it.
    pub(crate) fn open(
        dir: &Path,
        sealer: &StateSealer,
        cache_bytes: u64,
        memory_bytes: usize,
    ) -> Result<Self, StateError> {
        fs::create_dir_all(dir)?;
        let lock = File::options().write(true).create(true).truncate(false).open(dir.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StateError::Locked,
            TryLockError::Error(error) => StateError::Folder(error),
        })?;
        let sealer = sealer.with_epoch(manifest::next_epoch(dir)?);
        let manifest = Manifest::read(dir, &sealer)?;
        let open = |entry: &manifest::RunEntry| Run::open(dir, entry.clone(), &sealer).map(Arc::new);
        let runs: Vec<_> = manifest.runs.iter().map(open).collect::<Result<_, _>>()?;
        remove_strays(dir, &manifest)?;
        let tables = Tables { batch: None, memory: Arc::new(Memory::new()), frozen: Vec::new(), runs };
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            sealer,
            cache: Cache::new(cache_bytes),
            memory_bytes,
            tables: RwLock::new(Arc::new(tables)),
            committing: Mutex::default(),
            rows_last: AtomicUsize::new(0),
            manifest: Mutex::new(manifest),
            work: Mutex::default(),
            changed: Condvar::new(),
            pace: Pace::default(),
            _lock: lock,
        });
        let threads = work::start(&shared)?;
        Ok(Self { shared, threads })
    }

    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.shared.tables()
    }

    /// Hands the value of a row to `take`; `None` where there is no such row.
    pub(crate) fn get<R>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, StateError> {
        self.get_in(&self.tables(), key, take)
    }

    /// The same, in parts taken before.
    pub(crate) fn get_in<R>(
        &self,
        tables: &Tables,
        key: &[u8],
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StateError> {
        let mut take = Some(take);
        let mut take = |value: &[u8]| take.take().map(|take| take(value));
        if let Some(value) = tables.batch.as_ref().and_then(|batch| batch.rows.get(key)) {
            return Ok(value.and_then(take));
        }
        for memory in std::iter::once(&tables.memory).chain(&tables.frozen) {
            if let Some(found) = memory.get(key, &mut take) {
                return Ok(found.flatten());
            }
        }
        let hash = spread(key);
        for run in &tables.runs {
            if let Some(found) = run.get(key, hash, &self.shared.cache, &mut take)? {
                return Ok(found.flatten());
            }
        }
        Ok(None)
    }

    /// Rows of a span in order, or in the opposite one.
    pub(crate) fn walk(&self, span: Span, back: bool) -> Walk<'_> {
        Walk { store: self, span, back, chunk: Vec::new().into_iter(), rows: 1, done: false }
    }

    /// All rows of this moment, for a walk that commits go on beside.
    pub(crate) fn snapshot(&self) -> Result<Arc<Tables>, StateError> {
        let _paused = self.pause();
        self.shared.wait(|tables| tables.frozen.len() < FROZEN_MAX && tables.runs.len() < RUNS_MAX)?;
        self.shared.freeze();
        // The memory that is live from here on takes further commits; everything else stays as it is.
        let memory = Arc::new(Memory::new());
        Ok(Arc::new(Tables { memory, batch: None, ..Tables::clone(&self.tables()) }))
    }

    /// Tells all rows of a snapshot, in order.
    pub(crate) fn each(
        &self,
        tables: &Arc<Tables>,
        mut tell: impl FnMut(&[u8], &[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let span = Span::of(..);
        with_sources(tables, &span, false, None, |mut merge| {
            merge.each(|key, value| {
                if let Some(value) = value {
                    tell(key, value)?;
                }
                Ok(true)
            })
        })
    }

    /// An empty batch, with room for one like the last.
    pub(crate) fn batch(&self) -> Rows {
        Rows::with_room(self.shared.rows_last.load(Ordering::Relaxed).min(ROOM_ROWS_MAX))
    }

    /// Keeps commits away.
    pub(crate) fn pause(&self) -> MutexGuard<'_, ()> {
        self.shared.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a batch part of the state. Waits where writing is behind; fails where it cannot go on.
    pub(crate) fn commit(&self, rows: Rows) -> Result<(), StateError> {
        let _paused = self.pause();
        self.make_room()?;
        self.shared.rows_last.store(rows.len(), Ordering::Relaxed);
        let batch = Arc::new(Batch { walked: Arc::new(rows.walked()), rows });
        let memory = Arc::clone(&self.tables().memory);
        self.shared.replace(|tables| tables.batch = Some(Arc::clone(&batch)));
        memory.absorb(&batch.rows, Arc::clone(&batch.walked));
        self.shared.replace(|tables| tables.batch = None);
        Ok(())
    }

    /// Freezes a full memory, once there is room for another.
    fn make_room(&self) -> Result<(), StateError> {
        if self.tables().memory.bytes() < self.shared.memory_bytes {
            return Ok(());
        }
        self.shared.wait(|tables| tables.frozen.len() < FROZEN_MAX && tables.runs.len() < RUNS_MAX)?;
        self.shared.freeze();
        Ok(())
    }

    /// Makes everything durable that was committed.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        let _paused = self.pause();
        if !self.tables().memory.is_empty() {
            self.shared.freeze();
        }
        self.shared.wait(|tables| tables.frozen.is_empty())
    }

    /// Drops every row.
    pub(crate) fn clear(&self) -> Result<(), StateError> {
        let _paused = self.pause();
        // Nothing may be on its way to become a run.
        self.shared.wait(|tables| tables.frozen.is_empty())?;
        let mut manifest = self.shared.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        manifest.runs.clear();
        manifest.write(&self.shared.dir, &self.shared.sealer)?;
        let gone = self.tables();
        self.shared.replace(|tables| {
            (tables.memory, tables.runs) = (Arc::new(Memory::new()), Vec::new());
        });
        gone.runs.iter().for_each(|run| run.remove());
        Ok(())
    }

    /// Whether there has never been a row since the beginning or the last [`Self::clear`].
    pub(crate) fn is_empty(&self) -> bool {
        let tables = self.tables();
        tables.memory.is_empty() && tables.frozen.is_empty() && tables.runs.is_empty()
    }

    /// The pace of the threads that write and merge.
    pub(crate) fn pace(&self) -> &Pace {
        &self.shared.pace
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.work().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the state store had panicked");
            }
        }
    }
}

impl Shared {
    fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, change: impl FnOnce(&mut Tables)) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Tables::clone(&tables);
        change(&mut next);
        *tables = Arc::new(next);
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller keeps commits away.
    fn freeze(&self) {
        self.replace(|tables| {
            let another = Arc::new(tables.memory.another());
            let full = std::mem::replace(&mut tables.memory, another);
            tables.frozen.insert(0, full);
        });
        self.work().news += 1;
        self.changed.notify_all();
    }

    /// Until the background threads have come so far.
    fn wait(&self, far: impl Fn(&Tables) -> bool) -> Result<(), StateError> {
        let mut work = self.work();
        while !far(&self.tables()) {
            if let Some(failure) = &work.failure {
                return Err(StateError::Stuck(failure.clone()));
            }
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// Removes what a crash left behind: half a run, or one that was merged already.
fn remove_strays(dir: &Path, manifest: &Manifest) -> Result<(), StateError> {
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        let named = manifest.runs.iter().any(|entry| run::path(dir, entry.id) == path);
        if path.extension().is_some_and(|extension| extension == "run") && !named {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Merges all parts over a span.
fn with_sources<R>(
    tables: &Tables,
    span: &Span,
    back: bool,
    cache: Option<&Cache>,
    walk: impl FnOnce(Merge<'_>) -> Result<R, StateError>,
) -> Result<R, StateError> {
    let memories: Vec<_> = std::iter::once(&tables.memory).chain(&tables.frozen).collect();
    let mut points = Vec::new();
    if span.meets_points() {
        points.extend(tables.batch.iter().map(|batch| batch.rows.points_in(span)));
        points.extend(memories.iter().map(|memory| memory.points_in(span)));
    }
    let batch = tables.batch.iter().map(|batch| Arc::clone(&batch.walked));
    let walked: Vec<_> = batch.chain(memories.iter().flat_map(|memory| memory.walked())).collect();
    let mut sources: Vec<Box<dyn Cursor + '_>> = Vec::new();
    if span.is_empty() {
        return walk(Merge { sources, back });
    }
    for rows in &points {
        let rows = rows.iter().map(|(key, value)| (&key[..], value.as_deref()));
        sources.push(Box::new(MemoryCursor::new(rows, back)));
    }
    for rows in &walked {
        sources.push(Box::new(MemoryCursor::new(rows.within(span), back)));
    }
    for run in &tables.runs {
        sources.push(Box::new(RunCursor::new(run, span, back, cache)?));
    }
    walk(Merge { sources, back })
}

/// Rows of a span, chunk by chunk, each chunk as the state is when it is taken.
pub(crate) struct Walk<'a> {
    store: &'a Store,
    span: Span,
    back: bool,
    chunk: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    /// Rows of the next chunk: few at first, since most walks want few.
    rows: usize,
    done: bool,
}

impl Walk<'_> {
    fn fill(&mut self) -> Result<(), StateError> {
        let tables = self.store.tables();
        let mut chunk: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let (rows, cache) = (self.rows, Some(&self.store.shared.cache));
        with_sources(&tables, &self.span, self.back, cache, |mut merge| {
            merge.each(|key, value| {
                chunk.extend(value.map(|value| (key.to_vec(), value.to_vec())));
                Ok(chunk.len() < rows)
            })
        })?;
        self.done = chunk.len() < rows;
        self.rows = (rows * 8).min(CHUNK_ROWS);
        if let Some((last, _)) = chunk.last() {
            let rest = std::ops::Bound::Excluded(last.clone());
            *(if self.back { &mut self.span.to } else { &mut self.span.from }) = rest;
        }
        self.chunk = chunk.into_iter();
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0
            && !self.done
            && let Err(error) = self.fill()
        {
            self.done = true;
            return Some(Err(error));
        }
        self.chunk.next().map(Ok)
    }
}
