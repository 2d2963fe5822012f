//! The stored hashes of the Merkle tree: one flat file of 32-byte digests in order of completion, derived from the log
//! and never flushed on the append path. What is newest is kept in memory, so that receipts need no disk.
//!
//! A power cut may leave holes in what was not flushed, which no look at the newest hashes would show. So the file is
//! flushed before a sealed segment's index gets its name: an index file says that the hashes of its leaves are durable.

use std::{io, path::Path, sync::Arc};

use simpul_tlog::stored::{self, Frontier, HashReader};
use simpul_types::Digest;

use crate::disk::{self, File};

/// Hashes kept in memory behind the newest; enough for the proofs of everything in flight.
const TAIL_HASHES_MAX: usize = 1 << 16;

pub(crate) struct TreeStore {
    file: Arc<File>,
    /// Nothing is written: what the file lacks stays in memory.
    read_only: bool,
    /// Hashes that are in the file for certain.
    written: u64,
    /// Index of the first hash in `tail`.
    tail_from: u64,
    tail: Vec<Digest>,
}

impl TreeStore {
    /// `written` hashes of the file are known to be right; the rest is dropped.
    pub(crate) fn new(file: File, written: u64, read_only: bool) -> Self {
        Self { file: Arc::new(file), read_only, written, tail_from: written, tail: Vec::new() }
    }

    pub(crate) fn push(&mut self, hashes: &[Digest]) {
        self.tail.extend_from_slice(hashes);
    }

    /// Brings the file up to date. What could not be written stays in memory and is tried again with the next frame.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        let from = (self.written - self.tail_from) as usize;
        let bytes = self.tail[from..].as_flattened();
        self.file.write_all_at(bytes, self.written * 32)?;
        self.written = self.tail_from + self.tail.len() as u64;
        if self.tail.len() > 2 * TAIL_HASHES_MAX {
            let drop = self.tail.len() - TAIL_HASHES_MAX;
            self.tail.drain(..drop);
            self.tail_from += drop as u64;
        }
        Ok(())
    }

    /// The file, if it holds at least `count` hashes: whoever flushes it need not hold the store meanwhile.
    pub(crate) fn file_with(&self, count: u64) -> Option<Arc<File>> {
        (self.written >= count).then(|| Arc::clone(&self.file))
    }

    /// Begins with no hashes in a new file beside the old one, which stays until [`Self::take_name`].
    pub(crate) fn begin_anew(&mut self, path: &Path) -> io::Result<()> {
        if !self.read_only {
            self.file = Arc::new(File::create(path)?);
        }
        self.reset(0)
    }

    /// Gives the flushed new file its name; durable with the next flush of its folder.
    pub(crate) fn take_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.read_only { Ok(()) } else { disk::rename(from, to) }
    }

    /// Makes what was written durable.
    pub(crate) fn flush(&self) -> io::Result<()> {
        if self.read_only { Ok(()) } else { self.file.sync_data() }
    }

    /// Forgets everything from `count` hashes on, in the file too.
    pub(crate) fn reset(&mut self, count: u64) -> io::Result<()> {
        if !self.read_only {
            self.file.set_size(count * 32)?;
        }
        (self.written, self.tail_from) = (count, count);
        self.tail.clear();
        Ok(())
    }

    /// Goes on from `count` hashes; what the file holds beyond stays until it is written over.
    pub(crate) fn go_on_from(&mut self, count: u64) {
        (self.written, self.tail_from) = (count, count);
        self.tail.clear();
    }

    /// Hashes that the file holds beyond those that are known to be right.
    pub(crate) fn read_beyond(&self, indexes: std::ops::Range<u64>) -> io::Result<Vec<Digest>> {
        let mut hashes = vec![[0; 32]; (indexes.end - indexes.start) as usize];
        self.file.read_exact_at(hashes.as_flattened_mut(), indexes.start * 32)?;
        Ok(hashes)
    }

    /// Writes hashes anew where the file has others; gives how many.
    pub(crate) fn mend(&self, first: u64, right: &[Digest]) -> io::Result<u64> {
        let held = self.written.saturating_sub(first).min(right.len() as u64) as usize;
        let stored = self.read_beyond(first..first + held as u64)?;
        let wrong = stored.iter().zip(right).filter(|(stored, right)| stored != right).count() as u64;
        if wrong > 0 && !self.read_only {
            self.file.write_all_at(right[..held].as_flattened(), first * 32)?;
        }
        Ok(wrong)
    }

    /// The frontier of the tree of `size` leaves, if the file holds its hashes and they give this root.
    pub(crate) fn frontier(&self, size: u64, root: &Digest) -> Option<Frontier> {
        let held = self.file.size().ok()? / 32;
        if held.max(self.tail_from + self.tail.len() as u64) < stored::stored_count(size) {
            return None;
        }
        Frontier::load(size, self).ok().filter(|frontier| frontier.root() == *root)
    }
}

impl HashReader for TreeStore {
    type Error = io::Error;

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, io::Error> {
        indexes
            .iter()
            .map(|&index| match index.checked_sub(self.tail_from) {
                Some(at) if (at as usize) < self.tail.len() => Ok(self.tail[at as usize]),
                _ => {
                    let mut hash = [0; 32];
                    self.file.read_exact_at(&mut hash, index * 32)?;
                    Ok(hash)
                }
            })
            .collect()
    }
}
