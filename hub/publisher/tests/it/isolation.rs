//! What an agency can and cannot do with its certificate.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use serde_json::json;
use simpul_publisher::{names, start_on};

use super::{
    feed::{Rules, Script, agency},
    nats::Nats,
};

#[tokio::test]
async fn an_agency_reaches_nothing_of_another() {
    let (nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    feed.cases(10);
    let handle = start_on(nats.config(dir.path()), feed.clone(), Arc::new(Rules)).unwrap();
    nats.messages("polri", 10).await;
    nats.messages("kp2mi", 10).await;

    let registry = nats.client("kp2mi").await.unwrap();
    let context = jetstream::new(registry.clone());
    let names: Vec<_> = context.stream_names().map(Result::unwrap).collect().await;
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("SIMPUL_KP2MI")), "{names:?}");
    assert!(context.get_stream(names::stream(&agency("polri"))).await.is_err());

    // Live subjects of the other: the subscription stands, in the agency's own account, or is refused; nothing comes.
    for subject in ["simpul.polri.>", "simpul.>", ">", "$JS.API.>", "$JS.AGENCY.polri.API.>"] {
        let mut subscription = registry.subscribe(subject).await.unwrap();
        registry.flush().await.unwrap();
        feed.cases(1);
        let heard = tokio::time::timeout(Duration::from_millis(200), subscription.next()).await;
        let from = heard.ok().flatten().map(|message| message.subject.to_string());
        assert!(
            from.as_ref().is_none_or(|from| from.starts_with("simpul.kp2mi.")),
            "{subject} heard {from:?}"
        );
    }

    // Writing, into its own stream or another's, and managing streams.
    let forbidden = [
        "simpul.kp2mi.case.case-1",
        "simpul.polri.case.case-1",
        "$JS.AGENCY.polri.API.STREAM.INFO.SIMPUL_POLRI",
        "$JS.API.STREAM.PURGE.SIMPUL_KP2MI",
        "$JS.API.STREAM.DELETE.SIMPUL_KP2MI",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.MSG.DELETE.SIMPUL_KP2MI",
    ];
    let asked = forbidden.map(|subject| registry.request(subject, Bytes::from_static(b"{}")));
    for (answer, subject) in join_all(asked).await.into_iter().zip(forbidden) {
        assert!(answer.is_err(), "{subject} was answered");
    }

    // A push consumer may deliver to any subject of its account; it must not reach the other agency's stream.
    let forged = json!({
        "stream_name": "SIMPUL_KP2MI",
        "config": { "deliver_subject": "simpul.polri.case.forged", "ack_policy": "none", "deliver_policy": "all" },
    });
    let _ = registry.request("$JS.API.CONSUMER.CREATE.SIMPUL_KP2MI", forged.to_string().into()).await;

    let count = handle.outbox().last_sequence(&agency("polri"));
    let police = nats.messages("polri", usize::try_from(count).unwrap()).await;
    assert!(police.iter().zip(1..).all(|(got, sequence)| got.sequence() == sequence));
    assert!(police.iter().all(|got| !got.subject.contains("forged")));
    handle.stop().await;
}

#[tokio::test]
async fn only_a_certificate_of_the_directory_connects() {
    let nats = Nats::start();
    assert!(nats.client("stranger").await.is_err(), "a valid certificate of an agency that takes no part");
    assert!(nats.client("kp2mi").await.is_ok());
}

#[tokio::test]
async fn an_outage_of_nats_at_the_start_is_no_reason_not_to_start() {
    let (mut nats, dir, feed) = (Nats::start(), tempfile::tempdir().unwrap(), Script::new());
    nats.kill();
    feed.cases(5);
    let handle = start_on(nats.config(dir.path()), feed.clone(), Arc::new(Rules)).unwrap();
    assert!(handle.status().degraded().is_some());
    nats.restart();
    assert_eq!(nats.messages("kp2mi", 5).await.len(), 5);
    assert_eq!(handle.status().degraded(), None);
    handle.stop().await;
}
