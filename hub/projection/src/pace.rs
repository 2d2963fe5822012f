//! How much of the processor the projection's threads take, all of them alike.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use simpul_types::background::run_when_idle;

/// So far behind, the projection claims its share of the processor, whatever else goes on.
const BEHIND_EVENTS: u64 = 1_000_000;
/// The same by time: what is acknowledged is to be seen within five seconds (`domain.md` 4.3), under any load.
const BEHIND_TIME: Duration = Duration::from_secs(4);

/// Whether the projection claims its share, or runs only when nobody else wants the processor.
#[derive(Default)]
pub(crate) struct Pace {
    hurry: AtomicBool,
    /// Readers that wait for a position.
    waiting: AtomicUsize,
}

/// Somebody waits for a position; until it is dropped the projection claims its share.
pub(crate) struct Waiting<'a>(&'a Pace);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    pub(crate) fn hurry(&self, hurry: bool) {
        self.hurry.store(hurry, Ordering::Relaxed);
    }

    /// Hurries by how many events the projection is behind, and since when it has not caught up.
    pub(crate) fn judge(&self, behind_events: u64, caught_up: Instant) {
        self.hurry(behind_events >= BEHIND_EVENTS || caught_up.elapsed() >= BEHIND_TIME);
    }

    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Makes the calling thread run at this pace; `last` is the thread's own memory of it.
    pub(crate) fn follow(&self, last: &mut Option<bool>) {
        let hurry = self.hurry.load(Ordering::Relaxed) || self.waiting.load(Ordering::Relaxed) > 0;
        if *last != Some(hurry) {
            run_when_idle(!hurry);
            *last = Some(hurry);
        }
    }
}
