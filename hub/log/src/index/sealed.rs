//! The index file of a sealed segment: sorted tables, searched in memory.
//!
//! Index file `<first leaf>.idx`: magic `SIMPULIX`, version (4 bytes, 3), first leaf (8), first position (8), then six
//! sections, each length (8), CRC-32C (4) and bytes, numbers little-endian:
//!
//! | section | row |
//! |---|---|
//! | frames | offset (8), length (4), first leaf (8), first position (8) |
//! | event ids, sorted | id (16), position less the first (4) |
//! | submission ids, sorted | id (16), leaf less the first (4) |
//! | streams, sorted | stream key (16), key slot of its newest event (8), number of its first row in the next section (4) |
//! | stream positions | position less the first (4), by stream in the order of the section before, ascending |
//! | chains | length of the key (4), key, next number (8) |
//!
//! An event costs 24 bytes and each stream of the segment 28 more. Sorted tables and not `fst` maps: see
//! `hub/decisions/2026-11-22-sorted-index-tables.md`.

use std::{collections::HashMap, io, path::Path, sync::Arc};

use bytes::Bytes;
use simpul_types::{EventId, SubmissionId};

use super::{FrozenIndex, StreamKey};
use crate::{
    disk::{self, File, point},
    frame::{array_at, u32_at, u64_at},
    segment::FrameRef,
};

const MAGIC: &[u8; 8] = b"SIMPULIX";
const VERSION: u32 = 3;
pub(crate) const HEAD_BYTES: usize = 28;
const FRAME_ROW: usize = 28;
/// Row of ids: id, number less the segment's first.
const ID_ROW: usize = 20;
/// Row of streams: key, slot, first row among the positions.
const STREAM_ROW: usize = 28;
const POSITION_ROW: usize = 4;

/// The index file of a sealed segment, in memory.
pub(crate) struct SealedIndex {
    pub(crate) frames: Vec<FrameRef>,
    pub(super) chains: Vec<(Arc<str>, u64)>,
    first_leaf: u64,
    first_position: u64,
    /// The sections: parts of the file, where it was read from one.
    events: Bytes,
    submissions: Bytes,
    streams: Bytes,
    positions: Bytes,
}

/// A stream's events in one segment.
pub(super) struct StreamPart {
    pub(super) stream: StreamKey,
    /// Of the newest.
    pub(super) slot: u64,
    /// How many.
    pub(super) events: u64,
    /// Position of the newest.
    pub(super) last: u64,
}

impl FrozenIndex {
    /// Builds the index file's content.
    pub(crate) fn build(&self, frames: Vec<FrameRef>) -> SealedIndex {
        let (first_leaf, first_position) = (self.leaves.start, self.positions.start);
        let events = || self.active.events().filter(|entry| self.positions.contains(&entry.position));
        let leaves = || self.active.leaves().filter(|entry| self.leaves.contains(&entry.leaf));
        let mut ids: Vec<[u8; ID_ROW]> = events()
            .filter_map(|entry| Some(id_row(entry.event_id?.as_bytes(), entry.position - first_position)))
            .collect();
        ids.sort_unstable();
        let mut submissions: Vec<[u8; ID_ROW]> = leaves()
            .filter_map(|entry| Some(id_row(entry.submission_id?.as_bytes(), entry.leaf - first_leaf)))
            .collect();
        submissions.sort_unstable();
        let mut placed: Vec<(StreamKey, u32, u64)> = events()
            .map(|entry| (entry.stream, relative(entry.position - first_position), entry.slot))
            .collect();
        placed.sort_unstable();
        let (mut streams, mut positions) = (Vec::new(), Vec::with_capacity(placed.len() * POSITION_ROW));
        for of_stream in placed.chunk_by(|one, next| one.0 == next.0) {
            let (stream, _, slot) = of_stream[of_stream.len() - 1];
            streams.extend_from_slice(&stream);
            streams.extend_from_slice(&slot.to_le_bytes());
            streams.extend_from_slice(&relative((positions.len() / POSITION_ROW) as u64).to_le_bytes());
            positions.extend(of_stream.iter().flat_map(|(_, position, _)| position.to_le_bytes()));
        }
        let mut chains = HashMap::new();
        for (key, next) in leaves().filter_map(|entry| entry.chain.as_ref()) {
            chains.insert(Arc::clone(key), *next);
        }
        let mut chains: Vec<_> = chains.into_iter().collect();
        chains.sort_unstable();
        SealedIndex {
            frames,
            first_leaf,
            first_position,
            events: ids.concat().into(),
            submissions: submissions.concat().into(),
            streams: streams.into(),
            positions: positions.into(),
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
    if id[..] > newest_id(table)?[..] || id[..] < table[..16] {
        return None;
    }
    let row = table.get(lower_bound(table, ID_ROW, id) * ID_ROW..)?.get(..ID_ROW)?;
    (row[..16] == id[..]).then(|| u64::from(u32_at(row, 16)))
}

fn newest_id(table: &[u8]) -> Option<[u8; 16]> {
    Some(array_at(table, table.len().checked_sub(ID_ROW)?))
}

impl SealedIndex {
    /// Whether it says of itself that it belongs to the segment that begins there.
    pub(crate) fn is_of(&self, first_leaf: u64, first_position: u64) -> bool {
        (self.first_leaf, self.first_position) == (first_leaf, first_position)
    }

    pub(super) fn event(&self, id: &EventId) -> Option<u64> {
        find_id(&self.events, id.as_bytes()).map(|relative| self.first_position + relative)
    }

    pub(super) fn submission(&self, id: &SubmissionId) -> Option<u64> {
        find_id(&self.submissions, id.as_bytes()).map(|relative| self.first_leaf + relative)
    }

    /// The largest event id, as bytes.
    pub(super) fn newest_event(&self) -> Option<[u8; 16]> {
        newest_id(&self.events)
    }

    /// The largest submission id, as bytes.
    pub(super) fn newest_submission(&self) -> Option<[u8; 16]> {
        newest_id(&self.submissions)
    }

    /// Positions of a stream's events, ascending.
    pub(super) fn stream(&self, stream: &StreamKey) -> impl Iterator<Item = u64> + '_ {
        let row = lower_bound(&self.streams, STREAM_ROW, stream);
        let known = self.streams.get(row * STREAM_ROW..).is_some_and(|rows| rows.starts_with(stream));
        let range = if known { self.rows_of(row) } else { 0..0 };
        range.map(|row| self.position(row))
    }

    /// Every stream of the segment.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamPart> + '_ {
        self.streams.chunks_exact(STREAM_ROW).enumerate().map(|(number, row)| {
            let rows = self.rows_of(number);
            let events = rows.len() as u64;
            StreamPart {
                stream: array_at(row, 0),
                slot: u64_at(row, 16),
                events,
                last: self.position(rows.end - 1),
            }
        })
    }

    /// Rows of a stream among the positions; never empty ([`Self::is_sound`]).
    fn rows_of(&self, stream: usize) -> std::ops::Range<usize> {
        let start = |number: usize| u32_at(&self.streams, number * STREAM_ROW + 24) as usize;
        let last = (stream + 1) * STREAM_ROW == self.streams.len();
        start(stream)..if last { self.positions.len() / POSITION_ROW } else { start(stream + 1) }
    }

    fn position(&self, row: usize) -> u64 {
        self.first_position + u64::from(u32_at(&self.positions, row * POSITION_ROW))
    }

    /// Whether sizes and references between the tables are possible.
    fn is_sound(&self) -> bool {
        let whole = self.events.len().is_multiple_of(ID_ROW)
            && self.submissions.len().is_multiple_of(ID_ROW)
            && self.streams.len().is_multiple_of(STREAM_ROW)
            && self.positions.len().is_multiple_of(POSITION_ROW);
        let (mut next, end) = (0, self.positions.len() / POSITION_ROW);
        whole
            && self.streams.is_empty() == self.positions.is_empty()
            && self.streams.chunks_exact(STREAM_ROW).enumerate().all(|(number, row)| {
                let start = u32_at(row, 24) as usize;
                let right = if number == 0 { start == 0 } else { start > next } && start < end;
                next = start;
                right
            })
    }

    /// Writes the file under its name in one step.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut frames = Vec::with_capacity(self.frames.len() * FRAME_ROW);
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
        point!("index.created");
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&self.first_leaf.to_le_bytes());
        head.extend_from_slice(&self.first_position.to_le_bytes());
        let mut at = 0;
        let sections: [&[u8]; 6] =
            [&frames, &self.events, &self.submissions, &self.streams, &self.positions, &chains];
        for section in sections {
            head.extend_from_slice(&(section.len() as u64).to_le_bytes());
            head.extend_from_slice(&crc32c::crc32c(section).to_le_bytes());
            file.write_all_at(&head, at)?;
            file.write_all_at(section, at + head.len() as u64)?;
            at += (head.len() + section.len()) as u64;
            head.clear();
        }
        point!("index.written");
        file.sync_all()?;
        point!("index.flushed");
        disk::rename(&temporary, path)?;
        point!("index.renamed");
        Ok(())
    }

    /// Number of key slots that its streams hold, if slots were given out in order.
    pub(super) fn slots_used(&self) -> u64 {
        self.streams.chunks_exact(STREAM_ROW).map(|row| u64_at(row, 16) + 1).max().unwrap_or(0)
    }

    /// `None` where the file is missing, not whole or of an older layout: it is then built again from the segment.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        Self::parse(disk::read(path).ok()?.into())
    }

    pub(crate) fn parse(bytes: Bytes) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        if &head[..8] != MAGIC || u32_at(head, 8) != VERSION {
            return None;
        }
        let mut at = HEAD_BYTES;
        let mut section = || {
            let head = bytes.get(at..at + 12)?;
            let length = usize::try_from(u64_at(head, 0)).ok()?;
            let (crc, body) = (u32_at(head, 8), at + 12..(at + 12).checked_add(length)?);
            at = body.end;
            (crc32c::crc32c(bytes.get(body.clone())?) == crc).then(|| bytes.slice(body))
        };
        let (frames, events, submissions) = (section()?, section()?, section()?);
        let (streams, positions, chains) = (section()?, section()?, section()?);
        let frames = frames.chunks_exact(FRAME_ROW).map(|row| FrameRef {
            offset: u64_at(row, 0),
            length: u32_at(row, 8),
            first_leaf: u64_at(row, 12),
            first_position: u64_at(row, 20),
        });
        let index = Self {
            frames: frames.collect(),
            first_leaf: u64_at(head, 12),
            first_position: u64_at(head, 20),
            events,
            submissions,
            streams,
            positions,
            chains: parse_chains(&chains)?,
        };
        index.is_sound().then_some(index)
    }
}

/// For `crate::fuzz`.
impl SealedIndex {
    /// A small right one.
    pub(crate) fn sample() -> Self {
        let frame = FrameRef { offset: 4096, length: 700, first_leaf: 4, first_position: 17 };
        let row = |id: u8, rest: &[u8]| [&[id; 16][..], rest].concat();
        let stream = |id: u8, first: u32| row(id, &[&[0; 8][..], &first.to_le_bytes()].concat());
        Self {
            first_leaf: 4,
            first_position: 17,
            frames: vec![frame],
            events: [row(1, &0u32.to_le_bytes()), row(2, &1u32.to_le_bytes())].concat().into(),
            submissions: row(3, &0u32.to_le_bytes()).into(),
            streams: [stream(8, 0), stream(9, 1)].concat().into(),
            positions: [0u32, 1, 2].iter().flat_map(|position| position.to_le_bytes()).collect(),
            chains: vec![("kp2mi/sisko".into(), 3)],
        }
    }

    /// Looks up everything that stands in it; the answers may be anything, but must be there.
    pub(crate) fn look_up_everything(&self) {
        // `is_of` refuses what does not begin where its segment does, far below this.
        if self.first_leaf.max(self.first_position) >= 1 << 63 {
            return;
        }
        for row in self.events.chunks_exact(ID_ROW) {
            self.event(&EventId::from_bytes(array_at(row, 0)));
        }
        for row in self.submissions.chunks_exact(ID_ROW) {
            self.submission(&SubmissionId::from_bytes(array_at(row, 0)));
        }
        for part in self.streams() {
            self.stream(&part.stream).count();
        }
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
