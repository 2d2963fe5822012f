//! LOG-4: one submission id, one digest, one receipt; and what is replayed under another id.

use bytes::Bytes;
use futures_util::future::join_all;
use simpul_types::{IdSource, Receipt, RejectReason, clock::System};

use super::fixture::{Hub, Parts, reason};

fn same_leaf(first: &Receipt, second: &Receipt) {
    assert_eq!((first.leaf_index, &first.leaf), (second.leaf_index, &second.leaf));
    assert_eq!((first.first_position, first.event_count), (second.first_position, second.event_count));
}

fn fresh_id() -> Bytes {
    System.uuid_v7().to_vec().into()
}

fn copy(parts: &Parts) -> Parts {
    Parts {
        statement: parts.statement.clone(),
        headers: parts.headers.clone(),
        salts: parts.salts.clone(),
        payloads: parts.payloads.clone(),
        events_root: parts.events_root,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_get_the_first_receipt_again_for_ever() {
    let mut hub = Hub::new().await;
    let wire = hub.placements(3).sign(&hub.kp2mi.key);
    let first = hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await.unwrap();
    assert!(!first.duplicate);
    hub.kp2mi.next += 3;
    hub.admit(2).await;
    let end = hub.end();
    let again = hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await.unwrap();
    assert!(again.duplicate);
    same_leaf(&first, &again);
    let hub = hub.close().await.open();
    let after_restart = hub.admission.submit(&hub.kp2mi.caller, wire).await.unwrap();
    assert!(after_restart.duplicate);
    same_leaf(&first, &after_restart);
    assert_eq!(hub.end(), end);
    assert!(hub.entries().is_empty(), "a duplicate is no refusal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_at_the_same_time_are_admitted_once() {
    let hub = Hub::new().await;
    let end = hub.end();
    let wire = hub.placements(100).sign(&hub.kp2mi.key);
    let submit = || {
        let (admission, caller, wire) = (hub.admission.clone(), hub.kp2mi.caller.clone(), wire.clone());
        tokio::spawn(async move { admission.submit(&caller, wire).await.unwrap() })
    };
    let receipts: Vec<Receipt> =
        join_all((0..16).map(|_| submit())).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    for receipt in &receipts {
        same_leaf(&receipts[0], receipt);
    }
    assert_eq!(hub.end(), end.plus(100));
}

#[tokio::test]
async fn the_same_submission_id_with_other_bytes_is_refused() {
    let mut hub = Hub::new().await;
    let first = hub.placements(1);
    let id = first.statement.submission_id.clone();
    hub.submit(&hub.kp2mi, first).await.unwrap();
    hub.kp2mi.next += 1;
    let mut other = hub.placements(1);
    other.statement.submission_id = id;
    let rejection = hub.submit(&hub.kp2mi, other).await.unwrap_err();
    assert_eq!(rejection.reason, RejectReason::SubmissionIdReused);
    assert_eq!(rejection.field, "statement.submission_id");
}

#[tokio::test]
async fn replayed_events_get_their_first_receipt_under_any_submission_id() {
    let mut hub = Hub::new().await;
    let parts = hub.placements(2);
    let mut replay = copy(&parts);
    let first = hub.submit(&hub.kp2mi, parts).await.unwrap();
    hub.kp2mi.next += 2;
    replay.statement.submission_id = fresh_id();
    let again = hub.submit(&hub.kp2mi, replay).await.unwrap();
    assert!(again.duplicate);
    same_leaf(&first, &again);
}

#[tokio::test]
async fn replayed_events_in_another_grouping_are_told_where_to_go_on() {
    let mut hub = Hub::new().await;
    let parts = hub.placements(2);
    let mut part = copy(&parts);
    hub.submit(&hub.kp2mi, parts).await.unwrap();
    hub.kp2mi.next += 2;
    part.statement.submission_id = fresh_id();
    part.statement.event_count = 1;
    part.headers.pop();
    part.salts.pop();
    part.payloads.pop();
    let mut ahead = copy(&part);
    let rejection = hub.submit(&hub.kp2mi, part).await.unwrap_err();
    assert_eq!((rejection.reason, rejection.expected), (RejectReason::SequenceFork, Some(3)));
    // At the right sequence it is no fork, but the event is not new.
    ahead.statement.first_sequence = 3;
    assert_eq!(reason(hub.submit(&hub.kp2mi, ahead).await), RejectReason::EventIdReused);
}

#[tokio::test]
async fn an_event_id_with_other_bytes_is_refused_wherever_it_stands() {
    let mut hub = Hub::new().await;
    let parts = hub.placements(2);
    let id = parts.headers[1].event_id.clone();
    hub.submit(&hub.kp2mi, parts).await.unwrap();
    hub.kp2mi.next += 2;
    for first_sequence in [1, 3] {
        let mut other = hub.placements(3);
        other.statement.first_sequence = first_sequence;
        other.headers[2].event_id = id.clone();
        let rejection = hub.submit(&hub.kp2mi, other).await.unwrap_err();
        assert_eq!(rejection.reason, RejectReason::EventIdReused);
        assert_eq!(rejection.field, "events[2].header.event_id");
    }
}

/// Another agency's receipt is not handed out for a copy of its headers.
#[tokio::test]
async fn another_senders_events_are_not_answered_with_its_receipt() {
    let mut hub = Hub::new().await;
    let second = super::fixture::Connector::new("kp2mi", "desk", 70);
    hub.direct(vec![super::fixture::declare_connector(&second), super::fixture::register(&second)]).await;
    let parts = hub.placements(1);
    let mut stolen = copy(&parts);
    hub.submit(&hub.kp2mi, parts).await.unwrap();
    stolen.statement.submission_id = fresh_id();
    stolen.statement.connector = "desk".into();
    assert_eq!(reason(hub.submit(&second, stolen).await), RejectReason::EventIdReused);
}
