//! Reading the access log back, in order, with a filter.

use bytes::Bytes;
use prost::Message;
use simpul_log::{ReadError, Reader, Scan, StoredLeaf};
use simpul_proto::v1;
use simpul_types::{AgencyCode, LeafIndex, Position};

/// Which entries are wanted; the default is all.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Only what this agency asked.
    pub agency: Option<AgencyCode>,
    /// Only this action, for example `legality.check`.
    pub action: Option<String>,
}

impl EntryFilter {
    fn takes(&self, entry: &v1::AccessEntry) -> bool {
        self.agency.as_ref().is_none_or(|agency| agency.as_str() == entry.agency)
            && self.action.as_ref().is_none_or(|action| *action == entry.action)
    }
}

/// Why an entry could not be given.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The log could not be read.
    #[error("the access log could not be read")]
    Read(#[from] ReadError),
    /// A leaf that is not an access entry of a known version.
    #[error("entry {0} of the access log does not decode")]
    Decode(u64),
}

/// The entries of an index range that pass a filter, oldest first. Blocking.
pub struct Entries {
    scan: Scan,
    frame: std::vec::IntoIter<StoredLeaf>,
    until: u64,
    filter: EntryFilter,
}

/// Entries `from..until` of the access log; an end beyond the acknowledged one means that one.
pub fn entries(reader: &Reader, from: u64, until: u64, filter: EntryFilter) -> Entries {
    // Every entry has exactly one record, so its index is also its position.
    let until = until.min(reader.head().size.get());
    Entries { scan: reader.scan(Position::new(from)), frame: Vec::new().into_iter(), until, filter }
}

impl Iterator for Entries {
    type Item = Result<(u64, v1::AccessEntry), EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(leaf) = self.frame.next() else {
                if self.scan.position().get() >= self.until {
                    return None;
                }
                match self.scan.next_frame() {
                    Ok(Some(leaves)) => self.frame = leaves.into_iter(),
                    Ok(None) => return None,
                    Err(error) => {
                        self.until = 0;
                        return Some(Err(error.into()));
                    }
                }
                continue;
            };
            let index = leaf.index.get();
            if index >= self.until {
                return None;
            }
            match decode(&leaf.bytes) {
                Some(entry) if self.filter.takes(&entry) => return Some(Ok((index, entry))),
                Some(_) => {}
                None => return Some(Err(EntryError::Decode(index))),
            }
        }
    }
}

/// Index of the first entry that may be as young as that: entries stand in the order of their flushes, so their times go back
/// by less than a minute.
pub(crate) fn first_since(reader: &Reader, since_us: i64) -> Result<u64, EntryError> {
    const SLACK_US: i64 = 60_000_000;
    let at = |index: u64| -> Result<i64, EntryError> {
        let leaf = reader.leaf(LeafIndex::new(index))?;
        let entry: v1::AccessEntry = decode(&leaf.bytes).ok_or(EntryError::Decode(index))?;
        Ok(entry.at_us)
    };
    let (mut low, mut high) = (0, reader.head().size.get());
    while low < high {
        let middle = low + (high - low) / 2;
        if at(middle)? < since_us - SLACK_US {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// An entry of a version this hub knows.
pub(crate) fn decode(leaf: &Bytes) -> Option<v1::AccessEntry> {
    v1::AccessEntry::decode(leaf.clone()).ok().filter(|entry| entry.version == 1)
}
