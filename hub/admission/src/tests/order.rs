//! What may follow what in a stream: two agencies cannot both win, and the loser is told who did.

use futures_util::future::join_all;
use prost::Message;
use simpul_proto::nrm;
use simpul_types::{Receipt, RejectReason, Rejection};

use super::fixture::{Connector, Hub, Parts, placement};

const OFFERED: &str = "simpul.nrm.v1.ReferralOffered";
const ACCEPTED: &str = "simpul.nrm.v1.ReferralAccepted";
const DELIVERED: &str = "simpul.nrm.v1.ServiceDelivered";
const STAGE: &str = "simpul.nrm.v1.StageChanged";

fn offered() -> Vec<u8> {
    nrm::ReferralOffered {
        case_ref: "C-1".into(),
        service: "SHELTER".into(),
        to_agencies: vec!["kp2mi".into(), "polri".into()],
        offered_on: "2026-11-20".into(),
        answer_by: "2026-11-27".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

fn accepted() -> Vec<u8> {
    nrm::ReferralAccepted { accepted_on: "2026-11-21".into(), ..Default::default() }.encode_to_vec()
}

fn delivered() -> Vec<u8> {
    nrm::ServiceDelivered { delivered_on: "2026-11-22".into(), ..Default::default() }.encode_to_vec()
}

fn stage() -> Vec<u8> {
    nrm::StageChanged {
        case_ref: "C-1".into(),
        stage: nrm::Stage::Screening.into(),
        changed_on: "2026-11-21".into(),
        holder: "kp2mi".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Events of one stream, submitted by this connector.
async fn submit(
    hub: &mut Hub,
    police: bool,
    stream: &str,
    events: Vec<(&str, Vec<u8>)>,
) -> Result<Receipt, Rejection> {
    let count = events.len() as u64;
    let (connector, purpose) = if police { (&hub.polri, "INVESTIGATE") } else { (&hub.kp2mi, "COMPLAINT") };
    let mut parts = Parts::new(connector, events, purpose, "any");
    parts.headers.iter_mut().for_each(|header| header.stream = stream.into());
    let wire = parts.sign(&connector.key);
    let caller = if police { hub.polri.caller.clone() } else { hub.kp2mi.caller.clone() };
    let result = hub.admission.submit(&caller, wire).await;
    if result.is_ok() {
        let connector: &mut Connector = if police { &mut hub.polri } else { &mut hub.kp2mi };
        connector.next += count;
    }
    result
}

fn refused(result: Result<Receipt, Rejection>) -> Rejection {
    let rejection = result.expect_err("must be refused");
    assert_eq!(rejection.reason, RejectReason::OutOfOrder, "{rejection}");
    assert!(rejection.field.ends_with("header.stream"), "{}", rejection.field);
    rejection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acceptance_without_an_offer_is_refused_and_named() {
    let mut hub = Hub::new().await;
    let end = hub.end();
    let rejection = refused(submit(&mut hub, false, "ref/1", vec![(ACCEPTED, accepted())]).await);
    assert_eq!(
        rejection.message,
        "ReferralAccepted may stand after ReferralOffered; the stream has no event yet"
    );
    let both = vec![(OFFERED, offered()), (DELIVERED, delivered())];
    let rejection = refused(submit(&mut hub, false, "ref/1", both).await);
    assert_eq!(rejection.field, "events[1].header.stream", "a submission is judged as one");
    assert_eq!(hub.end(), end, "nothing of it is stored");
    submit(&mut hub, false, "ref/1", vec![(OFFERED, offered()), (ACCEPTED, accepted())]).await.unwrap();
    refused(submit(&mut hub, false, "ref/1", vec![(OFFERED, offered())]).await);
    refused(submit(&mut hub, false, "ref/1", vec![(STAGE, stage())]).await);
    submit(&mut hub, false, "stages/1", vec![(STAGE, stage()), (STAGE, stage())]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_agencies_that_accept_at_once_one_wins_and_the_other_is_told_who() {
    let mut hub = Hub::new().await;
    for number in 0..20 {
        let stream = format!("ref/{number}");
        submit(&mut hub, false, &stream, vec![(OFFERED, offered())]).await.unwrap();
        let wires = [(&hub.kp2mi, "COMPLAINT"), (&hub.polri, "INVESTIGATE")].map(|(connector, purpose)| {
            let mut parts = Parts::new(connector, vec![(ACCEPTED, accepted())], purpose, "any");
            parts.headers[0].stream.clone_from(&stream);
            (connector.caller.clone(), parts.sign(&connector.key))
        });
        let both = wires.map(|(caller, wire)| {
            let admission = hub.admission.clone();
            tokio::spawn(async move { admission.submit(&caller, wire).await })
        });
        let results: Vec<_> = join_all(both).await.into_iter().map(Result::unwrap).collect();
        let (winner, loser) = if results[0].is_ok() { (0, 1) } else { (1, 0) };
        assert!(results[winner].is_ok() && results[loser].is_err());
        let message = results[loser].as_ref().unwrap_err().message.clone();
        let who = ["kp2mi", "polri"][winner];
        assert!(message.contains(&format!("ReferralAccepted by {who}, at position")), "{message}");
        if winner == 0 { hub.kp2mi.next += 1 } else { hub.polri.next += 1 }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_holds_across_a_restart_and_snapshots_have_none() {
    let mut hub = Hub::new().await;
    submit(&mut hub, false, "ref/1", vec![(OFFERED, offered()), (ACCEPTED, accepted())]).await.unwrap();
    let mut hub = hub.close().await.open();
    let rejection = refused(submit(&mut hub, true, "ref/1", vec![(ACCEPTED, accepted())]).await);
    assert!(rejection.message.contains("ReferralAccepted by kp2mi"), "{}", rejection.message);
    submit(&mut hub, true, "ref/1", vec![(DELIVERED, delivered())]).await.unwrap();
    let snapshot = || vec![(super::fixture::PLACEMENT, placement())];
    let mut parts = Parts::new(&hub.kp2mi, [snapshot(), snapshot()].concat(), "PLACEMENT", "sisko-placement");
    parts.headers.iter_mut().for_each(|header| header.stream = "sisko-placement/one".into());
    hub.submit(&hub.kp2mi, parts).await.unwrap();
}
