//! Rows in memory. What is only looked up by its whole key lies in hash maps, what is walked as well in a sorted one.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    hash::{BuildKeyHasher, spread},
    walk::Span,
};
use crate::key;

/// A value, or `None` where the row is removed.
pub(crate) type Value = Option<Box<[u8]>>;

/// Family byte and id: the key of a row that nobody walks.
type PointKey = [u8; 17];
type Points = HashMap<PointKey, Value, BuildKeyHasher>;
type Ordered = BTreeMap<Vec<u8>, Value>;

const SHARDS: usize = 32;
/// What a row costs in memory beside its bytes, roughly.
const ROW_BYTES: usize = 48;

fn point(key: &[u8]) -> Option<&PointKey> {
    key.first().is_some_and(|family| key::POINT_FAMILIES.contains(family)).then(|| key.try_into().ok())?
}

/// The writes of one batch; not shared while it grows, not changed once it is.
#[derive(Default)]
pub(crate) struct Rows {
    points: Points,
    ordered: Ordered,
}

impl Rows {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Value> {
        match point(key) {
            Some(point) => self.points.get(point),
            None => self.ordered.get(key),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let value = value.map(Vec::into_boxed_slice);
        match point(&key) {
            Some(point) => self.points.insert(*point, value),
            None => self.ordered.insert(key, value),
        };
    }

    pub(crate) fn ordered(&self) -> &Ordered {
        &self.ordered
    }

    /// Rows of the hash map in the span; in no order.
    pub(crate) fn points_in(&self, span: &Span) -> Vec<(Vec<u8>, Value)> {
        let inside = self.points.iter().filter(|(key, _)| span.holds(&key[..]));
        inside.map(|(key, value)| (key.to_vec(), value.clone())).collect()
    }
}

/// Committed rows that are in no run yet. One writer, any readers.
pub(crate) struct Memory {
    points: [RwLock<Points>; SHARDS],
    ordered: RwLock<Ordered>,
    bytes: AtomicUsize,
    rows: AtomicUsize,
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
        self.rows.load(Ordering::Relaxed) == 0
    }

    /// Rows, or somewhat more where some were written again.
    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &[u8]) -> &RwLock<Points> {
        &self.points[(spread(key) >> 32) as usize % SHARDS]
    }

    pub(crate) fn get<R>(&self, key: &[u8], take: impl FnOnce(&Value) -> R) -> Option<R> {
        match point(key) {
            Some(point) => {
                self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(point).map(take)
            }
            None => self.ordered().get(key).map(take),
        }
    }

    /// Takes over the rows of a batch.
    pub(crate) fn absorb(&self, batch: &Rows) {
        for (key, value) in &batch.points {
            let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
            shard.insert(*key, value.clone());
            self.count(key.len(), value);
        }
        let mut ordered = self.ordered.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &batch.ordered {
            ordered.insert(key.clone(), value.clone());
            self.count(key.len(), value);
        }
    }

    fn count(&self, key_bytes: usize, value: &Value) {
        let bytes = key_bytes + value.as_ref().map_or(0, |value| value.len()) + ROW_BYTES;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ordered(&self) -> RwLockReadGuard<'_, Ordered> {
        self.ordered.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows of the hash maps in the span; in no order.
    pub(crate) fn points_in(&self, span: &Span) -> Vec<(Vec<u8>, Value)> {
        let mut rows = Vec::new();
        for shard in &self.points {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let inside = shard.iter().filter(|(key, _)| span.holds(&key[..]));
            rows.extend(inside.map(|(key, value)| (key.to_vec(), value.clone())));
        }
        rows
    }

    /// Everything, in order.
    pub(crate) fn sorted(&self) -> Vec<(Vec<u8>, Value)> {
        let mut rows = self.points_in(&Span { from: Bound::Unbounded, to: Bound::Unbounded });
        rows.extend(self.ordered().iter().map(|(key, value)| (key.clone(), value.clone())));
        rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        rows
    }
}
