//! Watch.

use std::{sync::Arc, time::Duration};

use simpul_policy::Directory;
use simpul_proto::v1::{WatchRequest, subscription_service_server::SubscriptionService};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::*;

fn watch(from_sequence: u64, once: bool) -> WatchRequest {
    WatchRequest { from_sequence, purpose: "RETURN".into(), official: "petugas-7".into(), once }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_follows_from_a_sequence_without_a_gap_and_leaves_one_entry() {
    let mut hub = Hub::new();
    let mut changes = hub.service.watch(by("kp2mi", watch(0, false))).await.unwrap().into_inner();
    hub.with_case().await;
    let first = changes.next().await.unwrap().unwrap();
    let second = changes.next().await.unwrap().unwrap();
    assert_eq!((first.sequence, first.view.as_str(), first.position), (1, "placement", 0));
    assert_eq!((second.sequence, second.view.as_str(), second.position), (2, "case", 1));
    assert_eq!(second.r#type, "id.simpul.case.changed.v1");
    assert!(first.json.contains("SITI CONTOH") && !second.json.contains("canary"));
    let answers: Vec<_> = hub.entries().into_iter().map(|entry| entry.answer).collect();
    assert_eq!(answers, ["WATCH"]);

    let rest = hub.service.watch(by("kp2mi", watch(2, true))).await.unwrap().into_inner();
    let rest: Vec<_> = rest.collect().await;
    assert_eq!(rest.len(), 1, "once stops at the present end");
    assert_eq!(rest[0].as_ref().unwrap().sequence, 2);

    hub.service.end_subscriptions();
    let end = tokio::time::timeout(Duration::from_secs(10), changes.next()).await.unwrap().unwrap();
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_nothing_may_not_watch_and_who_loses_it_is_let_go() {
    let mut hub = Hub::new();
    let refused = hub.service.watch(by("asing", watch(0, false))).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut changes = hub.service.watch(by("kp2mi", watch(1, false))).await.unwrap().into_inner();
    hub.with_case().await;
    assert!(changes.next().await.unwrap().is_ok());
    assert!(changes.next().await.unwrap().is_ok());
    // Nobody is declared any more, and no policy stands.
    hub.directory.store(Arc::new(Directory::new([1; 32])));
    let refused = hub.service.watch(by("kp2mi", watch(1, false))).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    hub.with_case().await;
    let end = tokio::time::timeout(Duration::from_secs(10), changes.next()).await.unwrap().unwrap();
    assert_eq!(end.unwrap_err().code(), Code::PermissionDenied);
    let answers: Vec<_> = hub.entries().into_iter().map(|entry| entry.answer).collect();
    assert_eq!(answers, ["DENIED", "WATCH", "DENIED"]);
    hub.stop().await;
}
