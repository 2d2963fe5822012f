//! The spool's stored values. Protobuf, so that a newer connector reads an older spool.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;

/// An event that waits. Holds personal data: its `Debug` shows no field.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct StoredItem {
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub salt: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub payload: Bytes,
    #[prost(string, tag = "4")]
    pub file: String,
    #[prost(uint64, tag = "5")]
    pub line: u64,
    #[prost(bytes = "bytes", tag = "6")]
    pub state_key: Bytes,
    #[prost(bytes = "bytes", tag = "7")]
    pub state_value: Bytes,
}

/// A submission that was built and not yet answered.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct StoredSubmission {
    /// Encoded `Submission` without its events, which stand in the items.
    #[prost(bytes = "bytes", tag = "1")]
    pub envelope: Bytes,
    #[prost(uint64, repeated, tag = "2")]
    pub items: Vec<u64>,
}

impl StoredItem {
    pub(super) fn new(
        event: v1::SubmittedEvent,
        file: String,
        line: u64,
        remember: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Self {
        let (state_key, state_value) = remember.unwrap_or_default();
        Self {
            header: event.header,
            salt: event.salt,
            payload: event.payload,
            file,
            line,
            state_key: state_key.into(),
            state_value: state_value.into(),
        }
    }

    pub(super) fn event(&self) -> v1::SubmittedEvent {
        v1::SubmittedEvent {
            header: self.header.clone(),
            salt: self.salt.clone(),
            payload: self.payload.clone(),
        }
    }
}

impl fmt::Debug for StoredItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredItem(redacted)")
    }
}

impl fmt::Debug for StoredSubmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredSubmission(redacted)")
    }
}
