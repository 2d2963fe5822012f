//! Every reason that a sender can cause: its code, its field, nothing stored, an access entry, and the next
//! one passes.

use RejectReason::{
    BadSignature, CommitmentMismatch, FutureDated, IdentityMismatch, InvalidPayload, Malformed, Oversized,
    PolicyDenied, SequenceFork, SequenceGap, UnknownKey, UnknownType, UnknownVersion, WrongExpectedVersion,
};
use std::task::{Context, Waker};

use prost::Message;
use simpul_log::LocalDisk;
use simpul_proto::v1;
use simpul_types::{Caller, RejectReason, limits};

use super::fixture::{Connector, Hub, PLACEMENT, Parts, any, placement, reason};
use crate::Config;

struct Case {
    name: &'static str,
    reason: RejectReason,
    field: &'static str,
    /// Changed before it is signed.
    signed: fn(&mut Parts),
    /// Changed after.
    sent: fn(&mut v1::Submission),
}

fn signed(name: &'static str, reason: RejectReason, field: &'static str, signed: fn(&mut Parts)) -> Case {
    Case { name, reason, field, signed, sent: |_| {} }
}

fn sent(
    name: &'static str,
    reason: RejectReason,
    field: &'static str,
    sent: fn(&mut v1::Submission),
) -> Case {
    Case { name, reason, field, signed: |_| {}, sent }
}

fn exactly(version: u64) -> Option<v1::ExpectedVersion> {
    Some(v1::ExpectedVersion { kind: Some(v1::expected_version::Kind::Exactly(version)) })
}

fn cases() -> Vec<Case> {
    vec![
        sent("statement bytes", Malformed, "statement", |wire| wire.statement = vec![0xff].into()),
        sent("statement too large", Oversized, "statement", |wire| wire.statement = vec![0; 513].into()),
        sent("short signature", Malformed, "signature", |wire| wire.signature.truncate(63)),
        sent("key id", Malformed, "key_id", |wire| wire.key_id = "zz".into()),
        signed("statement version", UnknownVersion, "statement.version", |parts| parts.statement.version = 2),
        signed("sequence 0", Malformed, "statement.first_sequence", |parts| {
            parts.statement.first_sequence = 0
        }),
        signed("no events", Malformed, "statement.event_count", |parts| parts.statement.event_count = 0),
        signed("submission id", Malformed, "statement.submission_id", |parts| {
            parts.statement.submission_id = vec![0; 16].into();
        }),
        signed("certificate of another connector", IdentityMismatch, "statement.agency", |parts| {
            parts.statement.connector = "desk".into();
        }),
        signed("certificate of another agency", IdentityMismatch, "statement.agency", |parts| {
            parts.statement.agency = "polri".into();
        }),
        sent("unregistered key", UnknownKey, "key_id", |wire| wire.key_id = "0123456789abcdef".into()),
        sent("statement changed", BadSignature, "signature", |wire| {
            let mut statement = v1::SubmissionStatement::decode(wire.statement.clone()).unwrap();
            statement.created_at_us -= 1;
            wire.statement = statement.encode_to_vec().into();
        }),
        sent("signature changed", BadSignature, "signature", |wire| {
            let mut signature = wire.signature.to_vec();
            signature[5] ^= 1;
            wire.signature = signature.into();
        }),
        sent("an event dropped", Malformed, "events", |wire| drop(wire.events.pop())),
        sent("header changed", CommitmentMismatch, "statement.events_root", |wire| {
            let mut header = v1::EventHeader::decode(wire.events[1].header.clone()).unwrap();
            header.legal_basis = "another".into();
            wire.events[1].header = header.encode_to_vec().into();
        }),
        sent("events swapped", CommitmentMismatch, "statement.events_root", |wire| wire.events.swap(0, 1)),
        signed("events root", CommitmentMismatch, "statement.events_root", |parts| {
            parts.events_root = Some([9; 32]);
        }),
        sent("payload changed", CommitmentMismatch, "events[1].header.payload_commitment", |wire| {
            wire.events[1].payload = vec![1].into();
        }),
        sent("salt changed", CommitmentMismatch, "events[0].header.payload_commitment", |wire| {
            wire.events[0].salt = vec![0; 32].into();
        }),
        sent("salt length", Malformed, "events[0].salt", |wire| wire.events[0].salt.truncate(31)),
        sent("event too large", Oversized, "events[1]", |wire| {
            wire.events[1].payload = vec![0; limits::EVENT_BYTES_MAX].into();
        }),
        sent("header too large", Oversized, "events[0].header", |wire| {
            wire.events[0].header = vec![0; limits::HEADER_BYTES_MAX + 1].into();
        }),
        signed("header version", UnknownVersion, "events[1].header.version", |parts| {
            parts.headers[1].version = 2
        }),
        signed("stream", Malformed, "events[0].header.stream", |parts| {
            parts.headers[0].stream = "Sisko".into()
        }),
        signed("no expected version", Malformed, "events[0].header.expected", |parts| {
            parts.headers[0].expected = None;
        }),
        signed("type not in the catalogue", UnknownType, "events[1].header.type", |parts| {
            parts.headers[1].r#type = "simpul.registry.v1.Employer".into();
        }),
        signed("type of another agency", PolicyDenied, "events[0].header.type", |parts| {
            parts.headers[0].r#type = "simpul.police.v1.CaseUpdated".into();
        }),
        signed("purpose of another agency", PolicyDenied, "events[1].header.type", |parts| {
            parts.headers[1].purpose = "INVESTIGATE".into();
        }),
        signed("stream of the directory", PolicyDenied, "events[0].header.stream", |parts| {
            parts.headers[0].stream = "directory/agency-x".into();
        }),
        signed("created ahead", FutureDated, "statement.created_at_us", |parts| {
            parts.statement.created_at_us += limits::CLOCK_AHEAD_US_MAX + 1;
        }),
        signed("occurred ahead", FutureDated, "events[1].header.occurred_at_us", |parts| {
            parts.headers[1].occurred_at_us += limits::CLOCK_AHEAD_US_MAX + 1;
        }),
        signed("one id twice", RejectReason::EventIdReused, "events[1].header.event_id", |parts| {
            parts.headers[1].event_id = parts.headers[0].event_id.clone();
        }),
        signed("payload of another message", InvalidPayload, "events[1].payload", |parts| {
            parts.payloads[1] = super::fixture::case();
            commit(parts, 1);
        }),
        signed("date of no calendar", InvalidPayload, "events[0].payload.departure_date", |parts| {
            parts.payloads[0].extend_from_slice(b"\x4a\x0a2026-02-30");
            commit(parts, 0);
        }),
        signed("gap", SequenceGap, "statement.first_sequence", |parts| {
            parts.statement.first_sequence = 1_000
        }),
        signed("fork", SequenceFork, "statement.first_sequence", |parts| parts.statement.first_sequence = 1),
        signed("stream that is new", WrongExpectedVersion, "events[1].header.expected", |parts| {
            parts.headers[1].expected = exactly(1);
        }),
        signed("stream within the submission", WrongExpectedVersion, "events[1].header.expected", |parts| {
            parts.headers[1].stream = parts.headers[0].stream.clone();
            parts.headers[1].expected = exactly(2);
        }),
    ]
}

fn commit(parts: &mut Parts, index: usize) {
    let commitment = simpul_signing::commitment(&parts.salts[index], &parts.payloads[index]);
    parts.headers[index].payload_commitment = commitment.to_vec().into();
}

/// ADM-1, ADM-2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_reason_and_field_stores_nothing_and_is_recorded() {
    let mut hub = Hub::new().await;
    hub.admit(1).await;
    for case in cases() {
        let (before, recorded) = (hub.end(), hub.entries().len());
        let mut parts = hub.placements(2);
        (case.signed)(&mut parts);
        let mut wire = parts.sign(&hub.kp2mi.key);
        (case.sent)(&mut wire);
        let rejection = hub.admission.submit(&hub.kp2mi.caller, wire).await.unwrap_err();
        assert_eq!((rejection.reason, rejection.field.as_str()), (case.reason, case.field), "{}", case.name);
        let expected = match case.reason {
            SequenceGap | SequenceFork => Some(hub.kp2mi.next),
            WrongExpectedVersion => Some(u64::from(case.name == "stream within the submission")),
            _ => None,
        };
        assert_eq!(rejection.expected, expected, "{}", case.name);
        assert_eq!(hub.end(), before, "{}: nothing of it is stored", case.name);
        let entries = hub.entries();
        assert_eq!(entries.len(), recorded + 1, "{}", case.name);
        let entry = &entries[recorded];
        assert_eq!(entry.answer, format!("REJECTED:{}", case.reason.as_str_name()), "{}", case.name);
        assert_eq!((entry.action.as_str(), entry.agency.as_str()), ("submission.rejected", "kp2mi"));
        hub.admit(1).await;
    }
}

/// An event's faults are not told to somebody who has not proved to be the sender.
#[tokio::test]
async fn nothing_about_content_is_told_to_an_unverified_sender() {
    let hub = Hub::new().await;
    let spoiled = |key: &simpul_signing::SigningKey| {
        let mut parts = hub.placements(2);
        parts.headers[0].r#type = "no.such.Type".into();
        parts.headers[1].version = 9;
        let mut wire = parts.sign(key);
        wire.events[0].payload = vec![0xff; limits::EVENT_BYTES_MAX].into();
        wire.events[1].salt.clear();
        wire.events.pop();
        wire
    };
    let stranger = Connector::new("kp2mi", "sisko", 99);
    let mut wire = spoiled(&stranger.key);
    assert_eq!(reason(hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await), UnknownKey);
    wire.key_id = hub.kp2mi.key.key_id().to_string();
    assert_eq!(reason(hub.admission.submit(&hub.kp2mi.caller, wire).await), BadSignature);
    let wire = spoiled(&hub.kp2mi.key);
    assert_eq!(reason(hub.admission.submit(&hub.polri.caller, wire.clone()).await), IdentityMismatch);
    assert_eq!(reason(hub.admission.submit(&hub.kp2mi.caller, wire).await), Malformed);
}

#[tokio::test]
async fn strangers_are_counted_and_never_written() {
    let hub = Hub::new().await;
    let stranger = Connector::new("nobody", "desk", 50);
    for _ in 0..100 {
        let events = vec![(PLACEMENT, placement())];
        let parts = Parts::new(&stranger, events, "PLACEMENT", "sisko-placement");
        assert_eq!(reason(hub.submit(&stranger, parts).await), UnknownKey);
    }
    assert!(hub.entries().is_empty());
    // A connector that nobody declared, of an agency that is: its certificate names whom to ask.
    let undeclared = Connector::new("polri", "laptop", 51);
    let caller = Caller { certificate: "cd".into(), ..undeclared.caller.clone() };
    let parts = Parts::new(&undeclared, vec![(PLACEMENT, placement())], "PLACEMENT", "sisko-placement");
    let result = hub.admission.submit(&caller, parts.sign(&undeclared.key)).await;
    assert_eq!(reason(result), UnknownKey);
    let entries = hub.entries();
    assert_eq!(
        (entries.len(), entries[0].client.as_str(), entries[0].certificate.as_str()),
        (1, "laptop", "cd")
    );
}

#[tokio::test]
async fn a_key_counts_by_the_clock_of_the_hub() {
    let mut hub = Hub::new().await;
    let early = Connector::new("kp2mi", "sisko", 60);
    let (name, payload) = super::fixture::register(&early);
    let mut registered = simpul_proto::directory::KeyRegistered::decode(payload.as_slice()).unwrap();
    registered.valid_from_us += 1_000_000;
    registered.valid_until_us = registered.valid_from_us + 1_000_000;
    hub.direct(vec![(name, registered.encode_to_vec())]).await;
    let submit = async || {
        let wire = hub.placements(1).sign(&early.key);
        hub.admission.submit(&hub.kp2mi.caller, wire).await
    };
    assert_eq!(reason(submit().await), UnknownKey);
    hub.clock.forward(1_500_000);
    submit().await.unwrap();
    hub.clock.forward(1_000_000);
    assert_eq!(reason(submit().await), UnknownKey);
}

#[tokio::test]
async fn too_many_at_once_are_handed_back_and_not_recorded() {
    let hub = Hub::with(Config { submissions_max: 1, ..Config::default() }, Box::new(LocalDisk)).await;
    let lane_caller = hub.kp2mi.caller.clone();
    let mut lane = hub.admission.lane(lane_caller);
    let mut first = Box::pin(lane.submit(hub.placements(1).sign(&hub.kp2mi.key)));
    // Polled once, the first one is inside; it has yielded before its flush.
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let rejection = hub.submit(&hub.polri, hub.placements(1)).await.unwrap_err();
    assert_eq!(rejection.reason, RejectReason::QueueFull);
    assert!(rejection.to_wire().retryable);
    assert!(hub.entries().is_empty());
    first.await.result.unwrap();
}

#[tokio::test]
async fn a_draining_hub_answers_what_it_took_and_refuses_the_rest() {
    let mut hub = Hub::new().await;
    hub.admit(1).await;
    hub.admission.drain();
    let result = hub.submit(&hub.kp2mi, hub.placements(1)).await;
    assert_eq!(reason(result), RejectReason::Draining);
    hub.admission.clone().close().await;
    assert_eq!(reason(hub.submit(&hub.kp2mi, hub.placements(1)).await), RejectReason::Draining);
    assert_eq!(
        hub.admission.next_sequence(&hub.kp2mi.caller.sender).unwrap_err().reason,
        RejectReason::Draining
    );
    assert!(hub.entries().is_empty());
}

#[tokio::test]
async fn expected_versions_that_hold_are_admitted() {
    let mut hub = Hub::new().await;
    let mut parts = hub.placements(3);
    let stream = parts.headers[0].stream.clone();
    let new = v1::expected_version::Kind::NoStream(v1::expected_version::NoStream {});
    parts.headers[0].expected = Some(v1::ExpectedVersion { kind: Some(new) });
    for (index, expected) in [(1, exactly(1)), (2, Some(any()))] {
        parts.headers[index].stream.clone_from(&stream);
        parts.headers[index].expected = expected;
    }
    hub.submit(&hub.kp2mi, parts).await.unwrap();
    hub.kp2mi.next += 3;
    let mut parts = hub.placements(1);
    parts.headers[0].stream = stream;
    parts.headers[0].expected = exactly(3);
    hub.submit(&hub.kp2mi, parts).await.unwrap();
}
