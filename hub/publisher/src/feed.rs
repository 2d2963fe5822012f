//! Where changes come from: the read models, and the log's head for the checkpoint.

use std::collections::BTreeSet;

use simpul_log::Reader;
use simpul_projection::{Change, ChangeKey, ReadModels, ViewOfChange};
use simpul_types::{EventId, Header, Leaf, LeafIndex, Position, Timestamp};
use tokio::sync::watch;

/// Why the feed could not be read.
pub type FeedError = Box<dyn std::error::Error + Send + Sync>;

/// The ordered changes of the read models.
///
/// `changes` MUST give every change from `from` on (inclusive), in the order of their keys, and the same ones for ever:
/// the outbox stores which change an agency may see, and reads the document from here again. It MAY end early while the
/// read models catch up with the log.
pub trait Feed: Send + Sync + 'static {
    /// The same changes as [`Self::changes`] without their documents, cheaply. Blocking I/O.
    fn views(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<ViewOfChange, FeedError>> + '_>;
    /// Changes from a key on. Blocking I/O.
    fn changes(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<Change, FeedError>> + '_>;
    /// Fires when there may be more.
    fn subscribe(&self) -> watch::Receiver<Position>;
    /// The newest signed checkpoint; covers every change given so far.
    fn checkpoint(&self) -> String;
    /// The event at a position, where its key is dead: its changes are in the feed no more. Blocking I/O.
    fn erased(&self, position: Position) -> Result<Option<ErasedEvent>, FeedError>;
    /// Positions of the events erased by executions from a position on, and where to look next. Blocking I/O.
    fn erasures(&self, from: Position) -> Result<(Position, BTreeSet<u64>), FeedError>;
    /// Tells one log from another: the id of its first submission. `None` while it is empty.
    fn history(&self) -> Option<[u8; 16]>;
}

/// What is left to tell of an event whose key is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedEvent {
    /// Its id.
    pub event_id: EventId,
    /// When it happened, by its source.
    pub occurred_at: Timestamp,
}

/// The feed of a hub.
pub(crate) struct HubFeed {
    pub(crate) read_models: ReadModels,
    pub(crate) reader: Reader,
}

impl Feed for HubFeed {
    fn views(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<ViewOfChange, FeedError>> + '_> {
        Box::new(self.read_models.change_views(from).map(|change| change.map_err(FeedError::from)))
    }

    fn changes(&self, from: ChangeKey) -> Box<dyn Iterator<Item = Result<Change, FeedError>> + '_> {
        Box::new(self.read_models.changes(from).map(|change| change.map_err(FeedError::from)))
    }

    fn subscribe(&self) -> watch::Receiver<Position> {
        self.read_models.subscribe()
    }

    fn checkpoint(&self) -> String {
        self.reader.head().checkpoint.clone()
    }

    fn erased(&self, position: Position) -> Result<Option<ErasedEvent>, FeedError> {
        let event = self.reader.event(position)?;
        if self.reader.erased_by(&event).is_none() {
            return Ok(None);
        }
        let header = Header::decode(&event.header, "header").map_err(|rejection| rejection.to_string())?;
        Ok(Some(ErasedEvent { event_id: header.event_id, occurred_at: header.occurred_at }))
    }

    fn erasures(&self, from: Position) -> Result<(Position, BTreeSet<u64>), FeedError> {
        let (end, mut erased) = (self.reader.head().end, BTreeSet::new());
        for (by, executed) in self.reader.executions(from)? {
            let events = executed.streams.iter().flat_map(|stream| self.reader.stream(stream));
            erased.extend(events.filter(|position| *position < by).map(Position::get));
        }
        Ok((end, erased))
    }

    fn history(&self) -> Option<[u8; 16]> {
        let first = self.reader.leaf(LeafIndex::ZERO).ok()?;
        Some(*Leaf::decode(&first.bytes).ok()?.statement.submission_id.as_bytes())
    }
}
