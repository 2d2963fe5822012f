//! Where an event id, a submission id or a stream is to be found. Entries of the active segment live in memory; a sealed
//! segment keeps them in `fst` maps beside it. All of it is derived and can be deleted.
//!
//! Index file `<first leaf>.idx`: magic `SIMPULIX`, version (4 bytes, 1), then five sections, each length (8), CRC-32C (4)
//! and bytes: frames (28 bytes each: offset, length, first leaf, first position), event ids → position, submission ids →
//! leaf, stream key ‖ position (big-endian) → key slot, connector chains (length-prefixed key, next number).

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    ops::Range,
    path::Path,
    sync::Arc,
};

use fst::{IntoStreamer, Map, MapBuilder, Streamer};
use simpul_signing::sha256;
use simpul_types::{EventId, StreamName, SubmissionId};

use crate::{
    frame::{array_at, u32_at, u64_at},
    segment::FrameRef,
};

const MAGIC: &[u8; 8] = b"SIMPULIX";

/// First half of the SHA-256 of a stream's name.
pub(crate) type StreamKey = [u8; 16];

pub(crate) fn stream_key(stream: &StreamName) -> StreamKey {
    array_at(&sha256(&[stream.as_str().as_bytes()]), 0)
}

/// The newest of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamHead {
    pub(crate) version: u64,
    pub(crate) slot: u64,
}

#[derive(Clone)]
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
pub(crate) struct ActiveIndex {
    events: HashMap<EventId, u64>,
    submissions: HashMap<SubmissionId, u64>,
    streams: HashMap<StreamKey, Vec<u64>>,
    event_order: Vec<EventEntry>,
    leaf_order: Vec<LeafEntry>,
}

impl ActiveIndex {
    fn push_event(&mut self, entry: EventEntry) {
        if let Some(id) = entry.event_id {
            self.events.insert(id, entry.position);
        }
        self.streams.entry(entry.stream).or_default().push(entry.position);
        self.event_order.push(entry);
    }

    fn push_leaf(&mut self, entry: LeafEntry) {
        if let Some(id) = entry.submission_id {
            self.submissions.insert(id, entry.leaf);
        }
        self.leaf_order.push(entry);
    }

    /// What lies from `leaf` and `position` on.
    fn suffix(&self, leaf: u64, position: u64) -> Self {
        let mut suffix = Self::default();
        let events = self.event_order.partition_point(|entry| entry.position < position);
        let leaves = self.leaf_order.partition_point(|entry| entry.leaf < leaf);
        self.event_order[events..].iter().cloned().for_each(|entry| suffix.push_event(entry));
        self.leaf_order[leaves..].iter().cloned().for_each(|entry| suffix.push_leaf(entry));
        suffix
    }
}

/// A segment that is sealed while its index file is not written yet.
pub(crate) struct FrozenIndex {
    active: ActiveIndex,
    leaves: Range<u64>,
    positions: Range<u64>,
}

/// The index file of a sealed segment, in memory.
pub(crate) struct SealedIndex {
    pub(crate) frames: Vec<FrameRef>,
    events: Map<Vec<u8>>,
    events_range: Option<([u8; 16], [u8; 16])>,
    submissions: Map<Vec<u8>>,
    streams: Map<Vec<u8>>,
    chains: Vec<(Arc<str>, u64)>,
}

/// Everything that is asked at admission: ids, versions, connector sequences.
#[derive(Default)]
pub(crate) struct Index {
    active: ActiveIndex,
    frozen: Vec<Arc<FrozenIndex>>,
    sealed: Vec<Arc<SealedIndex>>,
    heads: HashMap<StreamKey, StreamHead>,
    chains: HashMap<Arc<str>, u64>,
}

impl Index {
    pub(crate) fn push_event(&mut self, entry: EventEntry) {
        let head = self.heads.entry(entry.stream).or_insert(StreamHead { version: 0, slot: entry.slot });
        head.version += 1;
        self.active.push_event(entry);
    }

    pub(crate) fn push_leaf(&mut self, entry: LeafEntry) {
        if let Some((key, next)) = &entry.chain {
            self.chains.insert(Arc::clone(key), *next);
        }
        self.active.push_leaf(entry);
    }

    /// Takes a sealed segment's index at open; segments come in order.
    pub(crate) fn adopt(&mut self, sealed: Arc<SealedIndex>) {
        let mut entries = sealed.streams.stream();
        while let Some((key, slot)) = entries.next() {
            let head = self.heads.entry(array_at(key, 0)).or_insert(StreamHead { version: 0, slot });
            head.version += 1;
        }
        for (key, next) in &sealed.chains {
            self.chains.insert(Arc::clone(key), *next);
        }
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
        let frozen = || self.frozen.iter().find_map(|frozen| frozen.active.events.get(id).copied());
        let sealed = || self.sealed.iter().rev().find_map(|sealed| sealed.event(id));
        self.active.events.get(id).copied().or_else(frozen).or_else(sealed)
    }

    pub(crate) fn submission(&self, id: &SubmissionId) -> Option<u64> {
        let frozen = || self.frozen.iter().find_map(|frozen| frozen.active.submissions.get(id).copied());
        let sealed = || self.sealed.iter().rev().find_map(|sealed| sealed.submissions.get(id.as_bytes()));
        self.active.submissions.get(id).copied().or_else(frozen).or_else(sealed)
    }

    /// Positions of a stream's events in order, below `end`.
    pub(crate) fn stream(&self, stream: &StreamKey, end: u64) -> Vec<u64> {
        let mut positions = Vec::new();
        for sealed in &self.sealed {
            sealed.stream(stream, &mut positions);
        }
        let frozen = self.frozen.iter().map(|frozen| &frozen.active);
        for active in frozen.chain([&self.active]) {
            let known = positions.last().copied();
            let own = active.streams.get(stream).into_iter().flatten().copied();
            positions.extend(own.filter(|position| known.is_none_or(|known| *position > known)));
        }
        positions.retain(|position| *position < end);
        positions
    }

    /// The segment with `leaves` and `positions` is sealed: its entries leave the active index.
    pub(crate) fn freeze(&mut self, leaves: Range<u64>, positions: Range<u64>) -> Arc<FrozenIndex> {
        let rest = self.active.suffix(leaves.end, positions.end);
        let active = std::mem::replace(&mut self.active, rest);
        let frozen = Arc::new(FrozenIndex { active, leaves, positions });
        self.frozen.push(Arc::clone(&frozen));
        frozen
    }

    /// The index file of a frozen segment is there.
    pub(crate) fn thaw(&mut self, frozen: &Arc<FrozenIndex>, sealed: Arc<SealedIndex>) {
        self.frozen.retain(|other| !Arc::ptr_eq(other, frozen));
        self.sealed.push(sealed);
    }
}

impl FrozenIndex {
    /// Entries of one segment, gathered by recovery.
    pub(crate) fn gathered(
        events: Vec<EventEntry>,
        leaf_entries: Vec<LeafEntry>,
        leaves: Range<u64>,
        positions: Range<u64>,
    ) -> Self {
        let mut active = ActiveIndex::default();
        events.into_iter().for_each(|entry| active.push_event(entry));
        leaf_entries.into_iter().for_each(|entry| active.push_leaf(entry));
        Self { active, leaves, positions }
    }

    /// Builds the index file's content.
    pub(crate) fn build(&self, frames: Vec<FrameRef>) -> Result<SealedIndex, fst::Error> {
        let events =
            || self.active.event_order.iter().filter(|entry| self.positions.contains(&entry.position));
        let leaves = || self.active.leaf_order.iter().filter(|entry| self.leaves.contains(&entry.leaf));
        let ids = events().filter_map(|entry| Some((entry.event_id?.as_bytes().to_vec(), entry.position)));
        let submissions =
            leaves().filter_map(|entry| Some((entry.submission_id?.as_bytes().to_vec(), entry.leaf)));
        let streams =
            events().map(|entry| ([&entry.stream[..], &entry.position.to_be_bytes()].concat(), entry.slot));
        let mut chains = HashMap::new();
        for (key, next) in leaves().filter_map(|entry| entry.chain.as_ref()) {
            chains.insert(Arc::clone(key), *next);
        }
        let mut chains: Vec<_> = chains.into_iter().collect();
        chains.sort();
        Ok(SealedIndex::new(frames, sorted_map(ids)?, sorted_map(submissions)?, sorted_map(streams)?, chains))
    }
}

fn sorted_map(entries: impl Iterator<Item = (Vec<u8>, u64)>) -> Result<Map<Vec<u8>>, fst::Error> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable();
    let mut builder = MapBuilder::memory();
    for (key, value) in entries {
        builder.insert(key, value)?;
    }
    Ok(builder.into_map())
}

impl SealedIndex {
    fn new(
        frames: Vec<FrameRef>,
        events: Map<Vec<u8>>,
        submissions: Map<Vec<u8>>,
        streams: Map<Vec<u8>>,
        chains: Vec<(Arc<str>, u64)>,
    ) -> Self {
        let first = events.stream().next().map(|(key, _)| array_at(key, 0));
        let events_range = first.zip(last_key(&events));
        Self { frames, events, events_range, submissions, streams, chains }
    }

    fn event(&self, id: &EventId) -> Option<u64> {
        let (first, last) = self.events_range.as_ref()?;
        (first..=last).contains(&id.as_bytes()).then(|| self.events.get(id.as_bytes())).flatten()
    }

    fn stream(&self, stream: &StreamKey, out: &mut Vec<u64>) {
        let last = [&stream[..], &[0xff; 8]].concat();
        let mut found = self.streams.range().ge(stream).le(&last).into_stream();
        while let Some((key, _)) = found.next() {
            out.push(u64::from_be_bytes(array_at(key, 16)));
        }
    }

    /// Writes the file under its name in one step.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut frames = Vec::with_capacity(self.frames.len() * 28);
        for frame in &self.frames {
            frames.extend_from_slice(&frame.offset.to_le_bytes());
            frames.extend_from_slice(&frame.length.to_le_bytes());
            frames.extend_from_slice(&frame.first_leaf.to_le_bytes());
            frames.extend_from_slice(&frame.first_position.to_le_bytes());
        }
        let mut chains = Vec::new();
        for (key, next) in &self.chains {
            chains.extend_from_slice(&(key.len() as u32).to_le_bytes());
            chains.extend_from_slice(key.as_bytes());
            chains.extend_from_slice(&next.to_le_bytes());
        }
        let temporary = path.with_extension("idx.tmp");
        let mut file = io::BufWriter::new(fs::File::create(&temporary)?);
        file.write_all(MAGIC)?;
        file.write_all(&1u32.to_le_bytes())?;
        let maps = [self.events.as_fst().as_bytes(), self.submissions.as_fst().as_bytes()];
        for section in [&frames[..], maps[0], maps[1], self.streams.as_fst().as_bytes(), &chains] {
            file.write_all(&(section.len() as u64).to_le_bytes())?;
            file.write_all(&crc32c::crc32c(section).to_le_bytes())?;
            file.write_all(section)?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    }

    /// `None` where the file is missing or not whole: it is then built again from the segment.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        if bytes.get(..8)? != MAGIC || u32_at(bytes.get(..12)?, 8) != 1 {
            return None;
        }
        let mut at = 12;
        let mut section = || {
            let head = bytes.get(at..at + 12)?;
            let length = usize::try_from(u64_at(head, 0)).ok()?;
            let body = bytes.get(at + 12..(at + 12).checked_add(length)?)?;
            at += 12 + length;
            (crc32c::crc32c(body) == u32_at(head, 8)).then(|| body.to_vec())
        };
        let (frames, events, submissions) = (section()?, section()?, section()?);
        let (streams, chains) = (section()?, section()?);
        let frames = frames.chunks_exact(28).map(|row| FrameRef {
            offset: u64_at(row, 0),
            length: u32_at(row, 8),
            first_leaf: u64_at(row, 12),
            first_position: u64_at(row, 20),
        });
        Some(Self::new(
            frames.collect(),
            Map::new(events).ok()?,
            Map::new(submissions).ok()?,
            Map::new(streams).ok()?,
            parse_chains(&chains)?,
        ))
    }
}

fn last_key(map: &Map<Vec<u8>>) -> Option<[u8; 16]> {
    let raw = map.as_fst();
    let (mut node, mut key) = (raw.root(), Vec::new());
    while let Some(last) = node.len().checked_sub(1) {
        let transition = node.transition(last);
        key.push(transition.inp);
        node = raw.node(transition.addr);
    }
    key.try_into().ok()
}

fn parse_chains(mut bytes: &[u8]) -> Option<Vec<(Arc<str>, u64)>> {
    let mut chains = Vec::new();
    while !bytes.is_empty() {
        let length = u32_at(bytes.get(..4)?, 0) as usize;
        let key = std::str::from_utf8(bytes.get(4..4 + length)?).ok()?;
        let next = u64_at(bytes.get(4 + length..12 + length)?, 0);
        chains.push((key.into(), next));
        bytes = &bytes[12 + length..];
    }
    Some(chains)
}
