//! The hub's words as types: ids, positions, headers, submissions, receipts, rejections, and the only conversion from
//! wire types, field by field, once.
//!
//! Read [`submission`] first.

pub mod background;
pub mod clock;
pub mod erasure;
pub mod grounds;
pub mod header;
pub mod id;
pub mod identity;
pub mod limits;
pub mod position;
pub mod receipt;
pub mod rejection;
pub mod submission;
pub mod view;

pub use clock::{Clock, IdSource};
pub use header::{ExpectedVersion, Header};
pub use id::{
    AgencyCode, Caller, ConnectorName, EventId, EventType, KeyId, Purpose, Sender, StreamName, SubmissionId,
};
pub use position::{LeafIndex, Position, Timestamp};
pub use receipt::{Leaf, Receipt};
pub use rejection::{RejectReason, Rejection};
pub use submission::{Event, Statement, Submission};
pub use view::{FieldClass, View};

/// A SHA-256 digest.
pub type Digest = [u8; 32];
