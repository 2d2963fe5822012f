//! How much of the processor the projection's threads take, all of them alike.

use std::sync::atomic::{AtomicBool, Ordering};

use simpul_types::background::run_when_idle;

/// Whether the projection has fallen far behind and claims its share.
#[derive(Default)]
pub(crate) struct Pace(AtomicBool);

impl Pace {
    pub(crate) fn hurry(&self, hurry: bool) {
        self.0.store(hurry, Ordering::Relaxed);
    }

    /// Makes the calling thread run at this pace; `last` is the thread's own memory of it.
    pub(crate) fn follow(&self, last: &mut Option<bool>) {
        let hurry = self.0.load(Ordering::Relaxed);
        if *last != Some(hurry) {
            run_when_idle(!hurry);
            *last = Some(hurry);
        }
    }
}
