//! The writes of one batch. Keys and values lie one behind the other in one buffer, so that a row costs no allocation.

use std::sync::Arc;

use hashbrown::{HashTable, hash_table};

use super::{
    hash::spread,
    sorted::{Entry, Sorted},
    walk::Span,
};
use crate::key::{self, PointKey};

/// Bytes of a row and its key, roughly.
const BYTES_PER_ROW: usize = 96;

/// A key with its value; `None` where the row is removed.
pub(crate) type RowRef<'a> = (&'a [u8], Option<&'a [u8]>);
/// The same, copied.
pub(crate) type OwnRow = (Vec<u8>, Option<Vec<u8>>);

/// The key of a row that is only looked up by its whole key, and never walked.
pub(super) fn point(key: &[u8]) -> Option<&PointKey> {
    key.first().is_some_and(|family| key::POINT_FAMILIES.contains(family)).then(|| key.try_into().ok())?
}

/// The writes of one batch; not shared while it grows, not changed once it is.
#[derive(Default)]
pub(crate) struct Rows {
    /// One row a key.
    entries: Vec<Entry>,
    /// Places in `entries`, by key.
    places: HashTable<u32>,
    buffer: Arc<Vec<u8>>,
}

impl Rows {
    /// An empty batch that is expected to hold so many rows.
    pub(super) fn with_room(rows: usize) -> Self {
        let (entries, places) = (Vec::with_capacity(rows), HashTable::with_capacity(rows));
        Self { entries, places, buffer: Arc::new(Vec::with_capacity(rows * BYTES_PER_ROW)) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The row at a key: nothing, removed, or its value.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let same = |place: &u32| self.entries[*place as usize].key(&self.buffer) == key;
        let place = self.places.find(spread(key), same)?;
        Some(self.entries[*place as usize].value(&self.buffer))
    }

    /// Writes a row; `encode` appends its value.
    pub(crate) fn put(&mut self, key: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
        let buffer = Arc::get_mut(&mut self.buffer).expect("a batch that grows is not shared");
        let start = buffer.len();
        buffer.extend_from_slice(key);
        encode(buffer);
        let value = buffer.len() - start - key.len();
        self.note(key, Entry::new(key, start, Some(value)));
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let buffer = Arc::get_mut(&mut self.buffer).expect("a batch that grows is not shared");
        let start = buffer.len();
        buffer.extend_from_slice(key);
        self.note(key, Entry::new(key, start, None));
    }

    fn note(&mut self, key: &[u8], entry: Entry) {
        let Self { entries, places, buffer } = self;
        let same = |place: &u32| entries[*place as usize].key(buffer) == key;
        let hash = |place: &u32| spread(entries[*place as usize].key(buffer));
        match places.entry(spread(key), same, hash) {
            hash_table::Entry::Occupied(place) => entries[*place.get() as usize] = entry,
            hash_table::Entry::Vacant(place) => {
                place.insert(entries.len() as u32);
                entries.push(entry);
            }
        }
    }

    pub(super) fn buffer(&self) -> &Arc<Vec<u8>> {
        &self.buffer
    }

    /// Rows that are only looked up.
    pub(super) fn points(&self) -> impl Iterator<Item = (&PointKey, &Entry)> {
        self.entries.iter().filter_map(|entry| Some((point(entry.key(&self.buffer))?, entry)))
    }

    /// Those of them in the span, sorted.
    pub(super) fn points_in(&self, span: &Span) -> Vec<OwnRow> {
        let inside = self.points().filter(|(key, _)| span.holds(&key[..]));
        sorted(inside.map(|(key, entry)| own((key, entry.value(&self.buffer)))).collect())
    }

    /// Rows that are walked.
    pub(super) fn walked(&self) -> Sorted {
        let walked = self.entries.iter().filter(|entry| point(entry.key(&self.buffer)).is_none());
        Sorted::of(walked.copied().collect(), Arc::clone(&self.buffer))
    }
}

pub(super) fn own((key, value): RowRef<'_>) -> OwnRow {
    (key.to_vec(), value.map(<[u8]>::to_vec))
}

pub(super) fn sorted(mut rows: Vec<OwnRow>) -> Vec<OwnRow> {
    rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    rows
}
