//! Closed-loop measurement: callers that each wait for their answer before they ask again.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// One row of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub workload: String,
    /// Who did it: `simpul`, or `floor`.
    pub system: String,
    /// Events (or calls) per second.
    pub events_per_s: f64,
    /// Median time of one call, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
    /// Whether an answer means that the data is on stable storage.
    pub durable: bool,
    /// What else belongs beside the figure.
    pub note: String,
}

/// Latencies of calls of `events` events each, over a time.
pub fn row(
    workload: &str,
    system: &str,
    durable: bool,
    events: usize,
    mut calls: Vec<Duration>,
    took: Duration,
) -> Row {
    calls.sort_unstable();
    let at = |share: f64| {
        let index = ((calls.len() as f64 * share) as usize).min(calls.len().saturating_sub(1));
        calls.get(index).map_or(0.0, |call| call.as_secs_f64() * 1e6)
    };
    Row {
        workload: workload.into(),
        system: system.into(),
        events_per_s: (calls.len() * events) as f64 / took.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        durable,
        note: String::new(),
    }
}

/// A row of work that was done once, as reading everything.
pub fn once(workload: &str, system: &str, durable: bool, events: usize, took: Duration) -> Row {
    let mut row = row(workload, system, durable, events, vec![took], took);
    (row.p50_us, row.p99_us) = (0.0, 0.0);
    row.note = format!("{events} events in {:.2} s", took.as_secs_f64());
    row
}

/// Runs `callers` loops of `call` for `warm`, then for `time`, and returns what every call took that ended in
/// `time`.
///
/// # Panics
/// Where a call panics.
pub async fn closed_loop<C, F>(
    callers: usize,
    warm: Duration,
    time: Duration,
    call: C,
) -> (Vec<Duration>, Duration)
where
    C: Fn(usize, u64) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let (call, start) = (Arc::new(call), Instant::now() + warm);
    let end = start + time;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let call = Arc::clone(&call);
            tokio::spawn(async move {
                let (mut taken, mut number) = (Vec::new(), 0);
                loop {
                    let before = Instant::now();
                    if before >= end {
                        return taken;
                    }
                    call(caller, number).await;
                    let after = Instant::now();
                    if (start..end).contains(&after) {
                        taken.push(after - before);
                    }
                    number += 1;
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a caller ends well"));
    }
    (all, time)
}
