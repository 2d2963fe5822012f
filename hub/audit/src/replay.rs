//! Counting what a replay saw: events by type and agency, and how fast they came. Fed by a local scan or by the leaves
//! that `AuditService.Replay` streams.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use simpul_log::{ReadError, Reader, StoredLeaf};
use simpul_types::{Leaf, Position};

/// What a replay saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReplaySummary {
    /// Position of the first event seen; absent where there was none.
    pub first_position: Option<Position>,
    /// Position after the last event seen.
    pub end_position: Position,
    /// Leaves seen.
    pub leaves: u64,
    /// Events seen.
    pub events: u64,
    /// Bytes of their sealed payloads.
    pub sealed_bytes: u64,
    /// Events by type.
    pub by_type: BTreeMap<String, u64>,
    /// Events by the agency that submitted them.
    pub by_agency: BTreeMap<String, u64>,
    /// How long it took.
    pub seconds: f64,
    /// Events divided by seconds.
    pub events_per_second: f64,
}

/// Why a leaf could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    /// The leaf does not decode.
    #[error("leaf {leaf} does not decode")]
    Leaf {
        /// Its index.
        leaf: u64,
    },
    /// A header does not decode.
    #[error("the header at position {position} does not decode")]
    Header {
        /// Its position.
        position: u64,
    },
}

/// The one field of a header that counting needs.
#[derive(Clone, PartialEq, Message)]
struct TypeOfHeader {
    #[prost(string, tag = "3")]
    r#type: String,
}

/// Counts leaf after leaf.
#[derive(Debug)]
pub struct ReplayCounter {
    started: Instant,
    summary: ReplaySummary,
    last_leaf: Option<u64>,
}

impl Default for ReplayCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayCounter {
    /// Nothing yet; the clock runs from now.
    pub fn new() -> Self {
        Self { started: Instant::now(), summary: ReplaySummary::default(), last_leaf: None }
    }

    /// One leaf: its index and bytes, and position, header and sealed bytes of each event that came with it. A large leaf
    /// comes in several parts over the wire; it counts as one leaf.
    ///
    /// # Errors
    /// [`ReplayError::Leaf`] or [`ReplayError::Header`].
    pub fn leaf<'a>(
        &mut self,
        index: u64,
        leaf: &Bytes,
        events: impl Iterator<Item = (u64, &'a [u8], usize)>,
    ) -> Result<(), ReplayError> {
        let leaf = Leaf::decode(leaf).map_err(|_| ReplayError::Leaf { leaf: index })?;
        let before = self.summary.events;
        for (position, header, sealed_bytes) in events {
            let header = TypeOfHeader::decode(header).map_err(|_| ReplayError::Header { position })?;
            match self.summary.by_type.get_mut(&header.r#type) {
                Some(count) => *count += 1,
                None => {
                    self.summary.by_type.insert(header.r#type, 1);
                }
            }
            self.summary.first_position.get_or_insert(Position::new(position));
            self.summary.end_position = Position::new(position).plus(1);
            self.summary.events += 1;
            self.summary.sealed_bytes += sealed_bytes as u64;
        }
        let agency = leaf.statement.sender.agency.as_str();
        *self.summary.by_agency.entry(agency.to_owned()).or_default() += self.summary.events - before;
        if self.last_leaf.replace(index) != Some(index) {
            self.summary.leaves += 1;
        }
        Ok(())
    }

    /// What was seen so far, with the rate up to now.
    pub fn summary(&self) -> ReplaySummary {
        let seconds = self.started.elapsed().as_secs_f64();
        let events_per_second = if seconds > 0.0 { self.summary.events as f64 / seconds } else { 0.0 };
        ReplaySummary { seconds, events_per_second, ..self.summary.clone() }
    }
}

/// Counts the events `from..until` of a log; `progress` gets the position reached, frame by frame. Blocking.
///
/// # Errors
/// [`ReplayError`].
pub fn count(
    reader: &Reader,
    from: Position,
    until: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<ReplaySummary, ReplayError> {
    let mut counter = ReplayCounter::new();
    let mut scan = reader.scan(from);
    while scan.position() < until {
        let Some(leaves) = scan.next_frame()? else { break };
        for StoredLeaf { index, bytes, events, .. } in &leaves {
            let mut wanted = events.iter().filter(|event| event.position < until).peekable();
            if wanted.peek().is_some() {
                let wanted =
                    wanted.map(|event| (event.position.get(), &event.header[..], event.sealed.len()));
                counter.leaf(index.get(), bytes, wanted)?;
            }
        }
        progress(scan.position().min(until));
    }
    Ok(counter.summary())
}
