//! Outbox to JetStream, across outages.

use std::{path::Path, sync::Arc};

use serde_json::json;
use simpul_publisher::{Handle, start_on};
use simpul_types::{FieldClass, View};

use super::{
    feed::{Rules, Script, agency},
    nats::{Got, Nats, PATIENCE},
};

fn start(nats: &Nats, outbox: &Path, feed: &Arc<Script>) -> Handle {
    start_on(nats.config(outbox), feed.clone(), Arc::new(Rules)).unwrap()
}

/// Waits until the server has acknowledged the agency's messages up to a sequence.
async fn published(handle: &Handle, code: &str, sequence: u64) {
    let waiting = async {
        while handle.outbox().published_sequence(&agency(code)) < sequence {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("published in time");
}

/// PUB-1 as a consumer sees it: every sequence once, in order, each with its own dedupe id.
fn assert_gapless(messages: &[Got]) {
    let sequences: Vec<_> = messages.iter().map(Got::sequence).collect();
    assert_eq!(sequences, (1..=messages.len() as u64).collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<_> = messages.iter().map(|got| got.header("Nats-Msg-Id")).collect();
    assert_eq!(ids.len(), messages.len(), "ids are unique");
}

#[tokio::test]
async fn pub_1_messages_are_cloud_events_in_order_without_a_gap() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(1_000);
    let handle = start(&nats, dir.path(), &feed);
    let messages = nats.messages("polri", 1_000).await;
    assert_gapless(&messages);

    let got = &messages[41];
    assert_eq!(got.subject, "simpul.polri.case.case-6");
    assert_eq!(got.header("ce-specversion"), "1.0");
    assert_eq!(got.header("ce-id"), "case-41-0");
    assert_eq!(got.header("Nats-Msg-Id"), "case-41-0");
    assert_eq!(got.header("ce-source"), "//simpul.example/test/polri");
    assert_eq!(got.header("ce-type"), "id.simpul.case.changed.v1");
    assert_eq!(got.header("ce-subject"), "case-6");
    assert_eq!(got.header("ce-time"), "2023-11-14T22:13:20.000000Z");
    assert_eq!(got.header("ce-datacontenttype"), "application/json");
    assert_eq!(got.header("ce-sequence"), "00000000000000000042");
    assert_eq!(got.header("ce-position"), "41");
    let note = data_encoding::BASE64.decode(got.header("ce-checkpoint").as_bytes()).unwrap();
    assert!(String::from_utf8(note).unwrap().starts_with("simpul.example/test\n1000\n"));
    assert!(got.headers.get("Content-Type").is_none(), "that would mean structured mode");
    handle.stop().await;
}

#[tokio::test]
async fn two_agencies_get_different_fields_of_one_case_and_late_joiners_its_last_value() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(30);
    let handle = start(&nats, dir.path(), &feed);
    let police = &nats.messages("polri", 30).await[29];
    let mission = &nats.messages("kbri-yangon", 27).await[26];
    assert_eq!(police.header("ce-id"), mission.header("ce-id"));
    assert_eq!(
        police.body,
        json!({
            "identity": {"name": "Sample Person 29"}, "reference": {"stage": 29}, "suspect": {"suspects": 2},
        })
    );
    assert_eq!(mission.body, json!({"reference": {"stage": 29}}));

    // The server fills the last values behind the stream: read until the newest is there.
    let waiting = async {
        loop {
            let last = nats.last_values("kbri-yangon", View::Case, 7).await;
            if last.iter().any(|got| got.header("ce-position") == "29") {
                break last;
            }
        }
    };
    let last = tokio::time::timeout(PATIENCE, waiting).await.expect("the last values are filled");
    let mut newest: Vec<_> =
        last.iter().map(|got| (got.subject.clone(), got.header("ce-position"))).collect();
    newest.sort();
    assert_eq!(newest[0], ("simpul.kbri-yangon.case.case-0".into(), "28".into()));
    assert_eq!(newest[1], ("simpul.kbri-yangon.case.case-1".into(), "29".into()));
    assert_eq!(newest[2], ("simpul.kbri-yangon.case.case-2".into(), "23".into()));
    handle.stop().await;
}

#[tokio::test]
async fn pub_1_after_an_outage_of_nats_it_catches_up_from_the_tracking_number() {
    let (mut nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(300);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "polri", 300).await;
    let mut changed = handle.status().subscribe();
    nats.kill();
    let noticed = async {
        while handle.status().connected() {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("the outage is noticed");
    assert!(handle.status().degraded().expect("degraded").contains("NATS is not connected"));

    // Upstream goes on: the outbox grows without NATS.
    feed.cases(2_000);
    let mut derived = handle.outbox().subscribe();
    let through = derived.wait_for(|next| next.position >= 2_299);
    tokio::time::timeout(PATIENCE, through).await.expect("derived while NATS is away").unwrap();
    assert!(handle.outbox().published_sequence(&agency("polri")) < 2_300);

    nats.restart();
    for (code, count) in [("polri", 2_300), ("kp2mi", 2_300), ("kbri-yangon", 2_297)] {
        published(&handle, code, count).await;
        assert_gapless(&nats.messages(code, usize::try_from(count).unwrap()).await);
    }
    handle.stop().await;
}

#[tokio::test]
async fn pub_1_killing_nats_again_and_again_neither_loses_nor_doubles_nor_reorders() {
    let (mut nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    let handle = start(&nats, dir.path(), &feed);
    for round in 1..=4 {
        feed.cases(1_000);
        // In the middle of publishing.
        published(&handle, "polri", round * 1_000 - 900).await;
        nats.kill();
        nats.restart();
    }
    published(&handle, "polri", 4_000).await;
    assert_gapless(&nats.messages("polri", 4_000).await);
    handle.stop().await;
}

#[tokio::test]
async fn a_restarted_hub_goes_on_and_one_that_lost_its_outbox_repeats_nothing() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(100);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "polri", 100).await;
    handle.stop().await;

    feed.cases(50);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "polri", 150).await;
    handle.stop().await;

    std::fs::remove_dir_all(dir.path()).unwrap();
    feed.cases(50);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "polri", 200).await;
    assert_gapless(&nats.messages("polri", 200).await);
    handle.stop().await;
}

#[tokio::test]
async fn a_server_that_lost_its_disk_gets_everything_again() {
    let (mut nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(100);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "kp2mi", 100).await;
    nats.kill();
    nats.lose_disk();
    nats.restart();
    assert_gapless(&nats.messages("kp2mi", 100).await);
    handle.stop().await;
}

#[tokio::test]
async fn the_history_of_another_log_is_not_continued() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(10);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "polri", 10).await;
    handle.stop().await;

    let (other_dir, other) = (tempfile::tempdir().unwrap(), Script::new());
    other.one(View::Licence, "lic-1", &[(FieldClass::Reference, json!("L"))]);
    other.cases(20);
    let handle = start(&nats, other_dir.path(), &other);
    let mut changed = handle.status().subscribe();
    let noticed = async {
        while !handle.status().degraded().is_some_and(|reason| reason.contains("another log")) {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("the other history is noticed");
    assert_eq!(nats.messages("polri", 10).await.len(), 10);
    handle.stop().await;
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_announced_without_its_body() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    let large = "x".repeat(simpul_publisher::PAYLOAD_BYTES_MAX);
    feed.one(View::Licence, "lic-1", &[(FieldClass::Reference, json!(large))]);
    feed.one(View::Licence, "lic-1", &[(FieldClass::Reference, json!("small"))]);
    let handle = start(&nats, dir.path(), &feed);
    let messages = nats.messages("kp2mi", 2).await;
    assert_gapless(&messages);
    assert_eq!((messages[0].header("ce-oversized").as_str(), &messages[0].body), ("true", &json!({})));
    assert_eq!(messages[1].body["reference"], "small");
    handle.stop().await;
}

#[tokio::test]
async fn documents_of_an_erased_event_leave_the_stream_and_the_last_values_and_publishing_goes_on() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(10);
    let handle = start(&nats, dir.path(), &feed);
    published(&handle, "kp2mi", 10).await;
    // What is not out yet would go out as erased, and there would be nothing to purge.
    published(&handle, "polri", 10).await;
    // Case 2 was told of at positions 2 and 9, the last message for polri; the execution shows to kp2mi alone.
    feed.execute(2);
    published(&handle, "kp2mi", 11).await;
    let client = nats.client("polri").await.unwrap();
    let context = async_nats::jetstream::new(client);
    let waiting = async {
        loop {
            let mut changes = context.get_stream("SIMPUL_POLRI").await.unwrap();
            let mut last = context.get_stream("SIMPUL_POLRI_CASE_LAST").await.unwrap();
            let state = |info: &async_nats::jetstream::stream::Info| info.state.messages;
            let counts = (state(changes.info().await.unwrap()), state(last.info().await.unwrap()));
            if counts == (8, 6) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("purged in time");
    // Both ends: the stream ends with a hole for polri, and a restarted hub goes on behind it.
    handle.stop().await;
    let handle = start(&nats, dir.path(), &feed);
    feed.cases(1);
    published(&handle, "polri", 11).await;
    let sequences: Vec<_> = nats.messages("polri", 9).await.iter().map(Got::sequence).collect();
    assert_eq!(sequences, [1, 2, 4, 5, 6, 7, 8, 9, 11]);
    handle.stop().await;
}
