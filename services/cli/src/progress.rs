//! How far long work has come, on stderr: one line that moves on a terminal, a line every few seconds elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

const TERMINAL_EVERY: Duration = Duration::from_millis(200);
const OTHERWISE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress. Quiet for work that ends before the first report is due.
pub struct Progress {
    what: &'static str,
    started: Instant,
    shown: Instant,
    terminal: bool,
    drawn: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn start(what: &'static str) -> Self {
        let now = Instant::now();
        Self { what, started: now, shown: now, terminal: std::io::stderr().is_terminal(), drawn: false }
    }

    /// `done` of `total` (0: not known) `units` so far.
    pub fn at(&mut self, done: u64, total: u64, units: &str) {
        let every = if self.terminal { TERMINAL_EVERY } else { OTHERWISE_EVERY };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = done as f64 / seconds.max(0.001);
        let of = if total == 0 { String::new() } else { format!(" of {total}") };
        let mut stderr = std::io::stderr().lock();
        let (before, after) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let _ = write!(stderr, "{before}{}: {done}{of} {units}, {rate:.0}/s{after}", self.what);
        let _ = stderr.flush();
        self.drawn = self.terminal;
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
