//! Directory events: when they take effect, and that the fold at start finds the same directory.

use std::{
    future::Future,
    task::{Context, Waker},
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use simpul_policy::{Directory, FIRST_MATRIX};
use simpul_types::{Leaf, Position, RejectReason};

use super::fixture::{
    Connector, Hub, Parts, agency, case, declare, declare_connector, directory_parts, policy, reason,
    register, revoke,
};
use crate::admission::Awaited;

fn present(hub: &Hub) -> Directory {
    Directory::clone(&hub.admission.directory().load())
}

fn same(left: &Directory, right: &Directory) {
    assert_eq!(left.position(), right.position());
    assert_eq!(left.policy_version(), right.policy_version());
    assert!(left.agencies().eq(right.agencies()));
}

#[tokio::test]
async fn directory_events_hold_for_what_comes_after_them() {
    let mut hub = Hub::new().await;
    let mission = Connector::new("kbri-yangon", "forms", 80);
    let receipt = hub
        .direct(vec![declare("kbri-yangon", "mission"), declare_connector(&mission), register(&mission)])
        .await;
    assert_eq!(present(&hub).position(), receipt.first_position.plus(3));
    assert!(present(&hub).knows(&mission.caller.sender));
    hub.direct(vec![revoke(&hub.kp2mi, 1)]).await;
    assert_eq!(reason(hub.submit(&hub.kp2mi, hub.placements(1)).await), RejectReason::UnknownKey);
    let position = present(&hub).position();
    let events = vec![("simpul.police.v1.CaseUpdated", case())];
    let parts = Parts::new(&hub.polri, events, "INVESTIGATE", "polri-lp");
    let receipt = hub.submit(&hub.polri, parts).await.unwrap();
    assert_eq!(Leaf::decode(&receipt.leaf).unwrap().directory_position, position);
}

#[tokio::test]
async fn a_directory_event_that_does_not_apply_is_refused_by_field() {
    let hub = Hub::new().await;
    let cases = [
        (declare("X", "police"), "events[0].payload", "code"),
        (declare_connector(&Connector::new("nobody", "desk", 9)), "events[0].payload", "agency"),
        (register(&hub.polri), "events[0].payload", "public_key"),
        (policy("permit (principal"), "events[0].payload", "cedar"),
        (("KeyRevoked", vec![0xff]), "events[0].payload", "not such a message"),
    ];
    for (event, field, message) in cases {
        let parts = directory_parts(&hub.authority, vec![event]);
        let rejection = hub.submit(&hub.authority, parts).await.unwrap_err();
        assert_eq!((rejection.reason, rejection.field.as_str()), (RejectReason::InvalidPayload, field));
        assert!(rejection.message.starts_with(message), "{}", rejection.message);
    }
    // The authority writes its own streams and nothing else.
    let elsewhere =
        Parts::new(&hub.authority, vec![("simpul.police.v1.CaseUpdated", case())], "INVESTIGATE", "lp");
    assert_eq!(reason(hub.submit(&hub.authority, elsewhere).await), RejectReason::PolicyDenied);
    let (_, payload) = declare("x1", "police");
    let stream =
        Parts::new(&hub.authority, vec![("simpul.directory.v1.AgencyDeclared", payload)], "D", "elsewhere");
    assert_eq!(reason(hub.submit(&hub.authority, stream).await), RejectReason::PolicyDenied);
}

/// Several in flight build on each other before any of them is committed, and a policy may not widen who
/// writes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_events_in_flight_build_on_each_other() {
    let mut hub = Hub::new().await;
    let mission = Connector::new("kbri-yangon", "forms", 80);
    let all = r#"@id("all") permit (principal, action, resource);"#;
    let mut lane = hub.admission.lane(hub.authority.caller.clone());
    let mut outcomes = FuturesOrdered::new();
    let events =
        [declare("kbri-yangon", "mission"), declare_connector(&mission), register(&mission), policy(all)];
    for event in events {
        outcomes
            .push_back(lane.submit(directory_parts(&hub.authority, vec![event]).sign(&hub.authority.key)));
        hub.authority.next += 1;
    }
    while let Some(outcome) = outcomes.next().await {
        outcome.result.unwrap();
    }
    assert!(present(&hub).knows(&mission.caller.sender));
    let (_, payload) = declare("x1", "police");
    let usurped = vec![("simpul.directory.v1.AgencyDeclared", payload)];
    let parts = Parts::new(&hub.polri, usurped, "DIRECTORY", "directory");
    assert_eq!(reason(hub.submit(&hub.polri, parts).await), RejectReason::PolicyDenied);
    let before = present(&hub);
    // The lane keeps the hub's log open.
    drop(lane);
    let hub = hub.close().await.open();
    same(&present(&hub), &before);
}

/// However many were in flight together, over whichever frames they fell, the fold at start meets each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fold_at_start_finds_what_was_in_flight_together() {
    let mut hub = Hub::new().await;
    for round in 0..12_u64 {
        let mut lane = hub.admission.lane(hub.authority.caller.clone());
        let mut outcomes = FuturesOrdered::new();
        for number in 0..=round {
            let agency = format!("agency-{round}-{number}");
            let parts = directory_parts(&hub.authority, vec![declare(&agency, "police")]);
            outcomes.push_back(lane.submit(parts.sign(&hub.authority.key)));
            hub.authority.next += 1;
            if number % 3 == 0 {
                outcomes.next().await.unwrap().result.unwrap();
            }
        }
        while let Some(outcome) = outcomes.next().await {
            outcome.result.unwrap();
        }
        if round % 4 == 3 {
            hub.admit(1).await;
        }
        drop((lane, outcomes));
        let before = present(&hub);
        hub = hub.close().await.open();
        same(&present(&hub), &before);
    }
}

#[tokio::test]
async fn a_directory_event_whose_sender_went_away_takes_effect_all_the_same() {
    let hub = Hub::new().await;
    let mut lane = hub.admission.lane(hub.authority.caller.clone());
    let wire = directory_parts(&hub.authority, vec![declare("x1", "police")]).sign(&hub.authority.key);
    let mut outcome = Box::pin(lane.submit(wire));
    // Polled once, it is past the gate and not yet flushed.
    assert!(outcome.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(outcome);
    hub.reader.subscribe().wait_for(|head| head.end.get() == 8).await.unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(present(&hub).agency(&agency("x1")).is_some());
}

#[tokio::test]
async fn the_fold_at_start_finds_every_directory_event_between_all_the_others() {
    let mut hub = Hub::new().await;
    assert!(present(&hub).agency(&agency("kp2mi")).is_some());
    for round in 0..5_u8 {
        hub.admit(3).await;
        let added = Connector::new("polri", &format!("desk-{round}"), 100 + round);
        hub.direct(vec![declare_connector(&added), register(&added)]).await;
        hub.admit(2).await;
    }
    hub.direct(vec![policy(FIRST_MATRIX)]).await;
    for expected_last in ["directory", "other"] {
        let before = present(&hub);
        hub = hub.close().await.open();
        same(&present(&hub), &before);
        assert!(before.position() > Position::ZERO, "{expected_last}");
        hub.admit(1).await;
    }
}

/// What was judged under a directory that moved on before the gate is judged again.
#[tokio::test]
async fn a_key_that_is_revoked_between_judgment_and_gate_is_refused() {
    let mut hub = Hub::new().await;
    let judge = |hub: &Hub| {
        let wire = hub.placements(1).sign(&hub.kp2mi.key);
        hub.admission.judge_now(&hub.kp2mi.caller, wire).unwrap()
    };
    let validated = judge(&hub);
    hub.direct(vec![declare("x1", "police")]).await;
    let Ok(Awaited::Flush(ticket)) = hub.admission.pass(validated) else { panic!("must be admitted") };
    let leaf = Leaf::decode(&ticket.await.unwrap().leaf).unwrap();
    assert_eq!(leaf.directory_position, present(&hub).position());
    hub.kp2mi.next += 1;
    let validated = judge(&hub);
    hub.direct(vec![revoke(&hub.kp2mi, 1)]).await;
    let refused = hub.admission.pass(validated).err().expect("must be refused");
    assert_eq!(refused.reason, RejectReason::UnknownKey);
}
