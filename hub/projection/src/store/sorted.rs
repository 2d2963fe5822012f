//! Rows in the order of their keys, never changed once they are there. Two such lists make a third.

use std::{cmp::Ordering, sync::Arc};

use super::{rows::RowRef, walk::Span};

/// Length that says: the row is removed.
const REMOVED: u32 = u32::MAX;

/// Where a row lies: in some buffer its key, and behind it its value.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// The first bytes of the key, so that most comparisons need not go and look for it.
    first: [u64; 2],
    /// Number of the buffer in its list.
    buffer: u32,
    start: u32,
    key: u32,
    value: u32,
}

impl Entry {
    /// A row of a batch; `value` is the length, `None` where the row is removed.
    pub(super) fn new(key: &[u8], start: usize, value: Option<usize>) -> Self {
        let mut first = [0; 16];
        let length = key.len().min(16);
        first[..length].copy_from_slice(&key[..length]);
        let first = u128::from_be_bytes(first);
        Self {
            first: [(first >> 64) as u64, first as u64],
            buffer: 0,
            start: start as u32,
            key: key.len() as u32,
            value: value.map_or(REMOVED, |length| length as u32),
        }
    }

    pub(super) fn key<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.start as usize..][..self.key as usize]
    }

    pub(super) fn value<'a>(&self, buffer: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.start as usize + self.key as usize;
        (self.value != REMOVED).then(|| &buffer[start..start + self.value as usize])
    }

    /// Bytes of key and value.
    pub(super) fn bytes(&self) -> usize {
        self.key as usize + if self.value == REMOVED { 0 } else { self.value as usize }
    }
}

/// Rows in the order of their keys, each key once.
pub(super) struct Sorted {
    entries: Vec<Entry>,
    buffers: Vec<Arc<Vec<u8>>>,
}

impl Sorted {
    /// Of the rows of one batch.
    pub(super) fn of(mut entries: Vec<Entry>, buffer: Arc<Vec<u8>>) -> Self {
        entries.sort_unstable_by(|one, other| {
            one.first.cmp(&other.first).then_with(|| one.key(&buffer).cmp(other.key(&buffer)))
        });
        Self { entries, buffers: vec![buffer] }
    }

    /// Both together; where they have the same key, the newer row.
    pub(super) fn merge(newer: &Self, older: &Self) -> Self {
        let buffers: Vec<_> = newer.buffers.iter().chain(&older.buffers).map(Arc::clone).collect();
        let mut entries = Vec::with_capacity(newer.len() + older.len());
        let from_older =
            |entry: &Entry| Entry { buffer: entry.buffer + newer.buffers.len() as u32, ..*entry };
        let (mut new, mut old) = (&newer.entries[..], &older.entries[..]);
        while let ([one, new_rest @ ..], [other, old_rest @ ..]) = (new, old) {
            let order = one.first.cmp(&other.first).then_with(|| newer.key(one).cmp(older.key(other)));
            if order == Ordering::Greater {
                entries.push(from_older(other));
                old = old_rest;
            } else {
                entries.push(*one);
                new = new_rest;
                if order == Ordering::Equal {
                    old = old_rest;
                }
            }
        }
        entries.extend_from_slice(new);
        entries.extend(old.iter().map(from_older));
        Self { entries, buffers }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(Entry::bytes).sum()
    }

    /// The row at a key: nothing, removed, or its value.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let sought = Entry::new(key, 0, None);
        let order = |entry: &Entry| entry.first.cmp(&sought.first).then_with(|| self.key(entry).cmp(key));
        let place = self.entries.binary_search_by(order).ok()?;
        Some(self.row(&self.entries[place]).1)
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = RowRef<'_>> {
        self.entries.iter().map(|entry| self.row(entry))
    }

    /// Rows of the span.
    pub(super) fn within(&self, span: &Span) -> impl DoubleEndedIterator<Item = RowRef<'_>> + use<'_> {
        let from = self.entries.partition_point(|entry| !span.begins(self.key(entry)));
        let inside = self.entries[from..].partition_point(|entry| span.ends(self.key(entry)));
        self.entries[from..from + inside].iter().map(|entry| self.row(entry))
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        entry.key(&self.buffers[entry.buffer as usize])
    }

    fn row(&self, entry: &Entry) -> RowRef<'_> {
        (self.key(entry), entry.value(&self.buffers[entry.buffer as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::Rows;

    fn list(rows: &[(&[u8], Option<&[u8]>)]) -> Sorted {
        let mut batch = Rows::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.put(key, |buffer| buffer.extend_from_slice(value)),
                None => batch.remove(key),
            }
        }
        batch.walked()
    }

    #[test]
    fn keys_that_begin_alike_stand_in_order() {
        // Zeros behind the end of a short key are not the bytes of a longer one.
        let keys: [&[u8]; 6] =
            [b"F", b"F\0", b"F\0\0", b"Q234567890123456", b"Q2345678901234560", b"Q23456789012345x"];
        let mut rows: Vec<_> = keys.iter().rev().map(|key| (*key, Some(*key))).collect();
        rows.push((b"F\0", Some(b"again")));
        let list = list(&rows);
        assert_eq!(list.rows().map(|(key, _)| key).collect::<Vec<_>>(), keys);
        assert_eq!(list.get(b"F\0"), Some(Some(&b"again"[..])), "the last write of a batch stands");
        assert_eq!((list.get(b"F\0\0\0"), list.get(b"Q2345678901234561")), (None, None));
        let within: Vec<_> = list.within(&Span::prefix(b"Q234567890123456")).map(|(key, _)| key).collect();
        assert_eq!(within, &keys[3..5]);
    }

    #[test]
    fn of_two_lists_the_newer_is_right() {
        let newer = list(&[(b"Ka", Some(b"new")), (b"Kc", None), (b"Kd", Some(b"new"))]);
        let older = list(&[(b"Ka", Some(b"old")), (b"Kb", Some(b"old")), (b"Kc", Some(b"old"))]);
        let both = Sorted::merge(&newer, &older);
        let rows: Vec<RowRef<'_>> = both.rows().collect();
        let right: [RowRef<'_>; 4] =
            [(b"Ka", Some(b"new")), (b"Kb", Some(b"old")), (b"Kc", None), (b"Kd", Some(b"new"))];
        assert_eq!(rows, right);
        let thrice = Sorted::merge(&both, &list(&[(b"Kb", Some(b"oldest")), (b"Ke", Some(b"oldest"))]));
        assert_eq!(
            (thrice.get(b"Kb"), thrice.get(b"Ke")),
            (Some(Some(&b"old"[..])), Some(Some(&b"oldest"[..])))
        );
    }
}
