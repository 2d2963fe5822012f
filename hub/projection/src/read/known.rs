//! Up to where the log was known at a time.

use simpul_types::{Leaf, LeafIndex, Position, Timestamp};

use super::ReadModels;
use crate::error::StateError;

impl ReadModels {
    /// The position below which everything had been admitted at `time`, and nothing else. A binary search over the leaves,
    /// whose times of admission never go back; blocking, some twenty reads.
    ///
    /// # Errors
    /// The log; [`StateError::Row`] where a leaf does not decode.
    pub fn known_by(&self, time: Timestamp) -> Result<Position, StateError> {
        let reader = &self.shared.reader;
        let head = reader.head();
        let (mut low, mut high) = (0, head.size.get());
        let mut bound = head.end;
        while low < high {
            let middle = low + (high - low) / 2;
            let one = LeafIndex::new(middle)..LeafIndex::new(middle + 1);
            let bytes = reader.leaf_bytes(one.start, one.end)?;
            let leaf = bytes.first().and_then(|bytes| Leaf::decode(bytes).ok()).ok_or(StateError::Row)?;
            if leaf.admitted_at > time {
                (high, bound) = (middle, leaf.first_position);
            } else {
                low = middle + 1;
            }
        }
        Ok(bound)
    }
}
