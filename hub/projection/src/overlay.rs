//! What a batch has written so far, over what the store holds. Rows are in clear here and are sealed when committed.

use std::collections::BTreeMap;

use prost::Message;

use crate::{
    error::StateError,
    key::Blind,
    row,
    state::{Row, State},
};

/// The store as a projection sees it: reads see the batch's own writes, nothing is on disk before the commit.
pub struct Overlay<'a> {
    state: &'a State,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        Self { state, writes: BTreeMap::new() }
    }

    /// The row at a key.
    ///
    /// # Errors
    /// The store.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.state.get(key),
        }
    }

    /// Writes a row.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// Removes a row.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// All rows of a prefix, in the order of their keys.
    ///
    /// # Errors
    /// The store.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StateError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.state.scan(prefix).collect::<Result<_, _>>()?;
        let written = self.writes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        for (key, value) in written {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    pub(crate) fn blind(&self) -> &'a Blind {
        &self.state.blind
    }

    pub(crate) fn row<R: Message + Default>(&self, key: &[u8]) -> Result<Option<R>, StateError> {
        match self.writes.get(key) {
            Some(written) => written.as_deref().map(row::decode).transpose(),
            None => self.state.row(key),
        }
    }

    pub(crate) fn put_row(&mut self, key: Vec<u8>, row: &impl Message) {
        self.put(key, row::encode(row));
    }

    /// Writes a row unless the same one stands there.
    pub(crate) fn put_if_other(&mut self, key: Vec<u8>, row: &impl Message) -> Result<(), StateError> {
        let bytes = row::encode(row);
        if self.get(&key)?.as_deref() != Some(&bytes) {
            self.put(key, bytes);
        }
        Ok(())
    }

    pub(crate) fn into_writes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.writes
    }
}
