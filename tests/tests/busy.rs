//! A hub that has no room, or is about to stop: the reason code, nothing stored, and the stream still usable.
#![allow(clippy::unwrap_used, reason = "a test")]

use simpul_connector::ClientConfig;
use simpul_proto::v1::{
    self, RejectReason as R, submission_service_client::SubmissionServiceClient, submit_outcome::Outcome,
};
use simpul_tests::{
    World,
    forge::{self, Forge},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

/// Events per submission: the queue below has room for one and not for two.
const EVENTS: u64 = 60;
const QUEUE_EVENTS_MAX: u64 = 100;
/// Submissions sent at once.
const BURST: u64 = 40;

async fn next_sequence(service: &mut SubmissionServiceClient<Channel>) -> u64 {
    let state = service.get_connector_state(v1::GetConnectorStateRequest {}).await.unwrap();
    state.into_inner().next_sequence
}

/// One open stream of a connector.
struct Open {
    submissions: mpsc::Sender<v1::Submission>,
    outcomes: Streaming<v1::SubmitOutcome>,
}

impl Open {
    async fn new(service: &mut SubmissionServiceClient<Channel>) -> Self {
        let (submissions, inbound) = mpsc::channel(BURST as usize);
        let outcomes = service.submit_stream(ReceiverStream::new(inbound)).await.unwrap().into_inner();
        Self { submissions, outcomes }
    }

    async fn send(&self, submission: v1::Submission) {
        self.submissions.send(submission).await.unwrap();
    }

    async fn outcome(&mut self) -> Outcome {
        self.outcomes.message().await.unwrap().unwrap().outcome.unwrap()
    }
}

/// A burst on one stream, whose sequences follow on each other: receipts, then the first refusal.
async fn burst(open: &mut Open, config: &ClientConfig, first: u64) -> (u64, Option<R>) {
    for number in 0..BURST {
        let from = first + number * EVENTS;
        open.send(Forge::new(config, from, from..from + EVENTS).sign()).await;
    }
    let (mut accepted, mut refused) = (0, None);
    for _ in 0..BURST {
        match (open.outcome().await, refused) {
            (Outcome::Receipt(receipt), None) => accepted += u64::from(receipt.event_count),
            (Outcome::Rejection(rejection), None) => {
                assert!(rejection.retryable, "{rejection:?}");
                refused = Some(rejection.reason());
            }
            // What comes behind a refused one in its sequence can only be a gap.
            (Outcome::Rejection(rejection), Some(_)) => assert_eq!(rejection.reason(), R::SequenceGap),
            (Outcome::Receipt(_), Some(_)) => panic!("accepted behind a gap"),
        }
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_with_its_reason_and_takes_the_same_again_later() {
    let world = World::new();
    world.configure(|text| {
        let changed = text.replace("[log]", &format!("[log]\nqueue_events_max = {QUEUE_EVENTS_MAX}"));
        assert_ne!(changed, text);
        changed
    });
    let hub = world.hub();
    let config = world.config("kp2mi", "sisko");
    let mut service = forge::service(&config).await;
    let mut open = Open::new(&mut service).await;
    let (mut next, mut bursts) = (1, 0);
    // The disk may keep up with a burst, so ask until it does not.
    loop {
        bursts += 1;
        let (accepted, refused) = burst(&mut open, &config, next).await;
        next += accepted;
        assert_eq!(next_sequence(&mut service).await, next, "nothing of what was refused is stored");
        match refused {
            Some(reason) => break assert_eq!(reason, R::QueueFull),
            None => assert!(bursts < 50, "the queue never got full"),
        }
    }
    // The same stream, the refused sequence, and a lone submission larger than the queue.
    open.send(Forge::new(&config, next, next..next + 2 * EVENTS).sign()).await;
    assert!(matches!(open.outcome().await, Outcome::Receipt(_)));
    assert_eq!(next_sequence(&mut service).await, next + 2 * EVENTS);
    hub.expect_quiet();
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_hub_refuses_with_its_reason_until_it_is_gone_and_nothing_is_lost_or_double() {
    let world = World::new();
    let hub = world.hub();
    let config = world.config("kp2mi", "sisko");
    let mut service = forge::service(&config).await;
    let mut open = Open::new(&mut service).await;
    hub.process.signal("TERM");
    // The signal takes a moment to arrive; an open stream is answered until the hub is gone.
    let mut next = 1;
    let refused = loop {
        let submission = Forge::new(&config, next, next..next + 1).sign();
        open.send(submission.clone()).await;
        match open.outcome().await {
            Outcome::Receipt(_) => next += 1,
            Outcome::Rejection(rejection) => {
                assert_eq!(rejection.reason(), R::Draining, "{}", rejection.message);
                assert!(rejection.retryable);
                break submission;
            }
        }
    };
    // The stream outlives the refusal, and refuses again.
    open.send(refused.clone()).await;
    let Outcome::Rejection(again) = open.outcome().await else { panic!("a draining hub accepts") };
    assert_eq!(again.reason(), R::Draining);
    drop(open);
    hub.expect_quiet();
    assert!(hub.process.ended().success());

    let hub = world.hub();
    let mut service = forge::service(&config).await;
    assert_eq!(next_sequence(&mut service).await, next, "nothing of what was refused is stored");
    let outcome = service.submit(refused).await.unwrap_or_else(|error| panic!("{error}")).into_inner();
    let Some(Outcome::Receipt(receipt)) = outcome.outcome else { panic!("{outcome:?}") };
    assert!(!receipt.duplicate);
    hub.stop();
}
