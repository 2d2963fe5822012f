//! Where an event id, a submission id or a stream is to be found. Entries of the active segment live in memory; a sealed
//! segment keeps them in sorted tables beside it. All of it is derived and can be deleted.
//!
//! Index file `<first leaf>.idx`: magic `SIMPULIX`, version (4 bytes, 2), first leaf (8), first position (8), then five
//! sections, each length (8), CRC-32C (4) and bytes, numbers little-endian where not said otherwise:
//!
//! | section | row |
//! |---|---|
//! | frames | offset (8), length (4), first leaf (8), first position (8) |
//! | event ids, sorted | id (16), position less the first (4) |
//! | submission ids, sorted | id (16), leaf less the first (4) |
//! | streams, sorted | stream key (16), position less the first (4, big-endian, so that it sorts), key slot (8) |
//! | chains | length of the key (4), key, next number (8) |
//!
//! Sorted tables and not `fst` maps: see `hub/decisions/2026-11-22-sorted-index-tables.md`.

use std::{collections::HashMap, io, ops::Range, path::Path, sync::Arc};

use simpul_signing::sha256;
use simpul_types::{EventId, StreamName, SubmissionId};

use crate::{
    disk::{self, File},
    frame::{array_at, u32_at, u64_at},
    segment::FrameRef,
};

const MAGIC: &[u8; 8] = b"SIMPULIX";
const HEAD_BYTES: usize = 28;
/// Row of ids: id, number less the segment's first.
const ID_ROW: usize = 20;
/// Row of streams: key, position less the segment's first (big-endian), slot.
const STREAM_ROW: usize = 28;

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
    first_leaf: u64,
    first_position: u64,
    events: Vec<u8>,
    submissions: Vec<u8>,
    streams: Vec<u8>,
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
        for row in sealed.streams.chunks_exact(STREAM_ROW) {
            let head = self.heads.entry(array_at(row, 0));
            head.or_insert(StreamHead { version: 0, slot: u64_at(row, 20) }).version += 1;
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
        let sealed = || self.sealed.iter().rev().find_map(|sealed| sealed.submission(id));
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
    pub(crate) fn build(&self, frames: Vec<FrameRef>) -> SealedIndex {
        let (first_leaf, first_position) = (self.leaves.start, self.positions.start);
        let events =
            || self.active.event_order.iter().filter(|entry| self.positions.contains(&entry.position));
        let leaves = || self.active.leaf_order.iter().filter(|entry| self.leaves.contains(&entry.leaf));
        let mut ids: Vec<[u8; ID_ROW]> = events()
            .filter_map(|entry| Some(id_row(entry.event_id?.as_bytes(), entry.position - first_position)))
            .collect();
        ids.sort_unstable();
        let mut submissions: Vec<[u8; ID_ROW]> = leaves()
            .filter_map(|entry| Some(id_row(entry.submission_id?.as_bytes(), entry.leaf - first_leaf)))
            .collect();
        submissions.sort_unstable();
        let mut streams: Vec<[u8; STREAM_ROW]> = events()
            .map(|entry| {
                let mut row = [0; STREAM_ROW];
                row[..16].copy_from_slice(&entry.stream);
                row[16..20].copy_from_slice(&relative(entry.position - first_position).to_be_bytes());
                row[20..].copy_from_slice(&entry.slot.to_le_bytes());
                row
            })
            .collect();
        streams.sort_unstable();
        let mut chains = HashMap::new();
        for (key, next) in leaves().filter_map(|entry| entry.chain.as_ref()) {
            chains.insert(Arc::clone(key), *next);
        }
        let mut chains: Vec<_> = chains.into_iter().collect();
        chains.sort();
        SealedIndex {
            frames,
            first_leaf,
            first_position,
            events: ids.concat(),
            submissions: submissions.concat(),
            streams: streams.concat(),
            chains,
        }
    }
}

fn id_row(id: &[u8; 16], relative_number: u64) -> [u8; ID_ROW] {
    let mut row = [0; ID_ROW];
    row[..16].copy_from_slice(id);
    row[16..].copy_from_slice(&relative(relative_number).to_le_bytes());
    row
}

fn relative(number: u64) -> u32 {
    u32::try_from(number).expect("a segment has far fewer than 4 billion events")
}

/// Number of the first row of a sorted table whose key is not below `key`.
fn lower_bound(table: &[u8], row_bytes: usize, key: &[u8]) -> usize {
    let (mut low, mut high) = (0, table.len() / row_bytes);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = middle * row_bytes;
        if table[at..at + key.len()] < *key { low = middle + 1 } else { high = middle }
    }
    low
}

/// Number that a sorted table of ids has for this id.
fn find_id(table: &[u8], id: &[u8; 16]) -> Option<u64> {
    // Ids of version 7 grow with time: a segment that cannot hold this one is passed over at its ends.
    let last = table.len().checked_sub(ID_ROW)?;
    if id[..] < table[..16] || id[..] > table[last..last + 16] {
        return None;
    }
    let row = table.get(lower_bound(table, ID_ROW, id) * ID_ROW..)?.get(..ID_ROW)?;
    (row[..16] == id[..]).then(|| u64::from(u32_at(row, 16)))
}

impl SealedIndex {
    /// Whether it says of itself that it belongs to the segment that begins there.
    pub(crate) fn is_of(&self, first_leaf: u64, first_position: u64) -> bool {
        (self.first_leaf, self.first_position) == (first_leaf, first_position)
    }

    fn event(&self, id: &EventId) -> Option<u64> {
        find_id(&self.events, id.as_bytes()).map(|relative| self.first_position + relative)
    }

    fn submission(&self, id: &SubmissionId) -> Option<u64> {
        find_id(&self.submissions, id.as_bytes()).map(|relative| self.first_leaf + relative)
    }

    fn stream(&self, stream: &StreamKey, out: &mut Vec<u64>) {
        let first = lower_bound(&self.streams, STREAM_ROW, stream);
        let rows = self.streams[first * STREAM_ROW..].chunks_exact(STREAM_ROW);
        out.extend(
            rows.take_while(|row| row[..16] == stream[..])
                .map(|row| self.first_position + u64::from(u32::from_be_bytes(array_at(row, 16)))),
        );
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
        let file = File::create(&temporary)?;
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&2u32.to_le_bytes());
        head.extend_from_slice(&self.first_leaf.to_le_bytes());
        head.extend_from_slice(&self.first_position.to_le_bytes());
        let mut at = 0;
        for section in [&frames, &self.events, &self.submissions, &self.streams, &chains] {
            head.extend_from_slice(&(section.len() as u64).to_le_bytes());
            head.extend_from_slice(&crc32c::crc32c(section).to_le_bytes());
            file.write_all_at(&head, at)?;
            file.write_all_at(section, at + head.len() as u64)?;
            at += (head.len() + section.len()) as u64;
            head.clear();
        }
        file.sync_all()?;
        disk::rename(&temporary, path)
    }

    /// `None` where the file is missing or not whole: it is then built again from the segment.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        let bytes = disk::read(path).ok()?;
        let head = bytes.get(..HEAD_BYTES)?;
        if &head[..8] != MAGIC || u32_at(head, 8) != 2 {
            return None;
        }
        let mut at = HEAD_BYTES;
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
        let whole =
            events.len() % ID_ROW == 0 && submissions.len() % ID_ROW == 0 && streams.len() % STREAM_ROW == 0;
        whole.then_some(Self {
            frames: frames.collect(),
            first_leaf: u64_at(head, 12),
            first_position: u64_at(head, 20),
            events,
            submissions,
            streams,
            chains: parse_chains(&chains)?,
        })
    }
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
