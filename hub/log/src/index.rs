//! Where an event id, a submission id or a stream is to be found. Entries of the active segment live in memory; a sealed
//! segment keeps them in sorted tables beside it (`index/sealed.rs`). All of it is derived and can be deleted.

mod sealed;

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

use foldhash::fast::RandomState;
use simpul_signing::sha256;
use simpul_types::{EventId, StreamName, SubmissionId};

pub(crate) use self::sealed::{HEAD_BYTES, SealedIndex};
use crate::frame::array_at;

/// First half of the SHA-256 of a stream's name.
pub(crate) type StreamKey = [u8; 16];

/// Keys are random ids or digests, and the hash is seeded at every start, so a cheap one will do.
type Map<K, V> = HashMap<K, V, RandomState>;

/// Stands for "no earlier event of this stream".
const NONE: u64 = u64::MAX;

pub(crate) fn stream_key(stream: &StreamName) -> StreamKey {
    array_at(&sha256(&[stream.as_str().as_bytes()]), 0)
}

/// The newest of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamHead {
    pub(crate) version: u64,
    /// Of its newest event; another than that of older ones where those are erased.
    pub(crate) slot: u64,
    /// Position of its newest event.
    last: u64,
}

pub(crate) struct EventEntry {
    pub(crate) position: u64,
    pub(crate) event_id: Option<EventId>,
    pub(crate) stream: StreamKey,
    pub(crate) slot: u64,
}

#[derive(Clone)]
pub(crate) struct LeafEntry {
    pub(crate) leaf: u64,
    pub(crate) submission_id: Option<SubmissionId>,
    pub(crate) chain: Option<(Arc<str>, u64)>,
}

/// Entries that are not in a sealed index yet, in order, those in flight included.
#[derive(Default)]
struct ActiveIndex {
    event_ids: Map<EventId, u64>,
    submission_ids: Map<SubmissionId, u64>,
    /// Each with the position of the event before it in its stream, or [`NONE`].
    events: Vec<(EventEntry, u64)>,
    leaves: Vec<LeafEntry>,
}

impl ActiveIndex {
    fn push_event(&mut self, entry: EventEntry, previous: u64) {
        if let Some(id) = entry.event_id {
            self.event_ids.insert(id, entry.position);
        }
        self.events.push((entry, previous));
    }

    fn push_leaf(&mut self, entry: LeafEntry) {
        if let Some(id) = entry.submission_id {
            self.submission_ids.insert(id, entry.leaf);
        }
        self.leaves.push(entry);
    }

    fn events(&self) -> impl Iterator<Item = &EventEntry> {
        self.events.iter().map(|(entry, _)| entry)
    }

    fn leaves(&self) -> impl Iterator<Item = &LeafEntry> {
        self.leaves.iter()
    }

    fn first_position(&self) -> Option<u64> {
        self.events.first().map(|(entry, _)| entry.position)
    }

    /// Position of the event before this one in its stream; `None` where this one is not here.
    fn previous(&self, position: u64) -> Option<u64> {
        let number = position.checked_sub(self.first_position()?)?;
        self.events.get(usize::try_from(number).ok()?).map(|(_, previous)| *previous)
    }

    /// Takes away what lies from `leaf` and `position` on: the few events that were queued when the segment was sealed.
    fn split_off(&mut self, leaf: u64, position: u64) -> Self {
        let events = self.events.partition_point(|(entry, _)| entry.position < position);
        let leaves = self.leaves.partition_point(|entry| entry.leaf < leaf);
        let mut suffix = Self::default();
        // The next segment will hold about as many; growing the maps step by step would hash everything again.
        suffix.event_ids.reserve(self.event_ids.len());
        suffix.events.reserve(self.events.len());
        self.events.drain(events..).for_each(|(entry, previous)| suffix.push_event(entry, previous));
        self.leaves.drain(leaves..).for_each(|entry| suffix.push_leaf(entry));
        suffix
    }
}

/// A segment that is sealed while its index file is not written yet.
pub(crate) struct FrozenIndex {
    active: ActiveIndex,
    leaves: Range<u64>,
    positions: Range<u64>,
}

impl FrozenIndex {
    /// Entries of one segment, gathered by recovery; for its index file.
    pub(crate) fn gathered(
        events: Vec<EventEntry>,
        leaf_entries: Vec<LeafEntry>,
        leaves: Range<u64>,
        positions: Range<u64>,
    ) -> Self {
        let mut active = ActiveIndex::default();
        events.into_iter().for_each(|entry| active.push_event(entry, NONE));
        leaf_entries.into_iter().for_each(|entry| active.push_leaf(entry));
        Self { active, leaves, positions }
    }
}

/// Everything that is asked at admission: ids, versions, connector sequences.
#[derive(Default)]
pub(crate) struct Index {
    active: ActiveIndex,
    /// Oldest first, each with its index file once that is there; it moves to `sealed` when it is the oldest.
    frozen: VecDeque<(Arc<FrozenIndex>, Option<Arc<SealedIndex>>)>,
    sealed: Vec<Arc<SealedIndex>>,
    /// Largest ids of all sealed indexes: a new id is nearly always beyond them and none is searched.
    newest_sealed_event: [u8; 16],
    newest_sealed_submission: [u8; 16],
    heads: Map<StreamKey, StreamHead>,
    chains: HashMap<Arc<str>, u64>,
}

impl Index {
    /// Makes room for what a submission brings.
    pub(crate) fn reserve(&mut self, events: usize) {
        self.active.events.reserve(events);
        self.active.event_ids.reserve(events);
    }

    pub(crate) fn push_event(&mut self, entry: EventEntry) {
        let fresh = StreamHead { version: 0, slot: entry.slot, last: NONE };
        let head = self.heads.entry(entry.stream).or_insert(fresh);
        let previous = std::mem::replace(&mut head.last, entry.position);
        head.slot = entry.slot;
        head.version += 1;
        self.active.push_event(entry, previous);
    }

    pub(crate) fn push_leaf(&mut self, entry: LeafEntry) {
        if let Some((key, next)) = &entry.chain {
            match self.chains.get_mut(key) {
                Some(known) => *known = *next,
                None => {
                    self.chains.insert(Arc::clone(key), *next);
                }
            }
        }
        self.active.push_leaf(entry);
    }

    /// Makes room for the streams that the segments to come name: a map that grew step by step would hash them all again.
    pub(crate) fn reserve_streams(&mut self, sealed: &[Option<SealedIndex>]) {
        let slots = sealed.iter().flatten().map(SealedIndex::slots_used).max().unwrap_or(0);
        self.heads.reserve(usize::try_from(slots).unwrap_or(0));
    }

    /// Takes a sealed segment's index at open; segments come in order.
    pub(crate) fn adopt(&mut self, sealed: Arc<SealedIndex>) {
        for part in sealed.streams() {
            let fresh = StreamHead { version: 0, slot: part.slot, last: NONE };
            let head = self.heads.entry(part.stream).or_insert(fresh);
            head.slot = part.slot;
            head.version += part.events;
            head.last = part.last;
        }
        for (key, next) in &sealed.chains {
            self.chains.insert(Arc::clone(key), *next);
        }
        self.push_sealed(sealed);
    }

    fn push_sealed(&mut self, sealed: Arc<SealedIndex>) {
        self.newest_sealed_event = self.newest_sealed_event.max(sealed.newest_event().unwrap_or_default());
        self.newest_sealed_submission =
            self.newest_sealed_submission.max(sealed.newest_submission().unwrap_or_default());
        self.sealed.push(sealed);
    }

    pub(crate) fn head(&self, stream: &StreamKey) -> Option<StreamHead> {
        self.heads.get(stream).copied()
    }

    /// Number of key slots that streams hold, if slots were given out in order.
    pub(crate) fn slots_used(&self) -> u64 {
        self.heads.values().map(|head| head.slot + 1).max().unwrap_or(0)
    }

    pub(crate) fn chain(&self, key: &str) -> Option<u64> {
        self.chains.get(key).copied()
    }

    pub(crate) fn event(&self, id: &EventId) -> Option<u64> {
        let frozen = || self.frozen.iter().find_map(|(frozen, _)| frozen.active.event_ids.get(id).copied());
        let old = *id.as_bytes() <= self.newest_sealed_event;
        let sealed = || old.then(|| self.sealed.iter().rev().find_map(|sealed| sealed.event(id))).flatten();
        self.active.event_ids.get(id).copied().or_else(frozen).or_else(sealed)
    }

    pub(crate) fn submission(&self, id: &SubmissionId) -> Option<u64> {
        let frozen =
            || self.frozen.iter().find_map(|(frozen, _)| frozen.active.submission_ids.get(id).copied());
        let old = *id.as_bytes() <= self.newest_sealed_submission;
        let sealed =
            || old.then(|| self.sealed.iter().rev().find_map(|sealed| sealed.submission(id))).flatten();
        self.active.submission_ids.get(id).copied().or_else(frozen).or_else(sealed)
    }

    /// Positions of a stream's events in order, below `end`.
    pub(crate) fn stream(&self, stream: &StreamKey, end: u64) -> Vec<u64> {
        let Some(head) = self.heads.get(stream) else { return Vec::new() };
        let mut positions: Vec<u64> = self.sealed.iter().flat_map(|sealed| sealed.stream(stream)).collect();
        let (mut newer, mut at) = (Vec::new(), head.last);
        // From the newest back, through the active segment and those that are not searched by their index file yet.
        while let Some(previous) = self.previous(at) {
            newer.push(at);
            at = previous;
        }
        positions.extend(newer.into_iter().rev());
        positions.retain(|position| *position < end);
        positions
    }

    fn previous(&self, position: u64) -> Option<u64> {
        let frozen = || self.frozen.iter().rev().find_map(|(frozen, _)| frozen.active.previous(position));
        self.active.previous(position).or_else(frozen)
    }

    /// The segment with `leaves` and `positions` is sealed: its entries leave the active index.
    pub(crate) fn freeze(&mut self, leaves: Range<u64>, positions: Range<u64>) -> Arc<FrozenIndex> {
        let rest = self.active.split_off(leaves.end, positions.end);
        let active = std::mem::replace(&mut self.active, rest);
        let frozen = Arc::new(FrozenIndex { active, leaves, positions });
        self.frozen.push_back((Arc::clone(&frozen), None));
        frozen
    }

    /// The index file of a frozen segment is there.
    pub(crate) fn thaw(&mut self, frozen: &Arc<FrozenIndex>, sealed: Arc<SealedIndex>) {
        if let Some((_, file)) = self.frozen.iter_mut().find(|(other, _)| Arc::ptr_eq(other, frozen)) {
            *file = Some(sealed);
        }
        while let Some((_, Some(_))) = self.frozen.front() {
            let oldest = self.frozen.pop_front().and_then(|(_, file)| file);
            oldest.into_iter().for_each(|sealed| self.push_sealed(sealed));
        }
    }
}
