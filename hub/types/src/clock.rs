//! Time and fresh ids come in as traits, so that tests and replays can set them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{EventId, SubmissionId, Timestamp};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now, in microseconds since 1970-01-01T00:00:00Z. MAY go backward when the machine's clock is set.
    fn now(&self) -> Timestamp;
}

/// Where fresh ids come from. Two ids MUST never be equal.
pub trait IdSource: Send + Sync + 'static {
    /// A fresh UUID of version 7, as bytes.
    fn uuid_v7(&self) -> [u8; 16];

    /// A fresh event id.
    fn event_id(&self) -> EventId {
        EventId::from_bytes(self.uuid_v7())
    }

    /// A fresh submission id.
    fn submission_id(&self) -> SubmissionId {
        SubmissionId::from_bytes(self.uuid_v7())
    }
}

/// A clock that never goes back, over one that may: whoever sets the machine's clock back revives no agreement that expired and no key that
/// was revoked. Where the clock had been set ahead, it stands until the true time has caught up; what depends on the day asks the clock behind it.
pub struct Steady {
    clock: Arc<dyn Clock>,
    newest: AtomicI64,
}

impl Steady {
    /// Over a clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, newest: AtomicI64::new(i64::MIN) }
    }

    /// Goes on from there: the newest time that is on record.
    pub fn at_least(&self, time: Timestamp) {
        self.newest.fetch_max(time.as_us(), Ordering::Relaxed);
    }

    /// By how much the clock behind it is late, microseconds; 0 where it is not.
    pub fn late_us(&self) -> i64 {
        self.newest.load(Ordering::Relaxed).saturating_sub(self.clock.now().as_us()).max(0)
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let now = self.clock.now().as_us();
        Timestamp::from_us(self.newest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

/// The machine's clock and id source; the only place that may ask the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_us(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}

impl IdSource for System {
    #[allow(clippy::disallowed_methods, reason = "this is the id source")]
    fn uuid_v7(&self) -> [u8; 16] {
        uuid::Uuid::now_v7().into_bytes()
    }
}
