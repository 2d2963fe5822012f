use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use simpul_admission::{Admission, Config};
use simpul_audit::AccessLog;
use simpul_log::{Keys, Schema};
use simpul_policy::Directory;
use simpul_signing::seal::WrapKey;
use simpul_tlog::note::NoteSigner;
use simpul_types::{Caller, Clock, RejectReason, Sender, clock::System};
use tempfile::TempDir;

use super::*;

/// An admission that knows nobody: every submission is refused, each for itself.
fn admission(dir: &TempDir) -> Admission {
    let keys = |origin: &str| Keys {
        signer: NoteSigner::new(origin, &[7; 32]).unwrap(),
        wrap: WrapKey::from_bytes([8; 32]),
    };
    let config = |name: &str| simpul_log::Config {
        key_pool: 8,
        zero_ahead_bytes: 1 << 20,
        ..simpul_log::Config::new(dir.path().join(name), name)
    };
    let clock: Arc<dyn Clock> = Arc::new(System);
    let (appender, reader) =
        simpul_log::open(config("log"), Schema::Submissions, keys("log"), Arc::clone(&clock)).unwrap();
    let access = AccessLog::open(
        config("access"),
        keys("access"),
        simpul_signing::IndexKey::from_bytes(&[7; 32]),
        Arc::clone(&clock),
    )
    .unwrap();
    let directory = Directory::new([1; 32]);
    Admission::start(Config::default(), appender, reader, directory, Arc::new(access), clock)
}

fn lane(dir: &TempDir) -> Lane {
    let sender = Sender::from_spiffe("spiffe://simpul/agency/kp2mi/connector/sisko").unwrap();
    admission(dir).lane(Caller { sender, certificate: "ab".into() })
}

fn garbage(byte: u8) -> v1::Submission {
    v1::Submission { statement: vec![byte].into(), ..Default::default() }
}

#[tokio::test]
async fn each_submission_has_its_own_outcome_and_none_ends_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let inbound = tokio_stream::iter((0..20).map(|_| Ok(garbage(0xff))));
    let outcomes: Vec<_> = run(lane(&dir), inbound).collect().await;
    assert_eq!(outcomes.len(), 20);
    for outcome in outcomes {
        match outcome.unwrap().outcome {
            Some(v1::submit_outcome::Outcome::Rejection(rejection)) => {
                assert_eq!(rejection.reason(), RejectReason::Malformed);
            }
            _ => panic!("must be a rejection"),
        }
    }
}

#[tokio::test]
async fn a_broken_stream_still_answers_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Err(Status::cancelled("gone"));
    let inbound = tokio_stream::iter([Ok(garbage(0xff)), broken, Ok(garbage(0xff))]);
    assert_eq!(run(lane(&dir), inbound).collect::<Vec<_>>().await.len(), 1);
}

/// The peer sends for ever and reads nothing: it is read from no further than the bounds say.
#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let dir = tempfile::tempdir().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let inbound = tokio_stream::iter(std::iter::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(garbage(0xff))
    }));
    let outbound = run(lane(&dir), inbound);
    let mut before = usize::MAX;
    while taken.load(Ordering::Relaxed) != before {
        before = taken.load(Ordering::Relaxed);
        tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await.ok();
    }
    assert!(before <= IN_FLIGHT_MAX + OUTCOMES_MAX + 2, "{before} were taken");
    assert!(before >= OUTCOMES_MAX);
    drop(outbound);
}
