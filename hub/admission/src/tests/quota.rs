//! Agreements that limit how much is submitted in a day.

use prost::Message;
use simpul_proto::directory::AgreementConcluded;
use simpul_types::RejectReason;

use super::fixture::{Hub, reason};

const DAY_US: i64 = 86_400_000_000;

fn five_a_day() -> (&'static str, Vec<u8>) {
    let concluded = AgreementConcluded {
        agreement: "five-a-day".into(),
        providers: vec!["*".into()],
        consumer: "kp2mi".into(),
        actions: vec!["submit".into()],
        purposes: vec!["*".into()],
        resources: vec![super::fixture::PLACEMENT.into()],
        legal_basis: "PKS 1/2026".into(),
        valid_from_us: 1,
        valid_until_us: i64::MAX,
        answers_a_day: 5,
        ..AgreementConcluded::default()
    };
    ("AgreementConcluded", concluded.encode_to_vec())
}

#[tokio::test]
async fn a_quota_is_taken_by_events_whole_over_restarts_and_comes_back_with_the_next_day() {
    let mut hub = Hub::new().await;
    // Before it was concluded: counts for nothing.
    hub.admit(9).await;
    hub.direct(vec![five_a_day()]).await;
    hub.admit(3).await;
    let refused = hub.submit(&hub.kp2mi, hub.placements(3)).await.unwrap_err();
    assert_eq!((refused.reason, refused.field.as_str()), (RejectReason::QuotaExceeded, "events"));
    assert!(
        refused.message.contains("five-a-day allows 5 events a day and has 2 left"),
        "{}",
        refused.message
    );
    // The one that was refused took nothing, and the sequence goes on.
    hub.admit(1).await;
    let mut hub = hub.close().await.open();
    assert_eq!(
        reason(hub.submit(&hub.kp2mi, hub.placements(2)).await),
        RejectReason::QuotaExceeded,
        "counted again"
    );
    hub.admit(1).await;
    assert_eq!(reason(hub.submit(&hub.kp2mi, hub.placements(1)).await), RejectReason::QuotaExceeded);
    hub.clock.forward(DAY_US);
    hub.admit(5).await;
    hub.clock.forward(-DAY_US);
    assert_eq!(
        reason(hub.submit(&hub.kp2mi, hub.placements(1)).await),
        RejectReason::QuotaExceeded,
        "a clock set back opens nothing"
    );
}
