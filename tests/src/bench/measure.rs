//! Closed-loop measurement: callers that each wait for their answer before they ask again.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;

/// One row of the result.
#[derive(Clone, Debug, Serialize)]
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

/// Runs `callers` loops of `call` for a time and returns what every call took.
///
/// # Panics
/// Where a call panics.
pub async fn closed_loop<C, F>(callers: usize, time: Duration, call: C) -> (Vec<Duration>, Duration)
where
    C: Fn(usize, u64) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let (call, start) = (Arc::new(call), Instant::now());
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let call = Arc::clone(&call);
            tokio::spawn(async move {
                let (mut taken, mut number) = (Vec::new(), 0);
                while start.elapsed() < time {
                    let before = Instant::now();
                    call(caller, number).await;
                    taken.push(before.elapsed());
                    number += 1;
                }
                taken
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a caller ends well"));
    }
    (all, start.elapsed())
}
