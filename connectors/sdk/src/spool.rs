//! Events that must survive a crash wait here, on sled, until a verified receipt covers them.
//!
//! One tree, so that one batch changes everything that belongs together:
//!
//! | key | value |
//! |---|---|
//! | `i` ‖ item number (8, BE) | `StoredItem`: the assembled event, where it came from, what its source remembers |
//! | `b` ‖ first sequence (8, BE) | `StoredSubmission`: the signed bytes and the items in them |
//! | `s` ‖ keyed hash of the source's key (32) | what the source remembers, for example a record's digest |
//! | `m` ‖ `epoch` | starts of the spool (4, BE) |
//! | `m` ‖ `check` | nothing, sealed: tells whether the key is the one |
//! | `m` ‖ `tree` | size (8, BE) ‖ root (32) of the largest tree seen |
//!
//! Values of `i` and `s` are sealed (`seal.rs`) under the key in `<folder>.key`; those of an older connector are read in clear.
//!
//! A crash at any point is harmless: an item is visible to the sender only after the flush that covers it; a submission is
//! stored before its first byte leaves, and is sent again unchanged; it is deleted only after its receipt was verified, and
//! a receipt that was lost comes again as a duplicate.

mod journal;
mod runner;
mod seal;
mod stored;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prost::Message;
use simpul_types::IdSource;
use tokio::sync::{Notify, watch};

use crate::{assemble::Assembled, draft::EventDraft, engine::Group};
use seal::Seal;
use stored::StoredItem;

pub(crate) use journal::Journal;
pub use runner::Runner;

/// Memory for sled's pages; a spool is written and read in order, so little is enough.
const CACHE_BYTES: u64 = 32 << 20;

/// Where the spool is and how much it holds.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// Its folder, sealed; the key is made beside it as `<folder>.key`. Both are readable by their owner only.
    pub dir: PathBuf,
    /// Events that may wait; more are refused with [`SpoolError::Full`].
    pub events_max: u64,
}

/// One event for the spool.
pub struct Entry {
    /// What to say.
    pub draft: EventDraft,
    /// File or request it came from, for the quarantine.
    pub file: String,
    /// Line in it.
    pub line: u64,
    /// What the source remembers together with it: key and value.
    pub remember: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why the spool did not do it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// As many events wait as may.
    #[error("the spool is full: {0} events wait")]
    Full(u64),
    /// An event is larger than the contract allows.
    #[error("entry {0} is larger than 262,144 bytes")]
    TooLarge(usize),
    /// The folder could not be made.
    #[error("making {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key that seals it could not be read or made.
    #[error("the spool's key {path}; put back the file that the spool was sealed with")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// sled.
    #[error("spool store")]
    Store(#[from] sled::Error),
    /// A stored value does not decode.
    #[error("spool holds a damaged value under key {0}")]
    Damaged(String),
    /// What was refused could not be set aside, so it was not given up either.
    #[error("setting a refused event aside")]
    Quarantine(#[from] crate::quarantine::QuarantineError),
}

/// What has become of the spool's events since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acknowledged for the first time.
    pub accepted: u64,
    /// Acknowledged by a receipt that an earlier run never saw.
    pub duplicate: u64,
    /// Refused by the hub and set aside.
    pub refused: u64,
    /// Still waiting.
    pub waiting: u64,
}

/// Durable queue of one connector. Cheap to clone.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    db: sled::Db,
    seal: Seal,
    events_max: u64,
    ids: Arc<dyn IdSource>,
    /// Number of the next item. Held while a batch is applied, so that numbers become visible in order.
    next_item: Mutex<u64>,
    /// End of what is flushed: the sender reads no further.
    durable: AtomicU64,
    pushed: Notify,
    waiting: watch::Sender<u64>,
    accepted: AtomicU64,
    duplicate: AtomicU64,
    refused: AtomicU64,
}

impl Spool {
    /// Opens or makes the spool. A second process on the same folder is refused.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn open(config: &SpoolConfig, ids: Arc<dyn IdSource>) -> Result<Self, SpoolError> {
        private_folder(&config.dir)?;
        let db = sled::Config::new().path(config.dir.join("sled")).cache_capacity(CACHE_BYTES).open()?;
        let seal = Seal::open(&db, &config.dir)?;
        let mut waiting = 0;
        let mut next = 0;
        for key in db.scan_prefix(b"i").keys() {
            next = number(&key?)? + 1;
            waiting += 1;
        }
        Ok(Self(Arc::new(Inner {
            db,
            seal,
            events_max: config.events_max,
            ids,
            next_item: Mutex::new(next),
            durable: AtomicU64::new(next),
            pushed: Notify::new(),
            waiting: watch::channel(waiting).0,
            accepted: AtomicU64::new(0),
            duplicate: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })))
    }

    /// Takes entries, all or none; they are durable when this returns.
    ///
    /// # Errors
    /// [`SpoolError::Full`], [`SpoolError::TooLarge`] naming the entry, or the store's own.
    pub async fn push(&self, entries: Vec<Entry>) -> Result<(), SpoolError> {
        let mut items = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let event = Assembled::new(entry.draft, self.0.ids.as_ref());
            let event = event.map_err(|_| SpoolError::TooLarge(index))?;
            items.push(StoredItem::new(event.wire, entry.file, entry.line, entry.remember));
        }
        let end = self.apply(items)?;
        self.0.db.flush_async().await?;
        self.0.durable.fetch_max(end, Ordering::AcqRel);
        self.0.pushed.notify_one();
        Ok(())
    }

    fn apply(&self, items: Vec<StoredItem>) -> Result<u64, SpoolError> {
        let mut next_item = self.0.next_item.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, waiting) = (items.len() as u64, *self.0.waiting.borrow());
        if waiting + count > self.0.events_max {
            return Err(SpoolError::Full(waiting));
        }
        let mut batch = sled::Batch::default();
        for (item, number) in items.into_iter().zip(*next_item..) {
            batch.insert(key(b'i', number).as_slice(), self.0.seal.seal(&item.encode_to_vec()));
            if !item.state_key.is_empty() {
                let sealed = self.0.seal.seal(&item.state_value);
                batch.insert(self.0.seal.state_key(&item.state_key), sealed);
            }
        }
        self.0.db.apply_batch(batch)?;
        *next_item += count;
        self.0.waiting.send_modify(|waiting| *waiting += count);
        Ok(*next_item)
    }

    /// What the source remembers under `key`.
    ///
    /// # Errors
    /// The store's own.
    pub fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SpoolError> {
        let stored = match self.0.db.get(self.0.seal.state_key(key))? {
            None => self.0.db.get(state_key(key))?,
            sealed => sealed,
        };
        stored.map(|value| self.0.seal.open_value(&value, b"s")).transpose()
    }

    /// Remembers something that comes with no event; durable when this returns.
    ///
    /// # Errors
    /// The store's own.
    pub async fn remember(&self, pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), SpoolError> {
        let mut batch = sled::Batch::default();
        for (key, value) in pairs {
            batch.insert(self.0.seal.state_key(&key), self.0.seal.seal(&value));
        }
        self.0.db.apply_batch(batch)?;
        self.0.db.flush_async().await?;
        Ok(())
    }

    /// Events that wait.
    pub fn waiting(&self) -> u64 {
        *self.0.waiting.borrow()
    }

    /// Events that may wait.
    pub fn events_max(&self) -> u64 {
        self.0.events_max
    }

    /// What has become of its events since it was opened.
    pub fn counts(&self) -> Counts {
        Counts {
            accepted: self.0.accepted.load(Ordering::Relaxed),
            duplicate: self.0.duplicate.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            waiting: self.waiting(),
        }
    }

    /// Items from `from` on that are durable, at most `limit`, as groups for the engine.
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Group>, SpoolError> {
        let until = self.0.durable.load(Ordering::Acquire);
        if from >= until {
            return Ok(Vec::new());
        }
        let mut groups = Vec::new();
        for pair in self.0.db.range(key(b'i', from)..key(b'i', until)).take(limit) {
            let (key, value) = pair?;
            groups.push(group(number(&key)?, &self.0.seal.open_value(&value, &key)?)?);
        }
        Ok(groups)
    }

    fn item(&self, number: u64) -> Result<Option<StoredItem>, SpoolError> {
        let at = key(b'i', number);
        let Some(value) = self.0.db.get(at)? else { return Ok(None) };
        StoredItem::decode(&self.0.seal.open_value(&value, &at)?[..])
            .map(Some)
            .map_err(|_| SpoolError::Damaged(format!("i{number}")))
    }
}

fn group(number: u64, value: &[u8]) -> Result<Group, SpoolError> {
    let damaged = || SpoolError::Damaged(format!("i{number}"));
    let item = StoredItem::decode(value).map_err(|_| damaged())?;
    let event = Assembled::from_wire(item.event()).ok_or_else(damaged)?;
    Ok(Group { item: number, ..Group::new(vec![event]) })
}

fn key(kind: u8, number: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn number(key: &[u8]) -> Result<u64, SpoolError> {
    let number = key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    number.ok_or_else(|| SpoolError::Damaged(data_encoding::HEXLOWER.encode(key)))
}

/// As an older connector kept it.
fn state_key(key: &[u8]) -> Vec<u8> {
    [b"s", key].concat()
}

fn private_folder(dir: &Path) -> Result<(), SpoolError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| SpoolError::Folder { path: dir.to_path_buf(), source })
}
