//! Everything a sender can get wrong: the reason code of design §5, nothing stored, and the connection still usable.
#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use simpul_proto::{
    status,
    v1::{self, RejectReason as R, submission_service_client::SubmissionServiceClient},
};
use simpul_tests::{
    World,
    forge::{self, Forge},
};
use tonic::{Code, transport::Channel};

struct Bench {
    world: World,
    service: SubmissionServiceClient<Channel>,
    next: u64,
    number: u64,
}

impl Bench {
    fn forge(&mut self) -> Forge {
        self.number += 1;
        Forge::new(&self.world.config("kp2mi", "sisko"), self.next, self.number..self.number + 1)
    }

    /// Sends a submission that must be refused for this reason, naming this field, and then a right one.
    async fn refused(&mut self, case: &str, wrong: v1::Submission, reason: R, field: &str) -> v1::Rejection {
        let error = self.service.submit(wrong).await.expect_err(case);
        let rejection = status::from_status(&error).unwrap_or_else(|| panic!("{case}: {error}"));
        assert_eq!(rejection.reason(), reason, "{case}: {}", rejection.message);
        assert_eq!(error.code(), status::code(reason), "{case}");
        assert_eq!(rejection.field, field, "{case}: {}", rejection.message);
        self.accepted(case).await;
        rejection
    }

    /// A right submission goes through at the very next sequence: nothing of the wrong one was stored.
    async fn accepted(&mut self, case: &str) {
        let right = self.forge().sign();
        let outcome =
            self.service.submit(right).await.unwrap_or_else(|error| panic!("after {case}: {error}"));
        assert!(
            matches!(outcome.into_inner().outcome, Some(v1::submit_outcome::Outcome::Receipt(_))),
            "{case}"
        );
        self.next += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_submission_has_its_reason_and_leaves_nothing() {
    let world = World::new();
    let hub = world.hub();
    let service = forge::service(&world.config("kp2mi", "sisko")).await;
    let mut bench = Bench { world, service, next: 1, number: 0 };
    bench.accepted("start").await;

    let mut forge = bench.forge();
    forge.events[0].0.stream = "Not A Stream".into();
    bench.refused("stream name", forge.sign(), R::Malformed, "events[0].header.stream").await;

    let mut wrong = bench.forge().sign();
    wrong.statement = Bytes::from_static(b"\xff\xff\xff");
    bench.refused("statement bytes", wrong, R::Malformed, "statement").await;

    let mut wrong = bench.forge().sign();
    wrong.signature = Bytes::from_static(b"short");
    bench.refused("short signature", wrong, R::Malformed, "signature").await;

    let mut forge = bench.forge();
    forge.events[0].0.version = 2;
    bench.refused("header version", forge.sign(), R::UnknownVersion, "events[0].header.version").await;

    let mut forge = bench.forge();
    forge.statement.version = 9;
    bench.refused("statement version", forge.sign(), R::UnknownVersion, "statement.version").await;

    let mut forge = bench.forge();
    forge.events[0].0.r#type = "simpul.registry.v1.NoSuchThing".into();
    bench.refused("unknown type", forge.sign(), R::UnknownType, "events[0].header.type").await;

    let mut forge = bench.forge();
    forge.events[0].0.occurred_at_us += 3_600_000_000;
    bench.refused("future", forge.sign(), R::FutureDated, "events[0].header.occurred_at_us").await;

    let mut forge = bench.forge();
    forge.statement.created_at_us += 3_600_000_000;
    bench.refused("future statement", forge.sign(), R::FutureDated, "statement.created_at_us").await;

    let mut wrong = bench.forge().sign();
    wrong.events[0].payload = Bytes::from_static(b"\x0a\x01x");
    bench.refused("other payload", wrong, R::CommitmentMismatch, "events[0].header.payload_commitment").await;

    let mut forge = bench.forge();
    forge.statement.events_root = Bytes::from(vec![7; 32]);
    bench.refused("events root", forge.sign(), R::CommitmentMismatch, "statement.events_root").await;

    let mut forge = bench.forge();
    forge::recommit(&mut forge.events[0], b"\xff\xff\xff\xff".to_vec());
    bench.refused("payload bytes", forge.sign(), R::InvalidPayload, "events[0].payload").await;

    let mut forge = bench.forge();
    let big = vec![0; 300_000];
    forge::recommit(&mut forge.events[0], big);
    bench.refused("oversized", forge.sign(), R::Oversized, "events[0]").await;

    let mut wrong = bench.forge().sign();
    let mut signature = wrong.signature.to_vec();
    signature[5] ^= 1;
    wrong.signature = signature.into();
    bench.refused("bad signature", wrong, R::BadSignature, "signature").await;

    let mut forge = bench.forge();
    forge.key = simpul_signing::SigningKey::generate();
    bench.refused("unregistered key", forge.sign(), R::UnknownKey, "key_id").await;

    let mut forge = bench.forge();
    forge.statement.agency = "polri".into();
    forge.statement.connector = "case-system".into();
    bench.refused("another agency's name", forge.sign(), R::IdentityMismatch, "statement.agency").await;

    let mut forge = bench.forge();
    forge.statement.first_sequence += 5;
    let rejection = bench.refused("gap", forge.sign(), R::SequenceGap, "statement.first_sequence").await;
    assert!(rejection.retryable);

    let mut forge = bench.forge();
    forge.statement.first_sequence = 1;
    bench.refused("fork", forge.sign(), R::SequenceFork, "statement.first_sequence").await;

    let mut forge = bench.forge();
    let exactly = v1::expected_version::Kind::Exactly(9);
    forge.events[0].0.expected = Some(v1::ExpectedVersion { kind: Some(exactly) });
    let rejection = bench
        .refused("stream version", forge.sign(), R::WrongExpectedVersion, "events[0].header.expected")
        .await;
    assert_eq!(rejection.expected, Some(0));

    let mut forge = bench.forge();
    let payload = simpul_proto::police::CaseUpdated::default();
    forge.events[0].0.r#type = "simpul.police.v1.CaseUpdated".into();
    forge::recommit(&mut forge.events[0], prost::Message::encode_to_vec(&payload));
    bench
        .refused("another agency's event type", forge.sign(), R::PolicyDenied, "events[0].header.type")
        .await;

    same_ids(&mut bench).await;

    // The certificate of another agency on the connection.
    let mut foreign = forge::service(&bench.world.config("polri", "case-system")).await;
    let error = foreign.submit(bench.forge().sign()).await.expect_err("foreign certificate");
    assert_eq!(status::from_status(&error).map(|rejection| rejection.reason()), Some(R::IdentityMismatch));

    // Every rejection of a known sender is in the access log.
    let rejected = bench.world.cli_lines("ombudsman", "desk", &["audit", "access", "--purpose", "OVERSIGHT"]);
    let text = serde_json::Value::from(rejected).to_string();
    for reason in ["BAD_SIGNATURE", "SEQUENCE_GAP", "POLICY_DENIED", "COMMITMENT_MISMATCH"] {
        assert!(text.contains(reason), "ADM-2: {reason} is not in the access log");
    }
    hub.expect_quiet();
    hub.stop();
}

/// LOG-4: one submission id, one digest, one receipt.
async fn same_ids(bench: &mut Bench) {
    let right = bench.forge().sign();
    let receipt = |outcome: v1::SubmitOutcome| match outcome.outcome {
        Some(v1::submit_outcome::Outcome::Receipt(receipt)) => receipt,
        other => panic!("{other:?}"),
    };
    let first = receipt(bench.service.submit(right.clone()).await.unwrap().into_inner());
    bench.next += 1;
    let again = receipt(bench.service.submit(right.clone()).await.unwrap().into_inner());
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.leaf_index, &again.leaf), (first.leaf_index, &first.leaf), "LOG-4");

    let statement = <v1::SubmissionStatement as prost::Message>::decode(right.statement.clone()).unwrap();
    let mut forge = bench.forge();
    forge.statement.submission_id = statement.submission_id;
    bench
        .refused("submission id reused", forge.sign(), R::SubmissionIdReused, "statement.submission_id")
        .await;

    let header = <v1::EventHeader as prost::Message>::decode(right.events[0].header.clone()).unwrap();
    let mut forge = bench.forge();
    forge.events[0].0.event_id = header.event_id;
    bench.refused("event id reused", forge.sign(), R::EventIdReused, "events[0].header.event_id").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_on_a_stream_is_an_outcome_and_the_stream_goes_on() {
    let world = World::new();
    let hub = world.hub();
    let config = world.config("kp2mi", "sisko");
    let mut service = forge::service(&config).await;
    let mut wrong = Forge::new(&config, 2, 2..3).sign();
    wrong.signature = Bytes::from(vec![0; 64]);
    let submissions = vec![Forge::new(&config, 1, 1..2).sign(), wrong, Forge::new(&config, 2, 3..4).sign()];
    let mut outcomes = service.submit_stream(tokio_stream::iter(submissions)).await.unwrap().into_inner();
    let mut kinds = Vec::new();
    while let Some(outcome) = outcomes.message().await.unwrap() {
        kinds.push(match outcome.outcome.unwrap() {
            v1::submit_outcome::Outcome::Receipt(receipt) => format!("leaf {}", receipt.leaf_index > 0),
            v1::submit_outcome::Outcome::Rejection(rejection) => format!("{:?}", rejection.reason()),
        });
    }
    assert_eq!(kinds, ["leaf true", "BadSignature", "leaf true"]);
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_client_certificate_there_is_no_answer() {
    let world = World::new();
    let hub = world.hub();
    let config = world.config("kp2mi", "sisko");
    let ca = tonic::transport::Certificate::from_pem(std::fs::read(&config.ca_pem).unwrap());
    let tls = tonic::transport::ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
    let endpoint = Channel::from_shared(config.endpoint).unwrap().tls_config(tls).unwrap();
    let refused = match endpoint.connect().await {
        Err(_) => true,
        Ok(channel) => {
            let request = v1::GetConnectorStateRequest {};
            let answer = SubmissionServiceClient::new(channel).get_connector_state(request).await;
            // The connection breaks, one way or another; none of the hub's own answers comes through it.
            answer
                .is_err_and(|status| !matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied))
        }
    };
    assert!(refused);
    hub.stop();
}
