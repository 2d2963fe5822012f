//! The public part of an event.

mod fields;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use simpul_proto::v1;

use self::fields::Fields;

use crate::{
    Digest, EventId, EventType, Purpose, RejectReason, Rejection, StreamName, Timestamp, id::IdError, limits,
};

/// A decoded, checked header. Its bytes, not this, are what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Unique for ever.
    pub event_id: EventId,
    /// Type of the payload.
    pub event_type: EventType,
    /// The source record it belongs to.
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
    /// SHA-256(salt ‖ payload).
    pub payload_commitment: Digest,
    /// Groups what belongs to one matter.
    pub correlation_id: Option<[u8; 16]>,
    /// The event that caused this one.
    pub causation_id: Option<[u8; 16]>,
    /// W3C trace context; empty where none.
    pub traceparent: String,
}

/// What a stream's version (the number of its events) must be before this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any.
    Any,
    /// The stream must be new.
    NoStream,
    /// Exactly this many events, at least 1.
    Exactly(u64),
}

impl ExpectedVersion {
    /// Whether a stream of `version` events is as expected.
    pub fn holds(self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => version == 0,
            Self::Exactly(expected) => version == expected,
        }
    }
}

impl Header {
    /// Decodes and checks header bytes, field by field. `path` is prefixed to the field of a rejection, for example
    /// `events[3].header`.
    ///
    /// # Errors
    /// MALFORMED, OVERSIZED or UNKNOWN_VERSION, naming the field.
    pub fn decode(bytes: &Bytes, path: &str) -> Result<Self, Rejection> {
        Self::decode_beside(bytes, &path, None)
    }

    /// The same beside a header of the same submission, whose names it mostly shares.
    pub(crate) fn decode_beside(
        bytes: &Bytes,
        path: &dyn fmt::Display,
        beside: Option<&Self>,
    ) -> Result<Self, Rejection> {
        let malformed = |field: &str, message: &str| {
            Rejection::new(RejectReason::Malformed, message).at(format!("{path}{field}"))
        };
        if bytes.len() > limits::HEADER_BYTES_MAX {
            let message = format!("at most {} bytes", limits::HEADER_BYTES_MAX);
            return Err(Rejection::new(RejectReason::Oversized, message).at(path.to_string()));
        }
        let wire = Fields::read(bytes).map_err(|_| malformed("", "not an EventHeader"))?;
        if wire.version != 1 {
            return Err(Rejection::new(RejectReason::UnknownVersion, "this hub knows version 1")
                .at(format!("{path}.version")));
        }
        let id_error = |field: &'static str| move |error: IdError| malformed(field, &error.to_string());
        let optional_id = |field: &str, value: &[u8]| match value.len() {
            0 => Ok(None),
            16 => Ok(value.try_into().ok()),
            _ => Err(malformed(field, "absent or 16 bytes")),
        };
        let expected = match wire.expected {
            None => return Err(malformed(".expected", "required")),
            Some(ExpectedVersion::Exactly(0)) => return Err(malformed(".expected.exactly", "at least 1")),
            Some(expected) => expected,
        };
        if wire.traceparent.len() > 64 {
            return Err(malformed(".traceparent", "at most 64 bytes"));
        }
        if wire.data_category != "general" && wire.data_category != "specific" {
            return Err(malformed(".data_category", "`general` or `specific`"));
        }
        if !(1..=128).contains(&wire.legal_basis.len()) {
            return Err(malformed(".legal_basis", "1 to 128 bytes"));
        }
        let event_type = match beside.filter(|beside| beside.event_type.as_str() == wire.event_type) {
            Some(beside) => beside.event_type.clone(),
            None => wire.event_type.parse().map_err(id_error(".type"))?,
        };
        let purpose = match beside.filter(|beside| beside.purpose.as_str() == wire.purpose) {
            Some(beside) => beside.purpose.clone(),
            None => wire.purpose.parse().map_err(id_error(".purpose"))?,
        };
        let shared =
            |own: &str, beside: Option<&Arc<str>>| match beside.filter(|beside| beside.as_ref() == own) {
                Some(beside) => Arc::clone(beside),
                None => own.into(),
            };
        let commitment = wire.payload_commitment.try_into();
        Ok(Self {
            event_id: EventId::from_wire(wire.event_id).map_err(id_error(".event_id"))?,
            event_type,
            stream: wire.stream.parse().map_err(id_error(".stream"))?,
            expected,
            occurred_at: Timestamp::from_us(wire.occurred_at_us),
            purpose,
            legal_basis: shared(wire.legal_basis, beside.map(|beside| &beside.legal_basis)),
            data_category: shared(wire.data_category, beside.map(|beside| &beside.data_category)),
            payload_commitment: commitment.map_err(|_| malformed(".payload_commitment", "32 bytes"))?,
            correlation_id: optional_id(".correlation_id", wire.correlation_id)?,
            causation_id: optional_id(".causation_id", wire.causation_id)?,
            traceparent: wire.traceparent.into(),
        })
    }

    /// The wire form, for senders; what it encodes to is what they sign.
    pub fn to_wire(&self) -> v1::EventHeader {
        use v1::expected_version::{Any, Kind, NoStream};
        let kind = match self.expected {
            ExpectedVersion::Any => Kind::Any(Any {}),
            ExpectedVersion::NoStream => Kind::NoStream(NoStream {}),
            ExpectedVersion::Exactly(version) => Kind::Exactly(version),
        };
        let optional = |id: &Option<[u8; 16]>| id.map(|id| Bytes::copy_from_slice(&id)).unwrap_or_default();
        v1::EventHeader {
            version: 1,
            event_id: Bytes::copy_from_slice(self.event_id.as_bytes()),
            r#type: self.event_type.as_str().into(),
            stream: self.stream.as_str().into(),
            expected: Some(v1::ExpectedVersion { kind: Some(kind) }),
            occurred_at_us: self.occurred_at.as_us(),
            purpose: self.purpose.as_str().into(),
            legal_basis: self.legal_basis.as_ref().into(),
            data_category: self.data_category.as_ref().into(),
            correlation_id: optional(&self.correlation_id),
            causation_id: optional(&self.causation_id),
            traceparent: self.traceparent.clone(),
            payload_commitment: Bytes::copy_from_slice(&self.payload_commitment),
        }
    }
}
