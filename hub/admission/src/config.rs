//! What admission is started with.

use std::{thread, time::Duration};

use simpul_erasure::Rules;

/// Configuration of admission; [`Config::default`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Submissions in the hub at once, from arrival to receipt; more are refused with QUEUE_FULL.
    pub submissions_max: usize,
    /// Submissions of at least this many events are judged on a thread of their own, smaller ones where they
    /// arrive: moving work to a thread and back costs as much as judging some 50 events.
    pub apart_events_min: usize,
    /// Such threads at work at once.
    pub judges_max: usize,
    /// How long attempts of unknown senders are counted before one line tells of them.
    pub unknown_window: Duration,
    /// The least that a request for erasure has to ask for.
    pub erasure: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            submissions_max: 8_192,
            apart_events_min: 128,
            judges_max: thread::available_parallelism().map_or(2, usize::from),
            unknown_window: Duration::from_secs(60),
            erasure: Rules::default(),
        }
    }
}
