//! The hub's own faults as the sender sees them.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use simpul_log::{AppendError, Commit, LocalDisk, disk};
use simpul_types::RejectReason;

use super::fixture::{Hub, reason};
use crate::{Config, dedupe};

/// A disk whose flush fails once it is told to.
struct Failing(Arc<AtomicBool>);

impl Commit for Failing {
    fn commit(&mut self, segment: &disk::File, offset: u64, frame: &[u8]) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("no flush"));
        }
        LocalDisk.commit(segment, offset, frame)
    }
}

/// LOG-2: no receipt before the flush that covers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_flush_acknowledges_nothing_and_says_so() {
    let fails = Arc::new(AtomicBool::new(false));
    let mut hub = Hub::with(Config::default(), Box::new(Failing(Arc::clone(&fails)))).await;
    hub.admit(1).await;
    let end = hub.end();
    fails.store(true, Ordering::Relaxed);
    let wire = hub.placements(1).sign(&hub.kp2mi.key);
    for _ in 0..2 {
        // The second one finds the first in flight, waits for it, and hears that it never will be.
        let result = hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await;
        assert_eq!(reason(result), RejectReason::LogPoisoned);
    }
    assert!(hub.admission.stopped().is_some());
    assert_eq!(hub.end(), end);
    assert!(hub.entries().is_empty());
}

#[tokio::test]
async fn a_stored_record_that_was_changed_is_reported_and_not_answered_with() {
    let mut hub = Hub::new().await;
    let wire = hub.placements(1).sign(&hub.kp2mi.key);
    hub.admission.submit(&hub.kp2mi.caller, wire.clone()).await.unwrap();
    hub.kp2mi.next += 1;
    let segment = fs::read_dir(hub.log_dir().join("segments")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(wire.statement.len()).rposition(|window| window == wire.statement).unwrap();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    let result = hub.admission.submit(&hub.kp2mi.caller, wire).await;
    assert_eq!(reason(result), RejectReason::BrokenChain);
}

#[test]
fn every_want_of_the_log_has_its_reason() {
    use RejectReason::{DiskFull, Draining, LogPoisoned, QueueFull};
    let cases = [
        (AppendError::Full, QueueFull),
        (AppendError::DiskFull, DiskFull),
        (AppendError::Closed, Draining),
        (AppendError::Poisoned("secret detail".into()), LogPoisoned),
    ];
    for (error, reason) in cases {
        let rejection = dedupe::refused(error);
        assert_eq!(rejection.reason, reason);
        assert!(!rejection.message.contains("secret"));
        assert!(rejection.to_wire().retryable);
    }
}
