//! The feed of changes with its documents, each as it was right after its event.

use simpul_types::{AgencyCode, EventId, Position, Timestamp, View};

use super::{ReadModels, Shared};
use crate::{
    document::Document,
    error::StateError,
    feed::{ChangeKey, Entry, Walk},
    render,
};

/// A document changed. Holds personal data: no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// Its place in the feed.
    pub key: ChangeKey,
    /// The event that caused it.
    pub event_id: EventId,
    /// When that happened, by its source.
    pub occurred_at: Timestamp,
    /// The document right after the event, whole.
    pub document: Document,
}

/// A change without its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewOfChange {
    /// Its place in the feed.
    pub key: ChangeKey,
    /// What kind of document changed.
    pub view: View,
    /// The one agency that may be shown it; `None`: whoever policy lets.
    pub addressee: Option<AgencyCode>,
}

impl ReadModels {
    /// Changes from `from` (inclusive) to the present end, in order. What was trimmed is skipped. Blocking I/O.
    pub fn changes(
        &self,
        from: ChangeKey,
    ) -> impl Iterator<Item = Result<Change, StateError>> + Send + use<> {
        let models = self.clone();
        let mut walk = Walk::new(from);
        std::iter::from_fn(move || {
            let entry = walk.next(&models.shared.state).transpose()?;
            Some(entry.and_then(|entry| models.shared.change(entry)))
        })
    }

    /// The same without the documents: which kind of document changed, for whom, at the cost of a row for hundreds of changes.
    pub fn change_views(
        &self,
        from: ChangeKey,
    ) -> impl Iterator<Item = Result<ViewOfChange, StateError>> + Send + use<> {
        let models = self.clone();
        let mut walk = Walk::new(from);
        std::iter::from_fn(move || {
            let entry = walk.next(&models.shared.state).transpose()?;
            Some(entry.map(|entry| ViewOfChange {
                key: entry.key,
                view: entry.view,
                addressee: entry.addressee.parse().ok(),
            }))
        })
    }

    /// From where on the feed is kept.
    ///
    /// # Errors
    /// The store.
    pub fn changes_from(&self) -> Result<Position, StateError> {
        self.shared.state.changes_from()
    }
}

impl Shared {
    fn change(&self, entry: Entry) -> Result<Change, StateError> {
        let at = Position::new(entry.key.position);
        let stored = self.reader.event(at)?;
        let header = simpul_types::Header::decode(&stored.header, "header").map_err(|_| StateError::Row)?;
        let until = at.plus(1);
        let document = match entry.view {
            View::Case => self.case_document(&entry.id, until)?,
            View::Placement => self.placement_document(&entry.id, until)?,
            View::Licence => self.licence_document(&entry.id, &entry.record, until)?,
            view => self.entry_document(view, &entry.id, until)?,
        };
        let mut document = document.unwrap_or_else(|| render::empty(entry.view, &entry.id, at));
        // A case that a record has left reflects that event, though none of its records stands there.
        document.position = at;
        Ok(Change { key: entry.key, event_id: header.event_id, occurred_at: header.occurred_at, document })
    }
}
