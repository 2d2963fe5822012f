//! Rows in memory. What is only looked up by its whole key lies in hash maps, what is walked as well in a sorted one; the
//! values of a batch lie in one buffer, so that a row costs no allocation.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    hash::{BuildKeyHasher, spread},
    walk::Span,
};
use crate::{
    error::StateError,
    key::{self, PointKey},
};

type Points<V> = HashMap<PointKey, V, BuildKeyHasher>;
type Ordered<V> = BTreeMap<Vec<u8>, V>;

const SHARDS: usize = 32;
/// What a row costs in memory beside its bytes, roughly.
const ROW_BYTES: usize = 48;
/// Length that says: the row is removed.
const REMOVED: u32 = u32::MAX;

fn point(key: &[u8]) -> Option<&PointKey> {
    key.first().is_some_and(|family| key::POINT_FAMILIES.contains(family)).then(|| key.try_into().ok())?
}

/// Where a value lies in its batch's buffer.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    start: u32,
    length: u32,
}

impl Slot {
    fn of(self, buffer: &[u8]) -> Option<&[u8]> {
        let start = self.start as usize;
        (self.length != REMOVED).then(|| &buffer[start..start + self.length as usize])
    }

    fn bytes(self) -> usize {
        if self.length == REMOVED { 0 } else { self.length as usize }
    }
}

/// The writes of one batch; not shared while it grows, not changed once it is.
#[derive(Default)]
pub(crate) struct Rows {
    points: Points<Slot>,
    ordered: Ordered<Slot>,
    buffer: Arc<Vec<u8>>,
}

impl Rows {
    /// The row at a key: nothing, removed, or its value.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let slot = match point(key) {
            Some(point) => self.points.get(point),
            None => self.ordered.get(key),
        };
        slot.map(|slot| slot.of(&self.buffer))
    }

    /// Writes a row; `encode` appends its value.
    pub(crate) fn put(&mut self, key: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
        let buffer = Arc::get_mut(&mut self.buffer).expect("a batch that grows is not shared");
        let start = buffer.len();
        encode(buffer);
        let slot = Slot { start: start as u32, length: (buffer.len() - start) as u32 };
        self.insert(key, slot);
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.insert(key, Slot { start: 0, length: REMOVED });
    }

    fn insert(&mut self, key: &[u8], slot: Slot) {
        match point(key) {
            Some(point) => self.points.insert(*point, slot),
            None => self.ordered.insert(key.to_vec(), slot),
        };
    }

    /// Rows of the sorted map in the span.
    pub(crate) fn ordered_in<'a>(
        &'a self,
        span: &Span,
    ) -> impl DoubleEndedIterator<Item = RowRef<'a>> + use<'a> {
        let rows = self.ordered.range::<Vec<u8>, _>(span.bounds());
        rows.map(|(key, slot)| (&key[..], slot.of(&self.buffer)))
    }

    /// Rows of the hash map in the span, sorted.
    pub(crate) fn points_in(&self, span: &Span) -> Vec<OwnRow> {
        let inside = self.points.iter().filter(|(key, _)| span.holds(&key[..]));
        sorted(inside.map(|(key, slot)| own(key, slot.of(&self.buffer))).collect())
    }
}

/// A key with its value; `None` where the row is removed.
pub(crate) type RowRef<'a> = (&'a [u8], Option<&'a [u8]>);
type OwnRow = (Vec<u8>, Option<Vec<u8>>);

fn own(key: &[u8], value: Option<&[u8]>) -> OwnRow {
    (key.to_vec(), value.map(<[u8]>::to_vec))
}

fn sorted(mut rows: Vec<OwnRow>) -> Vec<OwnRow> {
    rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    rows
}

/// A committed value, in the buffer of its batch.
struct Value {
    buffer: Arc<Vec<u8>>,
    slot: Slot,
}

impl Value {
    fn get(&self) -> Option<&[u8]> {
        self.slot.of(&self.buffer)
    }
}

/// Committed rows that are in no run yet. One writer, any readers.
pub(crate) struct Memory {
    points: [RwLock<Points<Value>>; SHARDS],
    ordered: RwLock<Ordered<Value>>,
    bytes: AtomicUsize,
    rows: AtomicUsize,
}

/// The sorted rows of a memory, while nobody writes to them.
pub(crate) struct Sorted<'a>(RwLockReadGuard<'a, Ordered<Value>>);

impl Sorted<'_> {
    pub(crate) fn within(&self, span: &Span) -> impl DoubleEndedIterator<Item = RowRef<'_>> + use<'_> {
        self.0.range::<Vec<u8>, _>(span.bounds()).map(|(key, value)| (&key[..], value.get()))
    }
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            points: Default::default(),
            ordered: RwLock::default(),
            bytes: AtomicUsize::new(0),
            rows: AtomicUsize::new(0),
        }
    }

    /// Bytes that the rows take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Rows, or somewhat more where some were written again.
    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// What it says of a key: nothing, removed, or its value, handed to `take`.
    pub(crate) fn get<R>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<Option<R>> {
        match point(key) {
            Some(point) => {
                let shard = self.points[shard(point)].read().unwrap_or_else(PoisonError::into_inner);
                shard.get(point).map(|value| value.get().map(take))
            }
            None => self.sorted().0.get(key).map(|value| value.get().map(take)),
        }
    }

    /// Takes over the rows of a batch.
    pub(crate) fn absorb(&self, batch: &Rows) {
        let value = |slot: &Slot| Value { buffer: Arc::clone(&batch.buffer), slot: *slot };
        let mut bytes = 0;
        for (key, slot) in &batch.points {
            let mut points = self.points[shard(key)].write().unwrap_or_else(PoisonError::into_inner);
            points.insert(*key, value(slot));
            bytes += key.len() + slot.bytes() + ROW_BYTES;
        }
        let mut ordered = self.ordered.write().unwrap_or_else(PoisonError::into_inner);
        for (key, slot) in &batch.ordered {
            ordered.insert(key.clone(), value(slot));
            bytes += 2 * key.len() + slot.bytes() + ROW_BYTES;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(batch.points.len() + batch.ordered.len(), Ordering::Relaxed);
    }

    pub(crate) fn sorted(&self) -> Sorted<'_> {
        Sorted(self.ordered.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rows of the hash maps in the span, sorted.
    pub(crate) fn points_in(&self, span: &Span) -> Vec<OwnRow> {
        let mut rows = Vec::new();
        for points in &self.points {
            let points = points.read().unwrap_or_else(PoisonError::into_inner);
            let inside = points.iter().filter(|(key, _)| span.holds(&key[..]));
            rows.extend(inside.map(|(key, value)| own(key, value.get())));
        }
        sorted(rows)
    }

    /// Tells every row, in order; nobody may be writing any more.
    pub(crate) fn each(
        &self,
        mut tell: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let shards: Vec<_> =
            self.points.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let ordered = self.sorted();
        let points = shards.iter().flat_map(|shard| shard.iter()).map(|(key, value)| (&key[..], value));
        let walked = ordered.0.iter().map(|(key, value)| (&key[..], value));
        // The first bytes beside the row, so that most comparisons need not go and look for them.
        let mut rows: Vec<_> =
            points.chain(walked).map(|(key, value)| (first_bytes(key), key, value)).collect();
        rows.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.cmp(other.1)));
        rows.into_iter().try_for_each(|(_, key, value)| tell(key, value.get()))
    }
}

fn shard(key: &PointKey) -> usize {
    (spread(key) >> 32) as usize % SHARDS
}

fn first_bytes(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let length = key.len().min(16);
    first[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(first)
}
