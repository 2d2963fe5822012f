//! An event before it has an id, a salt and a place.

use std::sync::Arc;

use bytes::Bytes;
use simpul_types::{EventId, EventType, ExpectedVersion, Purpose, StreamName, Timestamp};

/// What a caller wants to say. The SDK adds id, salt and commitment. Holds personal data: no `Debug`.
#[derive(Clone)]
pub struct EventDraft {
    /// Full protobuf name of the payload message.
    pub event_type: EventType,
    /// The source record; its ref comes from [`crate::StreamKey`], never from an identifier in clear.
    pub stream: StreamName,
    /// What the stream's version must be.
    pub expected: ExpectedVersion,
    /// When it happened, by the source.
    pub occurred_at: Timestamp,
    /// Why it is processed.
    pub purpose: Purpose,
    /// The norm that allows it.
    pub legal_basis: Arc<str>,
    /// `general` or `specific`.
    pub data_category: Arc<str>,
    /// Encoded payload message.
    pub payload: Bytes,
    /// Its id, where the caller must repeat itself; `None`: a fresh one.
    pub event_id: Option<EventId>,
    /// Groups what belongs to one matter.
    pub correlation_id: Option<[u8; 16]>,
    /// The event that caused this one.
    pub causation_id: Option<[u8; 16]>,
    /// W3C trace context; empty where none.
    pub traceparent: String,
}

impl EventDraft {
    /// A draft with nothing optional, of any expected version.
    pub fn new(
        event_type: EventType,
        stream: StreamName,
        occurred_at: Timestamp,
        purpose: Purpose,
        payload: Bytes,
    ) -> Self {
        Self {
            event_type,
            stream,
            expected: ExpectedVersion::Any,
            occurred_at,
            purpose,
            legal_basis: "UU 18/2017".into(),
            data_category: "general".into(),
            payload,
            event_id: None,
            correlation_id: None,
            causation_id: None,
            traceparent: String::new(),
        }
    }
}
