//! Random senders against a model: what was admitted is there once, in order; what was sent before is
//! answered as before.

use std::collections::HashMap;

use proptest::prelude::*;
use simpul_proto::v1;
use simpul_types::RejectReason;

use super::fixture::Hub;

#[derive(Clone, Debug)]
enum Step {
    /// The next submission, with so many events.
    Next(usize),
    /// One of those sent before, as it was.
    Again(prop::sample::Index),
    /// New events at a sequence so far off; 0 is the right one.
    Off(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1_usize..6).prop_map(Step::Next),
        3 => any::<prop::sample::Index>().prop_map(Step::Again),
        2 => (-4_i64..5).prop_map(Step::Off),
        1 => Just(Step::Restart),
    ]
}

/// LOG-1, LOG-4.
async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut hub = Hub::new().await;
    let mut sent: Vec<v1::Submission> = Vec::new();
    let mut leaves: HashMap<usize, (u64, u64)> = HashMap::new();
    let mut end = hub.end().get();
    for step in steps {
        match step {
            Step::Next(count) => {
                let wire = hub.placements(count).sign(&hub.kp2mi.key);
                let receipt = hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await.unwrap();
                prop_assert!(!receipt.duplicate);
                prop_assert_eq!(receipt.first_position.get(), end);
                end += count as u64;
                hub.kp2mi.next += count as u64;
                leaves.insert(sent.len(), (receipt.leaf_index.get(), receipt.first_position.get()));
                sent.push(wire);
            }
            Step::Again(_) if sent.is_empty() => {}
            Step::Again(index) => {
                let index = index.index(sent.len());
                let receipt = hub.admission.submit(&hub.kp2mi.caller, sent[index].clone()).await.unwrap();
                prop_assert!(receipt.duplicate);
                prop_assert_eq!((receipt.leaf_index.get(), receipt.first_position.get()), leaves[&index]);
            }
            Step::Off(by) => {
                let first = hub.kp2mi.next.saturating_add_signed(by).max(1);
                let mut parts = hub.placements(1);
                parts.statement.first_sequence = first;
                let result = hub.submit(&hub.kp2mi, parts).await;
                match first.cmp(&hub.kp2mi.next) {
                    std::cmp::Ordering::Equal => {
                        prop_assert_eq!(result.unwrap().first_position.get(), end);
                        end += 1;
                        hub.kp2mi.next += 1;
                    }
                    order => {
                        let gap = order == std::cmp::Ordering::Greater;
                        let rejection = result.unwrap_err();
                        let reason = if gap { RejectReason::SequenceGap } else { RejectReason::SequenceFork };
                        prop_assert_eq!(
                            (rejection.reason, rejection.expected),
                            (reason, Some(hub.kp2mi.next))
                        );
                    }
                }
            }
            Step::Restart => hub = hub.close().await.open(),
        }
        prop_assert_eq!(hub.end().get(), end);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn admission_keeps_the_model(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
