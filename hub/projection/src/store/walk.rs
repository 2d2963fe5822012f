//! Walking rows in order over several sources, of which the first that has a key is right.

use std::ops::{Bound, RangeBounds};

use super::rows::RowRef;
use crate::{error::StateError, key};

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Bound<Vec<u8>>,
    pub(crate) to: Bound<Vec<u8>>,
}

impl Span {
    pub(crate) fn of(range: impl RangeBounds<Vec<u8>>) -> Self {
        Self { from: range.start_bound().cloned(), to: range.end_bound().cloned() }
    }

    /// All keys that begin so.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        let to = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Self { from: Bound::Included(prefix.to_vec()), to }
    }

    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.begins(key) && self.ends(key)
    }

    /// Whether the key is not below the span.
    pub(crate) fn begins(&self, key: &[u8]) -> bool {
        match &self.from {
            Bound::Included(from) => key >= &from[..],
            Bound::Excluded(from) => key > &from[..],
            Bound::Unbounded => true,
        }
    }

    /// Whether the key is not above the span.
    pub(crate) fn ends(&self, key: &[u8]) -> bool {
        match &self.to {
            Bound::Included(to) => key <= &to[..],
            Bound::Excluded(to) => key < &to[..],
            Bound::Unbounded => true,
        }
    }

    /// No key can lie in it.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to)) => {
                from >= to
            }
            _ => false,
        }
    }

    /// Whether rows that lie in hash maps can be in it.
    pub(crate) fn meets_points(&self) -> bool {
        let first = |bound: &Bound<Vec<u8>>, open: u8| match bound {
            Bound::Included(key) | Bound::Excluded(key) => key.first().copied().unwrap_or(0),
            Bound::Unbounded => open,
        };
        let (from, to) = (first(&self.from, 0), first(&self.to, u8::MAX));
        key::POINT_FAMILIES.iter().any(|family| (from..=to).contains(family))
    }
}

/// One source of rows, standing on a row or at its end.
pub(crate) trait Cursor {
    fn key(&self) -> Option<&[u8]>;
    /// The value of the row it stands on; `None`: the row is removed.
    fn value(&self) -> Option<&[u8]>;
    fn step(&mut self) -> Result<(), StateError>;
}

/// Rows in memory.
pub(crate) struct MemoryCursor<'a> {
    at: Option<RowRef<'a>>,
    rest: Box<dyn Iterator<Item = RowRef<'a>> + 'a>,
}

impl<'a> MemoryCursor<'a> {
    pub(crate) fn new(mut rows: impl DoubleEndedIterator<Item = RowRef<'a>> + 'a, back: bool) -> Self {
        if back {
            Self { at: rows.next_back(), rest: Box::new(rows.rev()) }
        } else {
            Self { at: rows.next(), rest: Box::new(rows) }
        }
    }
}

impl Cursor for MemoryCursor<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.at.map(|(key, _)| key)
    }

    fn value(&self) -> Option<&[u8]> {
        self.at.and_then(|(_, value)| value)
    }

    fn step(&mut self) -> Result<(), StateError> {
        self.at = self.rest.next();
        Ok(())
    }
}

/// Sources merged, the newest first among them.
pub(crate) struct Merge<'a> {
    pub(crate) sources: Vec<Box<dyn Cursor + 'a>>,
    pub(crate) back: bool,
}

impl Merge<'_> {
    /// Tells every key once with what the newest source has there, until told to stop (`false`).
    pub(crate) fn each(
        &mut self,
        mut tell: impl FnMut(&[u8], Option<&[u8]>) -> Result<bool, StateError>,
    ) -> Result<(), StateError> {
        let mut older = Vec::with_capacity(self.sources.len());
        while let Some(newest) = self.select(&mut older) {
            for same in older.drain(..) {
                self.sources[same].step()?;
            }
            let source = &mut self.sources[newest];
            let key = source.key().expect("a selected source stands on a row");
            if !tell(key, source.value())? {
                return Ok(());
            }
            source.step()?;
        }
        Ok(())
    }

    /// The source to go on with, and the older ones that stand on the same key.
    fn select(&self, older: &mut Vec<usize>) -> Option<usize> {
        let mut best: Option<(usize, &[u8])> = None;
        older.clear();
        for (number, source) in self.sources.iter().enumerate() {
            let Some(key) = source.key() else { continue };
            let order = best.map_or(std::cmp::Ordering::Less, |(_, known)| key.cmp(known));
            match if self.back && best.is_some() { order.reverse() } else { order } {
                std::cmp::Ordering::Less => {
                    best = Some((number, key));
                    older.clear();
                }
                std::cmp::Ordering::Equal => older.push(number),
                std::cmp::Ordering::Greater => {}
            }
        }
        best.map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(Span::prefix(b"E\xff").to, Bound::Excluded(b"F".to_vec()));
        assert_eq!(Span::prefix(b"").to, Bound::Unbounded);
        assert!(Span::prefix(b"K").holds(b"K\xff\xff") && !Span::prefix(b"K").holds(b"L"));
        assert!(Span::prefix(b"P").meets_points() && !Span::prefix(b"F").meets_points());
    }

    #[test]
    fn the_newest_source_is_right_in_both_directions() {
        let new: [RowRef<'_>; 2] = [(b"a", Some(b"new")), (b"c", None)];
        let old: [RowRef<'_>; 3] = [(b"a", Some(b"old")), (b"b", Some(b"old")), (b"c", Some(b"old"))];
        for back in [false, true] {
            let sources: Vec<Box<dyn Cursor>> = vec![
                Box::new(MemoryCursor::new(new.into_iter(), back)),
                Box::new(MemoryCursor::new(old.into_iter(), back)),
            ];
            let mut told = Vec::new();
            let tell = |key: &[u8], value: Option<&[u8]>| {
                told.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                Ok(true)
            };
            Merge { sources, back }.each(tell).unwrap();
            if back {
                told.reverse();
            }
            let text = |bytes: &[u8]| bytes.to_vec();
            let right =
                [(text(b"a"), Some(text(b"new"))), (text(b"b"), Some(text(b"old"))), (text(b"c"), None)];
            assert_eq!(told, right);
        }
    }
}
