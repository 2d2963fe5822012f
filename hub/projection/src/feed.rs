//! The ordered feed of changes: which document changed at which position. One row holds the changes of a leaf, so that a
//! submission of a thousand events costs a few rows. The document itself is rendered when the feed is read.

use simpul_types::{Position, View};

use crate::{
    error::StateError,
    key::{self, Id},
    overlay::Overlay,
    projection::Outcome,
    row::{ChangeRow, Changes},
    state::{Row, State},
};

/// Changes in one row; bounds what one row costs to read.
const CHANGES_PER_ROW: usize = 256;

/// Place of a change in the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// Position of the event that caused it.
    pub position: u64,
    /// Number among the changes of the same event, from 0.
    pub n: u16,
}

impl ChangeKey {
    /// The smallest key after this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self.n.checked_add(1) {
            Some(n) => Self { n, ..self },
            None => Self { position: self.position + 1, n: 0 },
        }
    }
}

/// Collects the changes of one leaf while it is folded.
pub(crate) struct LeafChanges {
    first: Position,
    entries: Vec<ChangeRow>,
}

impl LeafChanges {
    pub(crate) fn new(first: Position) -> Self {
        Self { first, entries: Vec::new() }
    }

    pub(crate) fn add(&mut self, position: Position, outcome: &Outcome) {
        let Outcome { record, changes, addressee, .. } = outcome;
        for (n, (view, id)) in changes.iter().enumerate() {
            let view = View::ALL.iter().position(|one| one == view).unwrap_or_default() as u32;
            let record = record.filter(|record| record != id).map(|id| id.to_vec()).unwrap_or_default();
            let (position, n, id) = (position.get(), n as u32, id.to_vec());
            let row = ChangeRow { position, n, view, id, record, addressee: addressee.clone() };
            self.entries.push(row);
        }
    }

    pub(crate) fn write(self, store: &mut Overlay<'_>) {
        let mut entries = self.entries.into_iter();
        for chunk in 0..entries.len().div_ceil(CHANGES_PER_ROW) {
            let row = Changes { entries: entries.by_ref().take(CHANGES_PER_ROW).collect() };
            store.put_row(&key::changes(self.first, chunk as u16), &row);
        }
    }
}

/// One change, not rendered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: ChangeKey,
    pub(crate) view: View,
    /// The one agency that may be shown it; empty where policy alone decides.
    pub(crate) addressee: String,
    pub(crate) id: Id,
    pub(crate) record: Id,
}

/// Walks the feed from a key on.
pub(crate) struct Walk {
    from: ChangeKey,
    buffered: std::vec::IntoIter<Entry>,
    /// Key of the next row to read.
    next: Option<Vec<u8>>,
}

impl Walk {
    pub(crate) fn new(from: ChangeKey) -> Self {
        Self { from, buffered: Vec::new().into_iter(), next: None }
    }

    /// The next change; `None` at the present end.
    pub(crate) fn next(&mut self, state: &State) -> Result<Option<Entry>, StateError> {
        loop {
            if let Some(entry) = self.buffered.next() {
                return Ok(Some(entry));
            }
            let Some((key, bytes)) = self.row(state)? else { return Ok(None) };
            let changes: Changes = crate::row::decode(&bytes)?;
            let entries: Vec<_> = changes.entries.iter().filter_map(entry).collect();
            let from = self.from;
            self.buffered =
                entries.into_iter().filter(|entry| entry.key >= from).collect::<Vec<_>>().into_iter();
            self.next = Some(key);
        }
    }

    /// The row after the last one read; at first the row that may hold `from`.
    fn row(&self, state: &State) -> Result<Option<Row>, StateError> {
        let end = key::changes(Position::new(u64::MAX), u16::MAX);
        if let Some(after) = &self.next {
            let mut start = after.clone();
            start.push(0);
            return state.range(start..=end).next().transpose();
        }
        let from = key::changes(Position::new(self.from.position), u16::MAX);
        let mut before = state.range_back(key::CHANGES.to_vec()..=from.clone());
        // A leaf's rows share its first position; the one that holds `from` may be any of them.
        let Some(last) = before.next().transpose()? else {
            return state.range(from..=end).next().transpose();
        };
        let first = key::position_at(&last.0, 1).unwrap_or_default();
        state.range(key::changes(first, 0)..=end).next().transpose()
    }
}

fn entry(row: &ChangeRow) -> Option<Entry> {
    let id = key::one(&row.id)?;
    Some(Entry {
        key: ChangeKey { position: row.position, n: u16::try_from(row.n).ok()? },
        view: *View::ALL.get(row.view as usize)?,
        addressee: row.addressee.clone(),
        id,
        record: if row.record.is_empty() { id } else { key::one(&row.record)? },
    })
}
