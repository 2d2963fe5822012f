//! What every agency is to be told, in order, numbered without a gap per agency.
//!
//! The outbox is derived: change feed and visibility in, one entry per agency and change out, and how far it has come
//! moves in the same sled batch (PUB-1). Delete the folder and it is made again, entry for entry. An entry names the
//! change and the classes that the agency may see; the document itself stays in the read models, sealed there, and is cut
//! when it is read. So nothing personal lies here (PII-1), and 1 entry takes 13 bytes.
//! The entries that one batch makes for an agency stand in one row, since sled pays for every row.
//!
//! Keys and values (layout 2; numbers are big-endian, so that they order as bytes):
//!
//! | key | value |
//! |---|---|
//! | `v` | layout, 1 byte |
//! | `h` | which log it is of: id of the first submission (16) |
//! | `t` | next change: position (8) ‖ n (2) |
//! | `m` ‖ length of agency (1) ‖ agency ‖ first sequence (8) | per entry: position (8) ‖ n (2) ‖ view (1) ‖ classes (2) |
//! | `l` ‖ agency | last sequence (8) |
//! | `p` ‖ agency | last sequence that NATS acknowledged (8) |
//! | `e` ‖ agency | position from which on executed erasures are to be looked for (8) |

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use simpul_projection::{Change, ChangeKey, ViewOfChange, classes_of};
use simpul_types::{AgencyCode, EventId, Position, Timestamp, View};
use sled::{Batch, Db};
use tokio::sync::watch;

use crate::{
    feed::{ErasedEvent, Feed, FeedError},
    purge::Told,
    visibility::{ClassSet, Visibility},
};

/// How long a folder's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Reference of a message whose event was erased: nobody knows any more which document it was about.
const ERASED_REF: &str = "erased";
/// Layout of keys and values; another one on disk is deleted and derived again.
const LAYOUT: u8 = 2;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 13;
/// Entries in one row; bounds what a read of one entry costs.
const ROW_ENTRIES: usize = 256;
/// Changes of others that a read steps over before it seeks instead: a seek costs about as much as this many documents.
const SKIP_MAX: usize = 8;

/// One message for one agency. Holds what the agency may see of a document: no `Debug` of the body.
#[derive(Clone)]
pub struct OutboxMessage {
    /// Gapless per agency, from 1.
    pub sequence: u64,
    /// The change, by position in the log.
    pub key: ChangeKey,
    /// What kind of document changed.
    pub view: View,
    /// Its opaque reference.
    pub r#ref: String,
    /// CloudEvents type, for example `id.simpul.case.changed.v1`; `….erased.v1` where the event was erased since.
    pub r#type: String,
    /// JSON object: one member per field class that the agency may see and that has content.
    pub json: String,
    /// The event that caused the change.
    pub event_id: EventId,
    /// When it happened, by its source.
    pub occurred_at: Timestamp,
    /// The signed checkpoint it reflects.
    pub checkpoint: Arc<str>,
}

impl OutboxMessage {
    /// CloudEvents id and dedupe id: view, position, n.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.view, self.key.position, self.key.n)
    }
}

impl fmt::Debug for OutboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxMessage")
            .field("sequence", &self.sequence)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Why the outbox could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The disk, or sled's own check.
    #[error("outbox storage failed")]
    Storage(#[from] sled::Error),
    /// The read models could not be read.
    #[error("change feed failed")]
    Feed(#[source] FeedError),
    /// What agencies may see is not known.
    #[error("visibility failed")]
    Visibility(#[source] FeedError),
    /// An entry whose bytes are not of this layout.
    #[error(
        "outbox entry {sequence} of {agency} is not of layout {LAYOUT}; delete the folder to derive it again"
    )]
    Entry {
        /// Whose.
        agency: AgencyCode,
        /// Which.
        sequence: u64,
    },
    /// The read models have gone past a change that the outbox names, without giving it.
    #[error(
        "the change feed no longer has change {n} of position {position}; delete the outbox to derive it again"
    )]
    Gone {
        /// Position of the change.
        position: u64,
        /// Number of the change at that position.
        n: u16,
    },
}

/// Opens the folder, waiting for one that was stopped a moment ago: its last blocking read may still hold the lock.
fn open_free(config: &sled::Config) -> Result<Db, sled::Error> {
    let start = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && start.elapsed() < LOCK_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

/// The outboxes of all agencies. Clones share one.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    db: Db,
    feed: Arc<dyn Feed>,
    visibility: Arc<dyn Visibility>,
    /// Last sequence per agency; written with the batch that made it.
    last: Mutex<BTreeMap<AgencyCode, u64>>,
    derived: watch::Sender<ChangeKey>,
}

impl Outbox {
    /// Opens the folder, or makes it.
    pub(crate) fn open(
        dir: &Path,
        cache_bytes: u64,
        feed: Arc<dyn Feed>,
        visibility: Arc<dyn Visibility>,
    ) -> Result<Self, OutboxError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(Some(500));
        let db = open_free(&config)?;
        adopt(&db, feed.history())?;
        let mut last = BTreeMap::new();
        for entry in db.scan_prefix(b"l") {
            let (key, value) = entry?;
            let agency = std::str::from_utf8(&key[1..]).ok().and_then(|code| code.parse().ok());
            if let (Some(agency), Some(sequence)) = (agency, number(&value)) {
                last.insert(agency, sequence);
            }
        }
        let next = db.get(b"t")?.and_then(|value| decode_key(&value)).unwrap_or_default();
        let (derived, _) = watch::channel(next);
        Ok(Self(Arc::new(Inner { db, feed, visibility, last: Mutex::new(last), derived })))
    }

    /// The agency's last sequence; 0 before the first message.
    pub fn last_sequence(&self, agency: &AgencyCode) -> u64 {
        self.lock().get(agency).copied().unwrap_or(0)
    }

    /// Agencies that have a message.
    pub fn agencies(&self) -> Vec<AgencyCode> {
        self.lock().keys().cloned().collect()
    }

    /// Messages of an agency from a sequence on (0 and 1 both mean from the beginning), at most `limit`. Shorter than
    /// asked for where there are no more yet. Blocking I/O.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn read(
        &self,
        agency: &AgencyCode,
        from_sequence: u64,
        limit: usize,
    ) -> Result<Vec<OutboxMessage>, OutboxError> {
        let entries = self.entries(agency, from_sequence.max(1), limit)?;
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let checkpoint: Arc<str> = self.0.feed.checkpoint().into();
        let mut messages = Vec::with_capacity(entries.len());
        let mut changes = self.0.feed.changes(first.key).peekable();
        for entry in &entries {
            let mut skipped = 0;
            // Changes of others are stepped over.
            let change = loop {
                let Some(change) =
                    changes.next_if(|change| !matches!(change, Ok(later) if later.key > entry.key))
                else {
                    break None;
                };
                let change = change.map_err(OutboxError::Feed)?;
                if change.key == entry.key {
                    break Some(change);
                }
                skipped += 1;
                if skipped > SKIP_MAX {
                    changes = self.0.feed.changes(entry.key).peekable();
                    skipped = 0;
                }
            };
            let (position, n) = (entry.key.position, entry.key.n);
            messages.push(match change {
                Some(change) => entry.message(change, &checkpoint),
                None => match self.0.feed.erased(Position::new(position)).map_err(OutboxError::Feed)? {
                    // The number stays taken: sequences are gapless.
                    Some(erased) => entry.erased(erased, &checkpoint),
                    None if changes.peek().is_none() => return Ok(messages),
                    None => return Err(OutboxError::Gone { position, n }),
                },
            });
        }
        Ok(messages)
    }

    /// Sequence of the agency's first message about what stands at a position or behind it; one more than its last where there is
    /// none. Blocking I/O.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn first_at(&self, agency: &AgencyCode, position: Position) -> Result<u64, OutboxError> {
        let (mut low, mut high) = (1, self.last_sequence(agency) + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entries(agency, middle, 1)?;
            if entry.first().is_some_and(|entry| entry.key.position < position.get()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Fires after every batch that was derived; holds the next change to come.
    pub fn subscribe(&self) -> watch::Receiver<ChangeKey> {
        self.0.derived.subscribe()
    }

    /// Last sequence of the agency that NATS acknowledged; 0 where none or not configured.
    pub fn published_sequence(&self, agency: &AgencyCode) -> u64 {
        let stored = self.0.db.get(agency_key(b'p', agency)).ok().flatten();
        stored.and_then(|value| number(&value)).unwrap_or(0)
    }

    /// Moves the number that NATS acknowledged; also backward, where the server lost messages.
    pub(crate) fn set_published(&self, agency: &AgencyCode, sequence: u64) -> Result<(), OutboxError> {
        self.0.db.insert(agency_key(b'p', agency), &sequence.to_be_bytes())?;
        Ok(())
    }

    /// What executions have erased since the agency's streams were last purged, among the sequences up to `published`; `None`
    /// where there was none. Blocking I/O.
    pub(crate) fn erased_since(
        &self,
        agency: &AgencyCode,
        published: u64,
    ) -> Result<Option<Told>, OutboxError> {
        let stored = self.0.db.get(agency_key(b'e', agency))?.and_then(|value| number(&value));
        let from = Position::new(stored.unwrap_or(0));
        let (next, erased) = self.0.feed.erasures(from).map_err(OutboxError::Feed)?;
        if erased.is_empty() {
            return Ok(None);
        }
        let (mut told, mut sequence) = (Vec::new(), 1);
        while sequence <= published {
            let entries = self.entries(agency, sequence, ROW_ENTRIES)?;
            let Some(last) = entries.last() else { break };
            sequence = last.sequence + 1;
            let of_erased = entries.iter().filter(|entry| erased.contains(&entry.key.position));
            told.extend(of_erased.map(|entry| (entry.sequence, entry.view)));
        }
        told.retain(|(sequence, _)| *sequence <= published);
        Ok(Some((next, told)))
    }

    /// The agency's streams hold nothing of what executions before this position have erased.
    pub(crate) fn set_purged(&self, agency: &AgencyCode, next: Position) -> Result<(), OutboxError> {
        self.0.db.insert(agency_key(b'e', agency), &next.get().to_be_bytes())?;
        Ok(())
    }

    /// Agencies whose data the document of a change shows; none where its event was erased.
    fn providers(&self, key: ChangeKey) -> Result<BTreeSet<AgencyCode>, OutboxError> {
        match self.0.feed.changes(key).next().transpose().map_err(OutboxError::Feed)? {
            Some(change) if change.key == key => Ok(change.document.providers),
            _ => Ok(BTreeSet::new()),
        }
    }

    /// Derives at most `changes_max` more changes. Gives how many changes there were; 0 means that it has caught up.
    /// Blocking I/O; one caller at a time.
    pub(crate) fn derive(&self, changes_max: usize) -> Result<usize, OutboxError> {
        let from = *self.0.derived.borrow();
        let mut last = self.lock().clone();
        let (mut batch, mut next, mut count) = (Batch::default(), from, 0);
        let mut rows: BTreeMap<AgencyCode, (u64, Vec<u8>)> = BTreeMap::new();
        for change in self.0.feed.views(from).take(changes_max) {
            let ViewOfChange { key, view, addressee } = change.map_err(OutboxError::Feed)?;
            assert!(key >= next, "PUB-1: changes come in order");
            let position = Position::new(key.position);
            let sight = self.0.visibility.at(position).map_err(OutboxError::Visibility)?;
            // Told by what the view can show, not by what this document shows: whoever saw something must also hear that
            // it is gone.
            let shown: ClassSet = classes_of(view).iter().copied().collect();
            let mut providers = None;
            for (agency, seen) in sight.of(view) {
                let classes = match seen.of_anybody() {
                    Some(classes) => classes,
                    // Only here it matters whose data the document shows.
                    None => {
                        let known = match &mut providers {
                            Some(known) => known,
                            unknown => unknown.insert(self.providers(key)?),
                        };
                        seen.of(known.iter())
                    }
                }
                .and(shown);
                if classes.is_empty() || addressee.as_ref().is_some_and(|addressee| addressee != agency) {
                    continue;
                }
                let sequence = match last.get_mut(agency) {
                    Some(sequence) => sequence,
                    None => last.entry(agency.clone()).or_insert(0),
                };
                *sequence += 1;
                let row = match rows.get_mut(agency) {
                    Some(row) => row,
                    None => rows.entry(agency.clone()).or_default(),
                };
                if row.1.is_empty() {
                    row.0 = *sequence;
                }
                row.1.extend_from_slice(&Entry { sequence: *sequence, key, view, classes }.encode());
                if row.1.len() == ROW_ENTRIES * ENTRY_BYTES {
                    batch.insert(message_key(agency, row.0), std::mem::take(&mut row.1));
                }
            }
            next = key.next();
            count += 1;
        }
        for (agency, (first, entries)) in rows {
            batch.insert(agency_key(b'l', &agency), &last[&agency].to_be_bytes());
            if !entries.is_empty() {
                batch.insert(message_key(&agency, first), entries);
            }
        }
        if count > 0 {
            batch.insert(b"t", &encode_key(next));
            if from == ChangeKey::default()
                && let Some(history) = self.0.feed.history()
            {
                batch.insert(b"h", &history[..]);
            }
            self.0.db.apply_batch(batch)?;
            *self.lock() = last;
            self.0.derived.send_replace(next);
        }
        Ok(count)
    }

    /// Writes what is in memory to the disk. Not needed for correctness: what is lost is derived again.
    pub(crate) fn flush(&self) -> Result<(), OutboxError> {
        self.0.db.flush()?;
        Ok(())
    }

    pub(crate) fn visibility(&self) -> &dyn Visibility {
        self.0.visibility.as_ref()
    }

    pub(crate) fn feed(&self) -> &dyn Feed {
        self.0.feed.as_ref()
    }

    fn entries(&self, agency: &AgencyCode, from: u64, limit: usize) -> Result<Vec<Entry>, OutboxError> {
        let mut entries = Vec::with_capacity(limit.min(1_024));
        // The row that holds the first one may begin before it.
        let before =
            self.0.db.range(message_key(agency, 0)..=message_key(agency, from)).next_back().transpose()?;
        let start = before.map_or_else(|| message_key(agency, from), |(key, _)| key.to_vec());
        let mut next = None;
        for item in self.0.db.range(start..=message_key(agency, u64::MAX)) {
            let (key, row) = item?;
            let wrong = || OutboxError::Entry { agency: agency.clone(), sequence: next.unwrap_or(from) };
            let first = key.last_chunk::<8>().map(|first| u64::from_be_bytes(*first)).ok_or_else(wrong)?;
            assert!(next.is_none_or(|next| next == first), "PUB-1: sequences are gapless");
            let (encoded, rest) = row.as_chunks::<ENTRY_BYTES>();
            if encoded.is_empty() || !rest.is_empty() {
                return Err(wrong());
            }
            for (sequence, entry) in (first..).zip(encoded).filter(|(sequence, _)| *sequence >= from) {
                if entries.len() == limit {
                    return Ok(entries);
                }
                entries.push(Entry::decode(sequence, entry).ok_or_else(wrong)?);
            }
            next = Some(first + encoded.len() as u64);
        }
        Ok(entries)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AgencyCode, u64>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties an outbox that is of another layout or of another log.
fn adopt(db: &Db, history: Option<[u8; 16]>) -> Result<(), OutboxError> {
    let layout_fits = db.get(b"v")?.is_some_and(|layout| layout == [LAYOUT]);
    let log_fits = match db.get(b"h")? {
        Some(known) => history.is_some_and(|history| known == history),
        None => db.get(b"t")?.is_none(),
    };
    if !layout_fits || !log_fits {
        if !db.is_empty() {
            tracing::warn!(layout_fits, log_fits, "the outbox does not fit and is derived anew");
        }
        db.clear()?;
        db.insert(b"v", &[LAYOUT])?;
    }
    Ok(())
}

/// What stands in the outbox for one message.
struct Entry {
    sequence: u64,
    key: ChangeKey,
    view: View,
    classes: ClassSet,
}

impl Entry {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..10].copy_from_slice(&encode_key(self.key));
        let view = View::ALL.iter().position(|known| *known == self.view);
        bytes[10] = u8::try_from(view.expect("ALL lists every view")).expect("few views");
        bytes[11..].copy_from_slice(&self.classes.bits().to_be_bytes());
        bytes
    }

    fn decode(sequence: u64, bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        Some(Self {
            sequence,
            key: decode_key(&bytes[..10])?,
            view: *View::ALL.get(usize::from(bytes[10]))?,
            classes: ClassSet::from_bits(u16::from_be_bytes([bytes[11], bytes[12]])),
        })
    }

    /// What is sent in place of a change whose event was erased: that there was one.
    fn erased(&self, event: ErasedEvent, checkpoint: &Arc<str>) -> OutboxMessage {
        OutboxMessage {
            sequence: self.sequence,
            key: self.key,
            view: self.view,
            r#ref: ERASED_REF.into(),
            r#type: format!("id.simpul.{}.erased.v1", self.view),
            json: "{}".into(),
            event_id: event.event_id,
            occurred_at: event.occurred_at,
            checkpoint: checkpoint.clone(),
        }
    }

    /// The message, cut to the classes that were allowed when the change was derived.
    fn message(&self, change: Change, checkpoint: &Arc<str>) -> OutboxMessage {
        let document = change.document;
        let json = document.cut(&self.classes.members()).to_string();
        OutboxMessage {
            sequence: self.sequence,
            key: self.key,
            view: self.view,
            r#ref: document.r#ref,
            r#type: format!("id.simpul.{}.changed.v1", self.view),
            json,
            event_id: change.event_id,
            occurred_at: change.occurred_at,
            checkpoint: checkpoint.clone(),
        }
    }
}

fn encode_key(key: ChangeKey) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&key.position.to_be_bytes());
    bytes[8..].copy_from_slice(&key.n.to_be_bytes());
    bytes
}

fn decode_key(bytes: &[u8]) -> Option<ChangeKey> {
    let bytes: &[u8; 10] = bytes.try_into().ok()?;
    let position = u64::from_be_bytes(bytes[..8].try_into().ok()?);
    Some(ChangeKey { position, n: u16::from_be_bytes([bytes[8], bytes[9]]) })
}

fn message_key(agency: &AgencyCode, sequence: u64) -> Vec<u8> {
    let code = agency.as_str().as_bytes();
    let mut key = Vec::with_capacity(10 + code.len());
    key.push(b'm');
    key.push(u8::try_from(code.len()).expect("a code has at most 32 bytes"));
    key.extend_from_slice(code);
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

fn agency_key(prefix: u8, agency: &AgencyCode) -> Vec<u8> {
    [&[prefix], agency.as_str().as_bytes()].concat()
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
