//! Data keys, one per stream, wrapped and on disk before they are used, so that a new stream costs no second flush.
//!
//! File `keys`, one row of 128 bytes per slot:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | slot, little-endian; equals the row's number |
//! | 8 | 60 | the data key, wrapped under the key-encryption key with the slot as additional data |
//! | 68 | 32 | its key commitment |
//! | 100 | 4 | CRC-32C of the 100 bytes before |
//! | 104 | 24 | zero |
//!
//! The row of a dead key is a tombstone: in place of the wrapped key the eight bytes `ERASED` and two zeros, the position of the
//! execution (8), and zeros. The commitment stays, so that an erased record still says which key it was sealed under.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use simpul_signing::seal::{DataKey, Sealer, WRAPPED_BYTES, WrapKey};
use simpul_tlog::{leaf_hash, stored::Frontier};
use simpul_types::Digest;

use crate::{
    disk::{File, point, seeded},
    frame::{array_at, u32_at, u64_at},
};

pub(crate) const ROW_BYTES: u64 = 128;
/// Opened keys kept in memory; a key schedule is about half a KiB.
const CACHED_KEYS_MAX: usize = 32_768;

/// Keys made and flushed at once.
const REFILL_KEYS: usize = 1_024;

/// Rows read, wrapped anew and written at once: an execution waits for no more.
const REWRAPPED_ROWS: usize = 1_024;

/// Newest rows of which one has to open at a start.
const CHECKED_ROWS: u64 = 256;

/// Where a live row has a wrapped key, which is never this but by a chance of 2^-400.
const TOMBSTONE: &[u8; 8] = b"ERASED\0\0";

pub(crate) struct Keystore {
    file: File,
    /// Absent where payloads stay sealed.
    wrap: ArcSwapOption<WrapKey>,
    /// Held by whoever changes rows that are there: a key that is being wrapped anew MUST NOT be written over its tombstone.
    rows: Mutex<()>,
    pool_size: u32,
    /// Slots that are durable and not used.
    pool: Mutex<VecDeque<(u64, Sealer)>>,
    /// Slot of the next row to be made; held while rows are made.
    next: Mutex<u64>,
    cache: Cache,
    dead: Dead,
}

/// A key that an execution in the log says is dead.
pub(crate) struct DeadKey {
    pub(crate) slot: u64,
    pub(crate) commitment: Digest,
    /// Position of the execution.
    pub(crate) by: u64,
}

/// Slots whose keys are dead, or will be once an execution that is queued is flushed. Read without a lock, on the way of every
/// append and every read; copied whole by the few executions.
#[derive(Default)]
struct Dead {
    /// Position of the execution, by slot.
    by: ArcSwap<HashMap<u64, u64>>,
    /// Executions before this position are flushed.
    flushed: AtomicU64,
    /// Slots of executions that are not, with their positions.
    queued: Mutex<Vec<(u64, u64)>>,
}

impl Dead {
    fn queued(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opened keys, each at the place that its slot's number gives, where a later one takes it. Without a lock: the writer must never
/// wait for a reader that runs only when nobody else does. Slots are given out in order, so the newest streams all have a place.
struct Cache(Box<[ArcSwapOption<(u64, Sealer)>]>);

impl Default for Cache {
    fn default() -> Self {
        Self((0..CACHED_KEYS_MAX).map(|_| ArcSwapOption::empty()).collect())
    }
}

impl Cache {
    fn place(&self, slot: u64) -> &ArcSwapOption<(u64, Sealer)> {
        &self.0[slot as usize % CACHED_KEYS_MAX]
    }

    fn get(&self, slot: u64) -> Option<Sealer> {
        let held = self.place(slot).load();
        held.as_ref().filter(|held| held.0 == slot).map(|held| held.1.clone())
    }

    fn insert(&self, slot: u64, key: Sealer) {
        self.place(slot).store(Some(Arc::new((slot, key))));
    }

    fn evict(&self, slot: u64) {
        let place = self.place(slot);
        if place.load().as_ref().is_some_and(|held| held.0 == slot) {
            place.store(None);
        }
    }
}

/// Why a slot gave no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file could not be read or written.
    #[error("key file")]
    Io(#[from] io::Error),
    /// The row is broken, or wrapped under another key-encryption key: that of another master key, or of a key epoch that is over.
    #[error(
        "slot {0} holds no key that this key-encryption key opens (another master key, a lost epoch file, or a key file from an epoch that is over)"
    )]
    Slot(u64),
    /// KEY-1: an execution in the log says that the key is dead.
    #[error("erased by the event at position {by}")]
    Erased {
        /// Position of the execution.
        by: u64,
    },
    /// The log was opened without the key-encryption key.
    #[error("payloads stay sealed: the log was opened without its key-encryption key")]
    Sealed,
}

impl Keystore {
    /// Opens the key file; `used` slots from 0 on are taken by streams of the log, or (`None`) all that have a row.
    pub(crate) fn open(
        dir: &Path,
        wrap: WrapKey,
        pool_size: u32,
        used: Option<u64>,
    ) -> Result<Self, KeyError> {
        let file = File::open_or_create(&dir.join("keys"), 0o600)?;
        let rows = file.size()? / ROW_BYTES;
        let used = used.unwrap_or(rows);
        let (pool, next, cache) = (Mutex::default(), Mutex::new(used), Cache::default());
        let dead = Dead::default();
        let wrap = ArcSwapOption::from_pointee(wrap);
        let store = Self { file, wrap, rows: Mutex::default(), pool_size, pool, next, cache, dead };
        store.check_newest(used)?;
        {
            let mut next = store.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mut found = Vec::new();
            while *next < rows {
                // Rows behind the last used slot may be the remains of a cut write; the first bad one ends the pool.
                let Ok(key) = store.load(*next) else { break };
                found.push((*next, key));
                *next += 1;
            }
            store.write_again(used, *next)?;
            store.pool().extend(found);
        }
        store.refill()?;
        Ok(store)
    }

    /// Rows that a crash left may never have been flushed, or their flush may have failed, after which the system holds
    /// them for clean: only writing and flushing them again makes them durable.
    fn write_again(&self, from: u64, to: u64) -> io::Result<()> {
        let mut rows = vec![0; ((to - from) * ROW_BYTES) as usize];
        if rows.is_empty() {
            return Ok(());
        }
        self.file.read_exact_at(&mut rows, from * ROW_BYTES)?;
        self.file.write_all_at(&rows, from * ROW_BYTES)?;
        self.file.sync_data()
    }

    /// Opens the key file for [`Self::key`] only; without `wrap`, not even for that.
    pub(crate) fn open_read_only(dir: &Path, wrap: Option<WrapKey>) -> Result<Self, KeyError> {
        let file = File::open(&dir.join("keys"))?;
        let (pool, next, cache) = (Mutex::default(), Mutex::new(u64::MAX), Cache::default());
        let wrap = ArcSwapOption::new(wrap.map(Arc::new));
        Ok(Self {
            file,
            wrap,
            rows: Mutex::default(),
            pool_size: 0,
            pool,
            next,
            cache,
            dead: Dead::default(),
        })
    }

    /// A key file of another epoch, or another master key, is refused before a row of it is taken for the remains of a cut write.
    fn check_newest(&self, used: u64) -> Result<(), KeyError> {
        for slot in (used.saturating_sub(CHECKED_ROWS)..used).rev() {
            let mut row = [0; ROW_BYTES as usize];
            match self.file.read_exact_at(&mut row, slot * ROW_BYTES) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                read => read?,
            }
            // Damaged rows are the scrub's to name.
            if read_row(&row).is_some_and(|row| row.slot == slot && row.erased_by.is_none()) {
                return self.load(slot).map(drop);
            }
        }
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, ()> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> MutexGuard<'_, VecDeque<(u64, Sealer)>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys ready for use.
    pub(crate) fn ready(&self) -> usize {
        self.pool().len()
    }

    pub(crate) fn wants_refill(&self) -> bool {
        self.ready() < self.pool_size as usize / 2
    }

    /// Brings the pool back to its size, some rows at a time; durable when it returns. Takers are not held up meanwhile.
    pub(crate) fn refill(&self) -> io::Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let missing = (self.pool_size as usize).saturating_sub(self.ready()).min(REFILL_KEYS);
            let (1.., Some(wrap)) = (missing, self.wrap.load_full()) else { return Ok(()) };
            let mut rows = Vec::with_capacity(missing * ROW_BYTES as usize);
            let mut made = Vec::with_capacity(missing);
            for slot in *next..*next + missing as u64 {
                let key = DataKey::generate();
                let sealer = key.sealer();
                let start = rows.len();
                rows.extend_from_slice(&slot.to_le_bytes());
                rows.extend_from_slice(&wrap.wrap(slot, &key));
                rows.extend_from_slice(&sealer.commitment());
                let crc = crc32c::crc32c(&rows[start..]);
                rows.extend_from_slice(&crc.to_le_bytes());
                rows.resize(start + ROW_BYTES as usize, 0);
                made.push((slot, sealer));
            }
            point!("keys.made");
            self.file.write_all_at(&rows, *next * ROW_BYTES)?;
            point!("keys.written");
            if !seeded!(SkipKeyFlush) {
                self.file.sync_data()?;
            }
            point!("keys.flushed");
            *next += missing as u64;
            self.pool().extend(made);
        }
    }

    /// A fresh slot and its key. Waits for the disk only where the pool ran dry.
    pub(crate) fn take(&self) -> io::Result<(u64, Sealer)> {
        loop {
            let taken = self.pool().pop_front();
            if let Some((slot, key)) = taken {
                self.cache.insert(slot, key.clone());
                return Ok((slot, key));
            }
            self.refill()?;
        }
    }

    /// The key of a slot that is in use. The fence is asked before the cache (KEY-1).
    pub(crate) fn key(&self, slot: u64) -> Result<Sealer, KeyError> {
        self.fenced(slot)?;
        if let Some(key) = self.cache.get(slot) {
            return Ok(key);
        }
        let key = self.load(slot)?;
        self.cache.insert(slot, key.clone());
        // It may have died in between, and have been evicted before it was put there.
        self.fenced(slot).inspect_err(|_| self.cache.evict(slot))?;
        Ok(key)
    }

    fn fenced(&self, slot: u64) -> Result<(), KeyError> {
        self.erased_by(slot).map_or(Ok(()), |by| Err(KeyError::Erased { by }))
    }

    /// Position of the flushed execution that made a slot's key dead.
    pub(crate) fn erased_by(&self, slot: u64) -> Option<u64> {
        let by = self.dead.by.load().get(&slot).copied()?;
        (by < self.dead.flushed.load(Ordering::Acquire)).then_some(by)
    }

    /// Whether nothing may be sealed under a slot's key any more: it is dead, or an execution of it is queued.
    pub(crate) fn is_retired(&self, slot: u64) -> bool {
        self.dead.by.load().contains_key(&slot)
    }

    /// An execution that gets this position is about to be queued.
    pub(crate) fn retire(&self, slots: &[u64], by: u64) {
        self.dead.queued().extend(slots.iter().map(|slot| (*slot, by)));
        self.dead.by.rcu(|dead| {
            let mut dead = HashMap::clone(dead);
            slots.iter().for_each(|slot| _ = dead.entry(*slot).or_insert(by));
            dead
        });
    }

    /// It was not queued after all.
    pub(crate) fn retire_not(&self, by: u64) {
        self.dead.queued().retain(|(_, queued)| *queued != by);
        self.dead.by.rcu(|dead| {
            let mut dead = HashMap::clone(dead);
            dead.retain(|_, queued| *queued != by);
            dead
        });
    }

    /// Everything before `end` is flushed: keys that died with it are served no more, and their rows are overwritten and
    /// flushed when this returns.
    pub(crate) fn bury(&self, end: u64) -> io::Result<()> {
        let dying: Vec<(u64, u64)> = {
            let mut queued = self.dead.queued();
            if queued.is_empty() {
                return Ok(());
            }
            queued.extract_if(.., |(_, by)| *by < end).collect()
        };
        self.dead.flushed.fetch_max(end, Ordering::Release);
        point!("erase.dead");
        let rows = self.rows();
        for (slot, by) in &dying {
            self.cache.evict(*slot);
            self.destroy(*slot, *by, None)?;
        }
        drop(rows);
        point!("erase.overwritten");
        if !dying.is_empty() && !seeded!(SkipErasureFlush) {
            self.file.sync_data()?;
        }
        point!("erase.flushed");
        Ok(())
    }

    /// At start: all dead keys of a log that ends at `end`. With `destroy`, rows that still hold one are overwritten.
    pub(crate) fn fence(&self, dead: Vec<DeadKey>, end: u64, destroy: bool) -> Result<(), KeyError> {
        let mut by = HashMap::new();
        let mut destroyed = 0_u64;
        for key in dead {
            // The first execution of a slot is the one that its row names.
            let first = by.insert(key.slot, key.by).is_none();
            if first && destroy && !self.is_tombstone(key.slot)? && !seeded!(LeaveDeadKeys) {
                self.destroy(key.slot, key.by, Some(key.commitment))?;
                destroyed += 1;
            }
        }
        if destroyed > 0 {
            self.file.sync_data()?;
            tracing::warn!(
                keys = destroyed,
                "the key file still held keys that the log says are dead; they are destroyed"
            );
        }
        self.dead.by.store(Arc::new(by));
        self.dead.flushed.store(end, Ordering::Release);
        Ok(())
    }

    fn is_tombstone(&self, slot: u64) -> io::Result<bool> {
        let mut row = [0; ROW_BYTES as usize];
        match self.file.read_exact_at(&mut row, slot * ROW_BYTES) {
            Ok(()) => Ok(read_row(&row).is_some_and(|row| row.slot == slot && row.erased_by.is_some())),
            // A key file that is shorter than the log asks for.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Overwrites a row; the caller flushes.
    fn destroy(&self, slot: u64, by: u64, commitment: Option<Digest>) -> io::Result<()> {
        let commitment = match commitment {
            Some(commitment) => commitment,
            None => {
                let mut row = [0; ROW_BYTES as usize];
                self.file.read_exact_at(&mut row, slot * ROW_BYTES)?;
                array_at(&row, 68)
            }
        };
        self.file.write_all_at(&tombstone(slot, by, &commitment), slot * ROW_BYTES)
    }

    /// Wraps every live key anew under `wrap`, which MUST also unwrap what the present key wrapped, and uses it from here on; durable
    /// when it returns. Where it fails, rows are wrapped under either, and it can be called again.
    ///
    /// Keys go on being made, used and destroyed meanwhile.
    pub(crate) fn rewrap(&self, wrap: WrapKey) -> Result<u64, KeyError> {
        // Rows from here on are made under the new key: makers hold `next`.
        let end = {
            let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            if *next == u64::MAX {
                return Err(io::Error::other("the log is open for reading only").into());
            }
            self.wrap.store(Some(Arc::new(wrap.clone())));
            *next
        };
        let mut bytes = Vec::new();
        for from in (0..end).step_by(REWRAPPED_ROWS) {
            let _rows = self.rows();
            bytes.resize(((end - from).min(REWRAPPED_ROWS as u64) * ROW_BYTES) as usize, 0);
            self.file.read_exact_at(&mut bytes, from * ROW_BYTES)?;
            for (slot, row) in (from..).zip(bytes.chunks_exact_mut(ROW_BYTES as usize)) {
                // A damaged one has to be mended first: a copy of it would be of the epoch that is to end.
                let whole = read_row(row).filter(|row| row.slot == slot).ok_or(KeyError::Slot(slot))?;
                if whole.erased_by.is_some() {
                    continue;
                }
                let key = wrap.unwrap(slot, &row[8..8 + WRAPPED_BYTES]).map_err(|_| KeyError::Slot(slot))?;
                row[8..8 + WRAPPED_BYTES].copy_from_slice(&wrap.wrap(slot, &key));
                let crc = crc32c::crc32c(&row[..100]);
                row[100..104].copy_from_slice(&crc.to_le_bytes());
            }
            point!("rewrap.made");
            self.file.write_all_at(&bytes, from * ROW_BYTES)?;
            point!("rewrap.written");
        }
        self.file.sync_data()?;
        point!("rewrap.flushed");
        Ok(end)
    }

    /// From here on under this key alone.
    pub(crate) fn settle(&self, wrap: WrapKey) {
        self.wrap.store(Some(Arc::new(wrap)));
    }

    /// Executions before this position are flushed, and the keys that they name are dead.
    pub(crate) fn erased_until(&self) -> u64 {
        self.dead.flushed.load(Ordering::Acquire)
    }

    /// The keys of the first `slots` rows that no execution before `until` names, as their number and the tree hash of their
    /// commitments; later executions change nothing about it. Reads all rows.
    pub(crate) fn live_keys(&self, slots: u64, until: u64) -> Result<LiveKeys, KeyError> {
        let dead = self.dead.by.load_full();
        let (mut frontier, mut above, mut bytes) = (Frontier::empty(), Vec::new(), Vec::new());
        for from in (0..slots).step_by(REWRAPPED_ROWS) {
            bytes.resize(((slots - from).min(REWRAPPED_ROWS as u64) * ROW_BYTES) as usize, 0);
            self.file.read_exact_at(&mut bytes, from * ROW_BYTES)?;
            for (slot, row) in (from..).zip(bytes.chunks_exact(ROW_BYTES as usize)) {
                let row = read_row(row).filter(|row| row.slot == slot).ok_or(KeyError::Slot(slot))?;
                if dead.get(&slot).is_none_or(|by| *by >= until) {
                    frontier.push(leaf_hash(&row.commitment), &mut above);
                    above.clear();
                }
            }
        }
        Ok(LiveKeys { slots, live: frontier.size(), erased_until: until, root: frontier.root() })
    }

    fn load(&self, slot: u64) -> Result<Sealer, KeyError> {
        let mut row = [0; ROW_BYTES as usize];
        self.file.read_exact_at(&mut row, slot * ROW_BYTES)?;
        let wrapped: [u8; WRAPPED_BYTES] = array_at(&row, 8);
        if crc32c::crc32c(&row[..100]) != u32_at(&row, 100) || u64_at(&row, 0) != slot {
            return Err(KeyError::Slot(slot));
        }
        if let Some(by) = tombstone_in(&row) {
            return Err(KeyError::Erased { by });
        }
        let wrap = self.wrap.load();
        let wrap = wrap.as_ref().ok_or(KeyError::Sealed)?;
        let key = wrap.unwrap(slot, &wrapped).map_err(|_| KeyError::Slot(slot))?.sealer();
        if key.commitment() == array_at(&row, 68) { Ok(key) } else { Err(KeyError::Slot(slot)) }
    }
}

/// Which keys were there at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveKeys {
    /// Rows of the key file.
    pub slots: u64,
    /// Those of them whose keys no execution had named.
    pub live: u64,
    /// Position before which executions are counted.
    pub erased_until: u64,
    /// RFC 6962 tree hash over the live keys' commitments, by slot.
    pub root: Digest,
}

/// A row as it says of itself.
pub(crate) struct Row {
    pub(crate) slot: u64,
    pub(crate) commitment: Digest,
    /// Position of the execution, where it is a tombstone.
    pub(crate) erased_by: Option<u64>,
}

/// A row whose every byte is as it was written; `None` where it is not.
pub(crate) fn read_row(row: &[u8]) -> Option<Row> {
    let whole = row.len() == ROW_BYTES as usize
        && crc32c::crc32c(&row[..100]) == u32_at(row, 100)
        && row[104..].iter().all(|byte| *byte == 0);
    whole.then(|| Row { slot: u64_at(row, 0), commitment: array_at(row, 68), erased_by: tombstone_in(row) })
}

fn tombstone_in(row: &[u8]) -> Option<u64> {
    let marked = row[8..16] == TOMBSTONE[..] && row[24..68].iter().all(|byte| *byte == 0);
    marked.then(|| u64_at(row, 16))
}

fn tombstone(slot: u64, by: u64, commitment: &Digest) -> [u8; ROW_BYTES as usize] {
    let mut row = [0; ROW_BYTES as usize];
    row[..8].copy_from_slice(&slot.to_le_bytes());
    row[8..16].copy_from_slice(TOMBSTONE);
    row[16..24].copy_from_slice(&by.to_le_bytes());
    row[68..100].copy_from_slice(commitment);
    let crc = crc32c::crc32c(&row[..100]);
    row[100..104].copy_from_slice(&crc.to_le_bytes());
    row
}
