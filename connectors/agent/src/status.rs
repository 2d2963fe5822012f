//! What has come of it, for people and for the status file.

use std::{fmt, fs, io, path::Path};

use serde::Serialize;
use simpul_connector::Counts;

/// Counts since the agent was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// `running`, `done`, `stopped` or `failed`.
    pub state: &'static str,
    /// Events that the hub has proven to have.
    pub accepted: u64,
    /// Of events sent by an earlier run, those whose receipt it never saw.
    pub duplicate: u64,
    /// Events that the hub refused; set aside.
    pub refused: u64,
    /// Records, documents and refused events that were set aside.
    pub quarantined: u64,
    /// Events in the spool.
    pub waiting: u64,
    /// Addresses of the sources that listen.
    pub listening: Vec<String>,
}

impl Status {
    pub(crate) fn new(state: &'static str, counts: Counts, quarantined: u64, listening: &[String]) -> Self {
        Self {
            state,
            accepted: counts.accepted,
            duplicate: counts.duplicate,
            refused: counts.refused,
            quarantined,
            waiting: counts.waiting,
            listening: listening.to_vec(),
        }
    }

    /// Writes it beside, then over the old one: a reader never sees half of it.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("tmp");
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&beside, path)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} accepted, {} duplicate, {} quarantined ({} refused by the hub), {} waiting",
            self.state, self.accepted, self.duplicate, self.quarantined, self.refused, self.waiting
        )
    }
}
