//! A page: rows one after the other, in the order of their keys. Sealed as a whole before it meets the disk.
//!
//! | per row | bytes |
//! |---|---|
//! | length of the key | varint |
//! | length of the value + 1; 0: the row is removed | varint |
//! | key, value | |

use std::sync::Arc;

use prost::encoding::{decode_varint, encode_varint};

use crate::error::StateError;

/// Bytes of rows in one page: what a look-up reads and opens.
pub(crate) const PAGE_BYTES: usize = 4 << 10;

/// Appends a row.
pub(crate) fn push(page: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    encode_varint(key.len() as u64, page);
    encode_varint(value.map_or(0, |value| value.len() as u64 + 1), page);
    page.extend_from_slice(key);
    page.extend_from_slice(value.unwrap_or_default());
}

/// Takes a row off the front.
fn pop<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), StateError> {
    let key = decode_varint(rest).map_err(|_| StateError::Row)? as usize;
    let value = decode_varint(rest).map_err(|_| StateError::Row)? as usize;
    let (key, after) = rest.split_at_checked(key).ok_or(StateError::Row)?;
    let (bytes, after) = after.split_at_checked(value.saturating_sub(1)).ok_or(StateError::Row)?;
    *rest = after;
    Ok((key, (value > 0).then_some(bytes)))
}

/// Key of the first row.
pub(crate) fn first_key(page: &[u8]) -> Result<&[u8], StateError> {
    let mut rest = page;
    pop(&mut rest).map(|(key, _)| key)
}

/// The row at a key: nothing, removed, or its value.
pub(crate) fn find<'a>(page: &'a [u8], key: &[u8]) -> Result<Option<Option<&'a [u8]>>, StateError> {
    let mut rest = page;
    while !rest.is_empty() {
        let (found, value) = pop(&mut rest)?;
        match found.cmp(key) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Ok(Some(value)),
            std::cmp::Ordering::Greater => break,
        }
    }
    Ok(None)
}

/// A page with the places of its rows, to be walked either way.
#[derive(Default)]
pub(crate) struct Page {
    bytes: Arc<[u8]>,
    rows: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    key: u32,
    value: u32,
    end: u32,
    live: bool,
}

impl Page {
    pub(crate) fn read(bytes: Arc<[u8]>) -> Result<Self, StateError> {
        let mut rows = Vec::with_capacity(bytes.len() / 48);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (key, value) = pop(&mut rest)?;
            let end = bytes.len() - rest.len();
            let start = end - value.map_or(0, <[u8]>::len);
            rows.push(Place {
                key: (start - key.len()) as u32,
                value: start as u32,
                end: end as u32,
                live: value.is_some(),
            });
        }
        Ok(Self { bytes, rows })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn key(&self, at: usize) -> &[u8] {
        let place = self.rows[at];
        &self.bytes[place.key as usize..place.value as usize]
    }

    pub(crate) fn value(&self, at: usize) -> Option<&[u8]> {
        let place = self.rows[at];
        place.live.then(|| &self.bytes[place.value as usize..place.end as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_a_page_and_a_cut_page_is_an_error() {
        let mut bytes = Vec::new();
        push(&mut bytes, b"a", Some(b"1"));
        push(&mut bytes, b"bb", None);
        push(&mut bytes, b"c", Some(b""));
        assert_eq!(bytes, b"\x01\x02a1\x02\x00bb\x01\x01c", "golden vector of the page format");
        assert_eq!(find(&bytes, b"a").unwrap(), Some(Some(&b"1"[..])));
        assert_eq!(find(&bytes, b"bb").unwrap(), Some(None));
        assert_eq!(find(&bytes, b"b").unwrap(), None);
        let page = Page::read(bytes.clone().into()).unwrap();
        let rows: Vec<_> = (0..page.len()).map(|at| (page.key(at), page.value(at))).collect();
        assert_eq!(rows, [(&b"a"[..], Some(&b"1"[..])), (b"bb", None), (b"c", Some(b""))]);
        assert!(Page::read(bytes[..bytes.len() - 1].into()).is_err());
    }
}
