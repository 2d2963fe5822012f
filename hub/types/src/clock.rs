//! Time and fresh ids come in as traits, so that tests and replays can set them.

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
