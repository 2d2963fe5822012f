//! What an agency sends and signs, decoded and checked for form. Nothing here says that it is true, signed or allowed:
//! that is admission's work.

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;

use crate::{
    Digest, Header, KeyId, RejectReason, Rejection, Sender, SubmissionId, Timestamp, id::IdError, limits,
};

/// A submission whose form is right. Holds personal data: no `Debug`.
#[derive(Clone)]
pub struct Submission {
    /// The bytes that were signed.
    pub statement_bytes: Bytes,
    /// What they say.
    pub statement: Statement,
    /// Ed25519, 64 bytes.
    pub signature: Bytes,
    /// Which key is said to have signed.
    pub key_id: KeyId,
    /// 1 to 1,024.
    pub events: Vec<Event>,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Unique for ever.
    pub submission_id: SubmissionId,
    /// Who says it sends.
    pub sender: Sender,
    /// Number of the first event in the connector's gapless count, from 1.
    pub first_sequence: u64,
    /// Number of events.
    pub event_count: u32,
    /// RFC 6962 tree hash over the header bytes.
    pub events_root: Digest,
    /// When the sender made it.
    pub created_at: Timestamp,
}

/// One event of a submission. Holds personal data: no `Debug`.
#[derive(Clone)]
pub struct Event {
    /// The bytes that were signed, through the events root.
    pub header_bytes: Bytes,
    /// What they say.
    pub header: Header,
    /// 32 random bytes.
    pub salt: Bytes,
    /// Encoded payload message.
    pub payload: Bytes,
}

impl Statement {
    /// Decodes and checks statement bytes.
    ///
    /// # Errors
    /// MALFORMED, OVERSIZED or UNKNOWN_VERSION, naming the field.
    pub fn decode(bytes: &Bytes) -> Result<Self, Rejection> {
        if bytes.len() > limits::STATEMENT_BYTES_MAX {
            let message = format!("at most {} bytes", limits::STATEMENT_BYTES_MAX);
            return Err(Rejection::new(RejectReason::Oversized, message).at("statement"));
        }
        let wire = v1::SubmissionStatement::decode(bytes.clone())
            .map_err(|_| malformed("statement", "not a SubmissionStatement"))?;
        if wire.version != 1 {
            return Err(Rejection::new(RejectReason::UnknownVersion, "this hub knows version 1")
                .at("statement.version"));
        }
        let id_error = |field: &'static str| move |error: IdError| malformed(field, &error.to_string());
        if wire.first_sequence == 0 {
            return Err(malformed("statement.first_sequence", "at least 1"));
        }
        if wire.event_count == 0 || wire.event_count as usize > limits::EVENTS_PER_SUBMISSION_MAX {
            return Err(malformed("statement.event_count", "1 to 1,024"));
        }
        if wire.first_sequence.checked_add(u64::from(wire.event_count)).is_none() {
            return Err(malformed("statement.first_sequence", "out of range"));
        }
        let root = wire.events_root.as_ref().try_into();
        Ok(Self {
            submission_id: SubmissionId::from_wire(&wire.submission_id)
                .map_err(id_error("statement.submission_id"))?,
            sender: Sender {
                agency: wire.agency.parse().map_err(id_error("statement.agency"))?,
                connector: wire.connector.parse().map_err(id_error("statement.connector"))?,
            },
            first_sequence: wire.first_sequence,
            event_count: wire.event_count,
            events_root: root.map_err(|_| malformed("statement.events_root", "32 bytes"))?,
            created_at: Timestamp::from_us(wire.created_at_us),
        })
    }

    /// The wire form, for senders; what it encodes to is what they sign.
    pub fn to_wire(&self) -> v1::SubmissionStatement {
        v1::SubmissionStatement {
            version: 1,
            submission_id: Bytes::copy_from_slice(self.submission_id.as_bytes()),
            agency: self.sender.agency.as_str().into(),
            connector: self.sender.connector.as_str().into(),
            first_sequence: self.first_sequence,
            event_count: self.event_count,
            events_root: Bytes::copy_from_slice(&self.events_root),
            created_at_us: self.created_at.as_us(),
        }
    }
}

impl Submission {
    /// Decodes and checks a submission, statement and headers included. The commitment, the events root, the signature
    /// and the payload's message are not looked at.
    ///
    /// # Errors
    /// MALFORMED, OVERSIZED or UNKNOWN_VERSION, naming the field.
    pub fn decode(wire: v1::Submission) -> Result<Self, Rejection> {
        let statement = Statement::decode(&wire.statement)?;
        if wire.signature.len() != 64 {
            return Err(malformed("signature", "64 bytes"));
        }
        let key_id = wire.key_id.parse().map_err(|error: IdError| malformed("key_id", &error.to_string()))?;
        let events = Event::decode_all(&statement, wire.events)?;
        Ok(Self { statement_bytes: wire.statement, statement, signature: wire.signature, key_id, events })
    }
}

impl Event {
    /// Decodes and checks the events of a statement, their headers included. The commitments, the events root and the
    /// payload's message are not looked at.
    ///
    /// # Errors
    /// MALFORMED, OVERSIZED or UNKNOWN_VERSION, naming the field.
    pub fn decode_all(statement: &Statement, wire: Vec<v1::SubmittedEvent>) -> Result<Vec<Self>, Rejection> {
        if wire.len() != statement.event_count as usize {
            return Err(malformed("events", "as many as statement.event_count says"));
        }
        let mut total = 0;
        let mut events: Vec<Self> = Vec::with_capacity(wire.len());
        for (index, event) in wire.into_iter().enumerate() {
            let size = event.header.len() + event.salt.len() + event.payload.len();
            total += size;
            if size > limits::EVENT_BYTES_MAX || total > limits::SUBMISSION_BYTES_MAX {
                let message = format!(
                    "at most {} bytes an event and {} a submission",
                    limits::EVENT_BYTES_MAX,
                    limits::SUBMISSION_BYTES_MAX
                );
                return Err(Rejection::new(RejectReason::Oversized, message).at(format!("events[{index}]")));
            }
            if event.salt.len() != limits::SALT_BYTES {
                return Err(malformed(&format!("events[{index}].salt"), "32 bytes"));
            }
            let beside = events.last().map(|event| &event.header);
            let path = format_args!("events[{index}].header");
            let header = Header::decode_beside(&event.header, &path, beside)?;
            events.push(Self {
                header_bytes: event.header,
                header,
                salt: event.salt,
                payload: event.payload,
            });
        }
        Ok(events)
    }
}

fn malformed(field: &str, message: &str) -> Rejection {
    Rejection::new(RejectReason::Malformed, message).at(field)
}
