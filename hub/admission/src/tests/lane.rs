//! Submissions of one stream: judged side by side, admitted in order.

use futures_util::{StreamExt, stream::FuturesOrdered};
use simpul_types::RejectReason;

use super::fixture::Hub;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_and_small_submissions_in_flight_keep_their_order() {
    let mut hub = Hub::new().await;
    let mut lane = hub.admission.lane(hub.kp2mi.caller.clone());
    let mut outcomes = FuturesOrdered::new();
    // The large ones are judged apart and take longer than the small ones after them.
    for count in [300, 1, 2, 150, 1, 1, 64, 3].into_iter().cycle().take(40) {
        outcomes.push_back(lane.submit(hub.placements(count).sign(&hub.kp2mi.key)));
        hub.kp2mi.next += count as u64;
    }
    let mut next = hub.end();
    while let Some(outcome) = outcomes.next().await {
        let receipt = outcome.result.unwrap();
        assert_eq!(receipt.first_position, next);
        next = next.plus(u64::from(receipt.event_count));
    }
    let next_sequence = hub.admission.next_sequence(&hub.kp2mi.caller.sender).unwrap();
    assert_eq!(next_sequence, hub.kp2mi.next);
}

#[tokio::test]
async fn a_refusal_in_a_lane_ends_nothing() {
    let mut hub = Hub::new().await;
    let mut lane = hub.admission.lane(hub.kp2mi.caller.clone());
    let mut outcomes = FuturesOrdered::new();
    outcomes.push_back(lane.submit(hub.placements(1).sign(&hub.kp2mi.key)));
    hub.kp2mi.next += 1;
    let mut bad = hub.placements(1).sign(&hub.kp2mi.key);
    bad.events[0].payload.clear();
    outcomes.push_back(lane.submit(bad));
    // Goes on at the sequence that the refused one did not use.
    outcomes.push_back(lane.submit(hub.placements(2).sign(&hub.kp2mi.key)));
    // One that was given up passes its turn on.
    drop(lane.submit(hub.placements(1).sign(&hub.kp2mi.key)));
    hub.kp2mi.next += 2;
    outcomes.push_back(lane.submit(hub.placements(1).sign(&hub.kp2mi.key)));
    let outcomes: Vec<_> = outcomes.map(|outcome| outcome.result).collect().await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok() && outcomes[3].is_ok());
    assert_eq!(outcomes[1].as_ref().unwrap_err().reason, RejectReason::CommitmentMismatch);
}
