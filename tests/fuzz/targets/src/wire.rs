//! What comes over gRPC.

use bytes::Bytes;
use prost::Message;
use simpul_proto::{catalogue, v1};
use simpul_types::{Header, Sender, Statement, Submission};

pub(crate) fn statement(data: &[u8]) {
    Statement::decode(&Bytes::copy_from_slice(data)).ok();
}

pub(crate) fn event_header(data: &[u8]) {
    if let Err(rejection) = Header::decode(&Bytes::copy_from_slice(data), "events[0].header") {
        assert!(rejection.field.starts_with("events[0].header"), "a rejection names its field");
    }
}

pub(crate) fn submission(data: &[u8]) {
    let Ok(wire) = v1::Submission::decode(data) else { return };
    if let Ok(submission) = Submission::decode(wire) {
        assert_eq!(submission.events.len(), submission.statement.event_count as usize);
    }
}

/// The first byte chooses the event type.
pub(crate) fn payload(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else { return };
    let name = catalogue::EVENT_TYPES[usize::from(*choice) % catalogue::EVENT_TYPES.len()];
    if let Some(Ok(message)) = catalogue::decode_payload(name, payload) {
        message.encode_to_vec();
    }
}

pub(crate) fn sender(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(sender) = Sender::from_spiffe(text) {
        assert_eq!(sender.spiffe(), text, "one sender has one name");
    }
}
