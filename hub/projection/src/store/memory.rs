//! Committed rows that are in no run yet. What is only looked up by its whole key lies in hash maps; what is walked as well
//! in sorted lists, each at least twice as long as the next newer one: a batch becomes a list, and lists of like length one.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    hash::{BuildKeyHasher, spread},
    rows::{OwnRow, RowRef, Rows, own, point, sorted},
    sorted::{Entry, Sorted},
    walk::Span,
};
use crate::{
    error::StateError,
    key::{self, PointKey},
};

type Points = HashMap<PointKey, Value, BuildKeyHasher>;

const SHARDS: usize = 32;
/// What a row costs in memory beside its bytes, roughly.
const ROW_BYTES: usize = 48;

/// A committed value, in the buffer of its batch.
struct Value {
    buffer: Arc<Vec<u8>>,
    entry: Entry,
}

impl Value {
    fn get(&self) -> Option<&[u8]> {
        self.entry.value(&self.buffer)
    }
}

/// Committed rows that are in no run yet. One writer, any readers.
pub(super) struct Memory {
    points: [RwLock<Points>; SHARDS],
    /// The newest first.
    walked: RwLock<Vec<Arc<Sorted>>>,
    bytes: AtomicUsize,
    rows: AtomicUsize,
    sought: AtomicUsize,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            points: Default::default(),
            walked: RwLock::default(),
            bytes: AtomicUsize::new(0),
            rows: AtomicUsize::new(0),
            sought: AtomicUsize::new(0),
        }
    }

    /// An empty one with room for as many rows as this one has come to hold, so that maps need not grow.
    pub(super) fn another(&self) -> Self {
        let another = |shard: &RwLock<Points>| {
            let rows = shard.read().unwrap_or_else(PoisonError::into_inner).len();
            RwLock::new(Points::with_capacity_and_hasher(rows, BuildKeyHasher::default()))
        };
        Self { points: std::array::from_fn(|shard| another(&self.points[shard])), ..Self::new() }
    }

    /// Bytes that the rows take, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Rows, or somewhat more where some were written again.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Those of them that are looked up by their whole key.
    pub(super) fn sought(&self) -> usize {
        self.sought.load(Ordering::Relaxed)
    }

    /// What it says of a key: nothing, removed, or its value, handed to `take`.
    pub(super) fn get<R>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<Option<R>> {
        match point(key) {
            Some(point) => {
                let shard = self.points[shard(point)].read().unwrap_or_else(PoisonError::into_inner);
                shard.get(point).map(|value| value.get().map(take))
            }
            None => {
                let lists = self.walked.read().unwrap_or_else(PoisonError::into_inner);
                lists.iter().find_map(|list| list.get(key)).map(|value| value.map(take))
            }
        }
    }

    /// Takes over the rows of a batch; `walked` are those of them that are walked.
    pub(super) fn absorb(&self, batch: &Rows, walked: Arc<Sorted>) {
        let (mut bytes, mut points_taken) = (0, 0);
        for (key, entry) in batch.points() {
            let value = Value { buffer: Arc::clone(batch.buffer()), entry: *entry };
            let mut points = self.points[shard(key)].write().unwrap_or_else(PoisonError::into_inner);
            points.insert(*key, value);
            bytes += key.len() + entry.bytes() + ROW_BYTES;
            points_taken += 1;
        }
        bytes += walked.bytes() + walked.len() * size_of::<Entry>();
        let rows = points_taken + walked.len();
        let sought = points_taken + walked.rows().filter(|(key, _)| key::is_sought(key)).count();
        self.take(walked);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.sought.fetch_add(sought, Ordering::Relaxed);
    }

    /// Adds a list, and makes one of those that are not twice as long as what is newer.
    fn take(&self, mut newest: Arc<Sorted>) {
        if newest.len() == 0 {
            return;
        }
        let mut lists = self.walked();
        let short = lists.iter().position(|older| {
            let merges = older.len() < 2 * newest.len();
            if merges {
                newest = Arc::new(Sorted::merge(&newest, older));
            }
            !merges
        });
        lists.splice(..short.unwrap_or(lists.len()), [newest]);
        *self.walked.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// Rows that are walked, the newest list first.
    pub(super) fn walked(&self) -> Vec<Arc<Sorted>> {
        self.walked.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rows of the hash maps in the span, sorted.
    pub(super) fn points_in(&self, span: &Span) -> Vec<OwnRow> {
        let mut rows = Vec::new();
        for points in &self.points {
            let points = points.read().unwrap_or_else(PoisonError::into_inner);
            let inside = points.iter().filter(|(key, _)| span.holds(&key[..]));
            rows.extend(inside.map(|(key, value)| own((key, value.get()))));
        }
        sorted(rows)
    }

    /// Tells every row, in order; nobody may be writing any more.
    pub(super) fn each(
        &self,
        mut tell: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let shards: Vec<_> =
            self.points.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner)).collect();
        let points = shards.iter().flat_map(|shard| shard.iter());
        let mut points: Vec<_> = points.map(|(key, value)| (first_bytes(key), key, value)).collect();
        points.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.cmp(other.1)));
        let mut points = points.into_iter().map(|(_, key, value)| (&key[..], value.get())).peekable();
        let walked = self.walked().into_iter().reduce(|newer, older| Arc::new(Sorted::merge(&newer, &older)));
        let mut walked = walked.iter().flat_map(|list| list.rows()).peekable();
        // No key is in both: they are of different families.
        let below = |one: Option<&RowRef<'_>>, other: Option<&RowRef<'_>>| match (one, other) {
            (Some(one), Some(other)) => one.0 < other.0,
            (one, _) => one.is_some(),
        };
        loop {
            let next = if below(points.peek(), walked.peek()) { points.next() } else { walked.next() };
            let Some((key, value)) = next else { return Ok(()) };
            tell(key, value)?;
        }
    }
}

fn shard(key: &PointKey) -> usize {
    (spread(key) >> 32) as usize % SHARDS
}

/// The first bytes of a key, so that most comparisons need not go and look for it.
fn first_bytes(key: &PointKey) -> u128 {
    key.first_chunk().map_or(0, |first| u128::from_be_bytes(*first))
}
