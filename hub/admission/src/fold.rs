//! The directory at start, from the log alone, without reading the whole log.
//!
//! Every leaf names the directory position it was judged under, so the last leaf points at the last directory
//! event that counted, whose leaf points at the one before, down to the bootstrap. The authority's own
//! sequence says how many events there must be; where the chain skips some (they were in flight together, or
//! the last ones of all), the short range in between is scanned.
//!
//! ```text
//! leaf   0      1   2   3      4   5   6          chain: 6 → directory leaf 3 → directory leaf 0
//!        dir    ·   ·   dir    ·   ·   ·
//!        D=0    D=4 D=4 D=4    D=7 D=7 D=7
//! ```

use simpul_log::{Appender, ReadError, Reader, StoredLeaf};
use simpul_policy::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Directory, DirectoryError, Word};
use simpul_types::{Header, Leaf, LeafIndex, Position};

/// Why the directory cannot be built from the log.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The log could not be read.
    #[error("reading directory events")]
    Read(#[from] ReadError),
    /// A stored leaf or header does not decode.
    #[error("the {what} at position {position} does not decode")]
    Decode {
        /// `leaf` or `header`.
        what: &'static str,
        /// First position of the leaf, or that of the event.
        position: u64,
    },
    /// An admitted directory event does not apply; the log is of another authority or of a newer hub.
    #[error("the directory event at position {position} does not apply")]
    Apply {
        /// Its position.
        position: u64,
        /// Why.
        #[source]
        source: DirectoryError,
    },
    /// The authority's events are not all where its sequence says.
    #[error("directory event {sequence} of the authority is missing")]
    Missing {
        /// Its sequence.
        sequence: u64,
    },
}

/// A leaf of the authority on the way down.
struct Found {
    stored: StoredLeaf,
    leaf: Leaf,
}

impl Found {
    fn first_sequence(&self) -> u64 {
        self.leaf.statement.first_sequence
    }

    fn next_sequence(&self) -> u64 {
        self.first_sequence() + u64::from(self.leaf.statement.event_count)
    }
}

/// Folds the directory events of a log. Reads the disk; blocking.
///
/// # Errors
/// [`FoldError`], naming the position.
pub fn fold_directory(
    appender: &Appender,
    reader: &Reader,
    authority: [u8; 32],
) -> Result<Directory, FoldError> {
    let chain = format!("{AUTHORITY_AGENCY}/{AUTHORITY_CONNECTOR}");
    let leaves = collect(reader, appender.chain_next(&chain).unwrap_or(1))?;
    let mut directory = Directory::new(authority);
    for found in leaves.iter().rev() {
        for event in &found.stored.events {
            let position = event.position;
            let header = Header::decode(&event.header, "header")
                .map_err(|_| FoldError::Decode { what: "header", position: position.get() })?;
            let opened = reader.open_payload(event)?;
            let (event_type, payload) = (header.event_type.as_str(), &opened.payload[..]);
            directory
                .apply(&Word { event_type, payload, position, key_id: &found.leaf.key_id })
                .map_err(|source| FoldError::Apply { position: position.get(), source })?;
        }
    }
    Ok(directory)
}

/// The authority's leaves with sequences below `next`, newest first.
fn collect(reader: &Reader, mut next: u64) -> Result<Vec<Found>, FoldError> {
    let mut leaves: Vec<Found> = Vec::new();
    let head = reader.head();
    if next == 1 || head.size == LeafIndex::ZERO {
        return Ok(leaves);
    }
    let last = reader.leaf(LeafIndex::new(head.size.get() - 1))?;
    let mut judged_under = decode(&last)?.directory_position;
    let mut end = head.end;
    while next > 1 {
        let below = match judged_under.get().checked_sub(1) {
            Some(position) => Some(authority_leaf(reader, Position::new(position))?),
            None => None,
        };
        let (from, reached) =
            below.as_ref().map_or((Position::ZERO, 1), |found| (judged_under, found.next_sequence()));
        if reached < next {
            scan(reader, from, end, reached, next, &mut leaves)?;
        }
        let Some(found) = below else { return Ok(leaves) };
        judged_under = found.leaf.directory_position;
        end = found.stored.first_position;
        next = found.first_sequence();
        leaves.push(found);
    }
    Ok(leaves)
}

/// The authority's leaf that ends just after `position`.
fn authority_leaf(reader: &Reader, position: Position) -> Result<Found, FoldError> {
    let stored = reader.leaf_of(position)?;
    let leaf = decode(&stored)?;
    if !of_authority(&leaf) {
        return Err(FoldError::Decode { what: "leaf", position: position.get() });
    }
    Ok(Found { stored, leaf })
}

/// Adds the authority's leaves of a range, which hold the sequences from `first` to before `next`, newest
/// first.
fn scan(
    reader: &Reader,
    from: Position,
    end: Position,
    first: u64,
    next: u64,
    leaves: &mut Vec<Found>,
) -> Result<(), FoldError> {
    let mut scan = reader.scan(from);
    let mut expected = first;
    let mut found = Vec::new();
    while expected < next {
        let frame = if scan.position() < end { scan.next_frame()? } else { None };
        let Some(frame) = frame else { return Err(FoldError::Missing { sequence: expected }) };
        for stored in frame {
            let leaf = decode(&stored)?;
            // A frame may go on past the range.
            let wanted = expected < next && leaf.statement.first_sequence == expected;
            if wanted && of_authority(&leaf) {
                let leaf = Found { stored, leaf };
                expected = leaf.next_sequence();
                found.push(leaf);
            }
        }
    }
    leaves.extend(found.into_iter().rev());
    Ok(())
}

fn of_authority(leaf: &Leaf) -> bool {
    let sender = &leaf.statement.sender;
    sender.agency.as_str() == AUTHORITY_AGENCY && sender.connector.as_str() == AUTHORITY_CONNECTOR
}

fn decode(stored: &StoredLeaf) -> Result<Leaf, FoldError> {
    Leaf::decode(&stored.bytes)
        .map_err(|_| FoldError::Decode { what: "leaf", position: stored.first_position.get() })
}
