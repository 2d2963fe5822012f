//! From drafts to the bytes that are signed. Made once; what is sent again is the same bytes.

use bytes::Bytes;
use prost::Message;
use simpul_proto::v1;
use simpul_signing::{SUBMISSION_TYPE, SigningKey};
use simpul_types::{Clock, Digest, EventId, Header, IdSource, KeyId, Sender, Statement, limits};

use crate::draft::EventDraft;

/// One event, ready to be put into a submission. Holds personal data: no `Debug`.
#[derive(Clone)]
pub(crate) struct Assembled {
    pub wire: v1::SubmittedEvent,
    pub event_id: EventId,
    /// Leaf hash of the header in the events' tree; made by the caller, so that the engine only joins hashes.
    pub leaf_hash: Digest,
}

impl Assembled {
    /// Adds id, salt and commitment. `Err` where the event is larger than the contract allows.
    pub(crate) fn new(draft: EventDraft, ids: &dyn IdSource) -> Result<Self, TooLarge> {
        let salt = simpul_signing::random::<{ limits::SALT_BYTES }>();
        let event_id = draft.event_id.unwrap_or_else(|| ids.event_id());
        let header = Header {
            event_id,
            event_type: draft.event_type,
            stream: draft.stream,
            expected: draft.expected,
            occurred_at: draft.occurred_at,
            purpose: draft.purpose,
            legal_basis: draft.legal_basis,
            data_category: draft.data_category,
            payload_commitment: simpul_signing::commitment(&salt, &draft.payload),
            correlation_id: draft.correlation_id,
            causation_id: draft.causation_id,
            traceparent: draft.traceparent,
        };
        let header: Bytes = header.to_wire().encode_to_vec().into();
        let wire = v1::SubmittedEvent { header, salt: Bytes::copy_from_slice(&salt), payload: draft.payload };
        if bytes_of(&wire) > limits::EVENT_BYTES_MAX || wire.header.len() > limits::HEADER_BYTES_MAX {
            return Err(TooLarge);
        }
        Ok(Self { leaf_hash: simpul_tlog::leaf_hash(&wire.header), wire, event_id })
    }

    /// From bytes that were assembled before, off the spool. `None` where the header does not decode.
    pub(crate) fn from_wire(wire: v1::SubmittedEvent) -> Option<Self> {
        let header = Header::decode(&wire.header, "header").ok()?;
        Some(Self { leaf_hash: simpul_tlog::leaf_hash(&wire.header), event_id: header.event_id, wire })
    }

    /// Its share of a submission's bound.
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(&self.wire)
    }
}

fn bytes_of(wire: &v1::SubmittedEvent) -> usize {
    wire.header.len() + wire.salt.len() + wire.payload.len()
}

/// An event beyond [`limits::EVENT_BYTES_MAX`] or a header beyond [`limits::HEADER_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Signs submissions as one sender.
pub(crate) struct Signer {
    key: SigningKey,
    key_id: KeyId,
    sender: Sender,
}

impl Signer {
    pub(crate) fn new(key: SigningKey, sender: Sender) -> Self {
        Self { key_id: key.key_id(), key, sender }
    }

    /// Builds and signs one submission of `events`, at least one.
    pub(crate) fn submission<'a>(
        &self,
        first_sequence: u64,
        events: impl Iterator<Item = &'a Assembled>,
        clock: &dyn Clock,
        ids: &dyn IdSource,
    ) -> v1::Submission {
        let (wires, hashes): (Vec<_>, Vec<_>) =
            events.map(|event| (event.wire.clone(), event.leaf_hash)).unzip();
        let statement = Statement {
            submission_id: ids.submission_id(),
            sender: self.sender.clone(),
            first_sequence,
            event_count: u32::try_from(wires.len()).expect("at most 1,024 events in a submission"),
            events_root: simpul_tlog::root_of(&hashes),
            created_at: clock.now(),
        };
        let statement: Bytes = statement.to_wire().encode_to_vec().into();
        v1::Submission {
            signature: Bytes::copy_from_slice(&self.key.sign_dsse(SUBMISSION_TYPE, &statement)),
            key_id: self.key_id.as_str().into(),
            statement,
            events: wires,
        }
    }
}
