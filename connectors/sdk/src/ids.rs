//! Fresh ids for connectors.

use simpul_types::{Clock, IdSource, clock};

/// UUIDs of version 7: milliseconds of the machine's clock and 74 bits of the pooled generator, since a system call for
/// each event's id was a tenth of a sender's time. Ids of one millisecond are in no order.
#[derive(Clone, Copy, Debug, Default)]
pub struct FreshIds;

impl IdSource for FreshIds {
    fn uuid_v7(&self) -> [u8; 16] {
        let milliseconds = u64::try_from(clock::System.now().as_us() / 1_000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &simpul_signing::random())
            .into_uuid()
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use simpul_types::EventId;

    use super::*;

    #[test]
    fn fresh_ids_are_of_version_7_and_differ() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| FreshIds.uuid_v7()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| EventId::from_wire(id).is_ok()));
    }
}
