//! Processor time of a process and its threads, from `/proc`. Unlike events per second, it hardly moves on a noisy machine.

use std::{collections::BTreeMap, fs};

/// Ticks of `/proc/…/stat`, per second; Linux reports 100 to user space whatever its own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time spent up to now, seconds.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    total: f64,
    threads: BTreeMap<String, f64>,
}

/// What a process has spent so far; nothing where it is gone.
pub fn spent(process: u32) -> Spent {
    let total = seconds(&format!("/proc/{process}/stat")).map_or(0.0, |(_, seconds)| seconds);
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        if let Some((name, seconds)) = seconds(&task.path().join("stat").to_string_lossy()) {
            *threads.entry(name).or_insert(0.0) += seconds;
        }
    }
    Spent { total, threads }
}

impl Spent {
    /// Microseconds per event since `before`, and the threads that took most of it: `17.3 (projection 9.1, …)`.
    pub fn since(&self, before: &Self, events: f64) -> String {
        let share = |now: f64, then: f64| (now - then) * 1e6 / events;
        let mut threads: Vec<(f64, &str)> = self
            .threads
            .iter()
            .map(|(name, now)| (share(*now, before.threads.get(name).copied().unwrap_or(0.0)), name.as_str()))
            .collect();
        threads.sort_by(|one, other| other.0.total_cmp(&one.0));
        let parts: Vec<String> = threads
            .iter()
            .take(4)
            .filter(|(us, _)| *us >= 0.1)
            .map(|(us, name)| format!("{name} {us:.1}"))
            .collect();
        format!("{:.1} ({})", share(self.total, before.total), parts.join(", "))
    }
}

/// Name and seconds of one `stat` line; the name stands in brackets and may hold anything.
fn seconds(path: &str) -> Option<(String, f64)> {
    let line = fs::read_to_string(path).ok()?;
    let (name, rest) = (line.find('(')?, line.rfind(')')?);
    let fields: Vec<&str> = line[rest + 2..].split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some((line[name + 1..rest].to_owned(), ticks / TICKS_PER_SECOND))
}
