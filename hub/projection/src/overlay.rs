//! What a batch has written so far, over what the store holds.

use std::sync::Arc;

use prost::Message;

use crate::{
    error::StateError,
    key::Blind,
    row,
    store::{Rows, Store, Tables},
};

/// The store as a projection sees it: reads see the batch's own writes, nothing is visible to others before the commit.
pub struct Overlay<'a> {
    store: &'a Store,
    tables: Arc<Tables>,
    blind: &'a Blind,
    writes: Rows,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(store: &'a Store, blind: &'a Blind) -> Self {
        Self { store, tables: store.tables(), blind, writes: store.batch() }
    }

    /// Hands the value of the row at a key to `take`.
    fn with<R>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, StateError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.map(take)),
            None => self.store.get_in(&self.tables, key, take),
        }
    }

    /// The row at a key.
    ///
    /// # Errors
    /// The store.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.with(key, <[u8]>::to_vec)
    }

    /// Whether there is a row at a key.
    ///
    /// # Errors
    /// The store.
    pub fn has(&self, key: &[u8]) -> Result<bool, StateError> {
        Ok(self.with(key, |_| ())?.is_some())
    }

    /// Writes a row.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.writes.put(key, |buffer| buffer.extend_from_slice(value));
    }

    /// Removes a row.
    pub fn delete(&mut self, key: &[u8]) {
        self.writes.remove(key);
    }

    pub(crate) fn blind(&self) -> &'a Blind {
        self.blind
    }

    pub(crate) fn row<R: Message + Default>(&self, key: &[u8]) -> Result<Option<R>, StateError> {
        self.with(key, row::decode)?.transpose()
    }

    pub(crate) fn put_row(&mut self, key: &[u8], row: &impl Message) {
        self.writes.put(key, |buffer| row::append(row, buffer));
    }

    /// Writes a row unless the same one stands there.
    pub(crate) fn put_if_other(&mut self, key: &[u8], row: &impl Message) -> Result<(), StateError> {
        let bytes = row::encode(row);
        if self.with(key, |known| known == bytes)? != Some(true) {
            self.put(key, &bytes);
        }
        Ok(())
    }

    /// What was written. The overlay is of no more use: the store it reads is the one before the commit.
    pub(crate) fn take_writes(&mut self) -> Rows {
        std::mem::take(&mut self.writes)
    }
}
