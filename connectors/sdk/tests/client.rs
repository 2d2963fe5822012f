//! Coalescing, rejections, lost connections and lying receipts, against a hub in this process over real TLS.

mod support;

use std::{sync::Arc, time::Duration};

use simpul_connector::{Client, SubmitError};
use simpul_types::{RejectReason, Rejection};
use support::{Hub, Lie, draft};
use tokio::{sync::Barrier, task::JoinSet, time::timeout};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_comes_back_verified_with_positions_and_ids() {
    let hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    let first = client.submit(vec![draft("A"), draft("B")]).await.expect("accepted");
    let second = client.submit(vec![draft("C")]).await.expect("accepted");
    assert_eq!((first.positions.clone(), second.positions.clone()), (0..2, 2..3));
    assert_eq!(first.event_ids.len(), 2);
    assert_eq!(hub.with(|state| state.events[2]), *second.event_ids[0].as_bytes());
    assert_eq!(hub.names(), ["A", "B", "C"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_wait_together_share_a_submission() {
    let hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    hub.open.send_replace(false);
    let mut callers = JoinSet::new();
    let all_ready = Arc::new(Barrier::new(65));
    for number in 0..64 {
        let (client, all_ready) = (client.clone(), Arc::clone(&all_ready));
        callers.spawn(async move {
            all_ready.wait().await;
            client.submit(vec![draft(&format!("P{number}"))]).await
        });
    }
    // One is in flight and held; the others can only wait, and go out together once it is answered.
    all_ready.wait().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    hub.open.send_replace(true);
    let mut positions = Vec::new();
    while let Some(accepted) = callers.join_next().await {
        positions.extend(accepted.expect("ran").expect("accepted").positions);
    }
    positions.sort_unstable();
    assert_eq!(positions, (0..64).collect::<Vec<_>>(), "each event once, positions gapless");
    let leaves = hub.with(|state| state.leaves.len());
    assert!(leaves <= 8, "64 callers shared {leaves} submissions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_submissions_are_in_flight_in_order() {
    let hub = Hub::start().await;
    let mut config = hub.config();
    config.coalesce_events_max = 100;
    let client = Client::connect(config).await.expect("connected");
    let mut callers = JoinSet::new();
    for caller in 0..10 {
        let client = client.clone();
        callers.spawn(async move {
            for round in 0..5 {
                let drafts = (0..100).map(|event| draft(&format!("{caller}-{round}-{event}"))).collect();
                client.submit(drafts).await.expect("accepted");
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("ran");
    }
    let names = hub.names();
    assert_eq!(names.len(), 5_000);
    for caller in 0..10 {
        let own: Vec<_> = names.iter().filter(|name| name.starts_with(&format!("{caller}-"))).collect();
        let expect: Vec<_> =
            (0..5).flat_map(|round| (0..100).map(move |event| format!("{caller}-{round}-{event}"))).collect();
        assert!(own.into_iter().eq(expect.iter()), "a caller's events keep their order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_offending_caller_is_refused_and_the_others_go_through() {
    for vague in [false, true] {
        let hub = Hub::start().await;
        hub.with(|state| state.vague = vague);
        let client = Client::connect(hub.config()).await.expect("connected");
        hub.open.send_replace(false);
        let mut callers = JoinSet::new();
        for number in 0..40 {
            let client = client.clone();
            // Caller 17's second event is one that the hub refuses.
            let second = if number == 17 { String::new() } else { format!("{number}b") };
            callers.spawn(async move {
                (number, client.submit(vec![draft(&format!("{number}a")), draft(&second)]).await)
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        hub.open.send_replace(true);
        while let Some(answer) = callers.join_next().await {
            let (number, answer) = answer.expect("ran");
            match answer {
                Ok(_) => assert_ne!(number, 17),
                Err(SubmitError::Rejected(rejection)) => {
                    assert_eq!((number, rejection.reason), (17, RejectReason::InvalidPayload));
                    let field = if vague { "" } else { "events[1].payload.person.name" };
                    assert_eq!(rejection.field, field, "counted in the caller's own events");
                }
                Err(error) => panic!("{number}: {error}"),
            }
        }
        let mut names = hub.names();
        assert_eq!(names.len(), 78);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 78, "nothing lost, nothing doubled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_asked_for_again_with_the_same_bytes() {
    let hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    hub.with(|state| state.lose_answers = 2);
    let accepted = timeout(SOON, client.submit(vec![draft("A")])).await.expect("in time").expect("accepted");
    assert!(accepted.receipt.duplicate, "the hub had it already");
    hub.with(|state| {
        assert_eq!(state.events.len(), 1);
        assert!(state.received.len() >= 3 && state.received.windows(2).all(|pair| pair[0] == pair[1]));
    });
    let next = client.submit(vec![draft("B")]).await.expect("accepted");
    assert_eq!((next.receipt.duplicate, next.positions), (false, 1..2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_dies_under_load_loses_and_doubles_nothing() {
    let mut hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let client = client.clone();
        callers.spawn(async move {
            for round in 0..40 {
                client.submit(vec![draft(&format!("{caller}-{round}"))]).await.expect("accepted");
            }
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        hub.kill().await;
        hub.revive().await;
    }
    let all = async { while callers.join_next().await.is_some_and(|caller| caller.is_ok()) {} };
    timeout(Duration::from_secs(60), all).await.expect("in time");
    let mut names = hub.names();
    assert_eq!(names.len(), 640);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 640);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hub_is_asked_again_and_a_sender_it_does_not_know_is_told() {
    let hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    let full = Rejection::new(RejectReason::QueueFull, "no room");
    hub.with(|state| state.refuse.extend([full.clone(), full]));
    client.submit(vec![draft("A")]).await.expect("accepted in the end");
    hub.with(|state| assert!(state.received.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes"));
    hub.with(|state| state.refuse.push_back(Rejection::new(RejectReason::UnknownKey, "no such key")));
    match client.submit(vec![draft("B")]).await {
        Err(SubmitError::Rejected(rejection)) => assert_eq!(rejection.reason, RejectReason::UnknownKey),
        other => panic!("{:?}", other.map(|accepted| accepted.positions)),
    }
    client.submit(vec![draft("C")]).await.expect("the next one goes out under the number that is free");
    assert_eq!(hub.names(), ["A", "C"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_of_one_identity_number_again_and_lose_nothing() {
    let hub = Hub::start().await;
    let one = Client::connect(hub.config()).await.expect("connected");
    let other = Client::connect(hub.config()).await.expect("connected");
    one.submit(vec![draft("A")]).await.expect("accepted");
    other.submit(vec![draft("B")]).await.expect("numbered again after a fork");
    one.submit(vec![draft("C"), draft("D")]).await.expect("numbered again after a gap or fork");
    assert_eq!(hub.names(), ["A", "B", "C", "D"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_3_a_receipt_that_proves_nothing_is_not_believed() {
    for lie in [Lie::OtherStatement, Lie::WrongRoot, Lie::OtherKey, Lie::Shrunk] {
        let hub = Hub::start().await;
        let client = Client::connect(hub.config()).await.expect("connected");
        client.submit(vec![draft("A")]).await.expect("accepted");
        client.submit(vec![draft("B")]).await.expect("accepted");
        hub.with(|state| state.lie = Some(lie));
        assert!(matches!(client.submit(vec![draft("C")]).await, Err(SubmitError::Receipt(_))));
        assert!(matches!(client.submit(vec![draft("D")]).await, Err(SubmitError::Stopped)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_submitted_is_refused_before_it_is_sent() {
    let hub = Hub::start().await;
    let client = Client::connect(hub.config()).await.expect("connected");
    let mut large = draft("A");
    large.payload = vec![0; 262_144].into();
    for (drafts, field) in
        [(vec![], "events"), (vec![draft("A"), large], "events[1]"), (vec![draft("A"); 1_025], "events")]
    {
        match client.submit(drafts).await {
            Err(SubmitError::Size { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{:?}", other.map(|accepted| accepted.positions)),
        }
    }
    hub.with(|state| assert!(state.received.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_of_another_realm_is_not_spoken_to() {
    let (hub, other) = (Hub::start().await, Hub::start().await);
    let mut config = hub.config();
    config.ca_pem = other.config().ca_pem;
    let error = Client::connect(config).await.err().expect("refused");
    assert_eq!(error.to_string(), "no connection");
    let client = Arc::new(Client::connect(hub.config()).await.expect("connected"));
    client.submit(vec![draft("A")]).await.expect("accepted");
}
