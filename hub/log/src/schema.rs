//! What a log's leaves and headers say that has to be indexed, so that every index can be rebuilt from the log alone.

use std::sync::Arc;

use bytes::Bytes;
use simpul_types::{EventId, Header, Leaf, StreamName, SubmissionId};

/// Which of the hub's two logs this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Leaves are `simpul.v1.Leaf`, record headers `simpul.v1.EventHeader`; ids, streams and connector sequences are indexed.
    Submissions,
    /// Leaves are `simpul.v1.AccessEntry`; a record's header is its stream's name, whatever the draft gives.
    Access,
}

/// What a leaf adds to the indexes.
pub(crate) struct LeafIds {
    pub(crate) submission_id: Option<SubmissionId>,
    pub(crate) chain: Option<(Arc<str>, u64)>,
}

impl Schema {
    /// `None` where the leaf is not of this schema.
    pub(crate) fn leaf_ids(self, leaf: &Bytes) -> Option<LeafIds> {
        match self {
            Self::Access => Some(LeafIds { submission_id: None, chain: None }),
            Self::Submissions => {
                let statement = Leaf::decode(leaf).ok()?.statement;
                let next = statement.first_sequence + u64::from(statement.event_count);
                Some(LeafIds {
                    submission_id: Some(statement.submission_id),
                    chain: Some((statement.sender.to_string().into(), next)),
                })
            }
        }
    }

    /// `None` where the header is not of this schema.
    pub(crate) fn record_ids(self, header: &Bytes) -> Option<(Option<EventId>, StreamName)> {
        match self {
            Self::Access => Some((None, std::str::from_utf8(header).ok()?.parse().ok()?)),
            Self::Submissions => {
                let header = Header::decode(header, "header").ok()?;
                Some((Some(header.event_id), header.stream))
            }
        }
    }
}
