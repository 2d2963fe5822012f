//! Durable submissions through one SDK client, which coalesces its callers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use simpul_connector::Client;

use super::measure::{Row, closed_loop, row};
use crate::drafts;

/// Payload of one event, bytes; the peers' figures are at the same size.
pub const PAYLOAD_BYTES: usize = 600;

/// `callers` callers, each with `batch` events a call.
///
/// # Panics
/// Where a submission is refused.
pub async fn run(
    client: &Client,
    next: &Arc<AtomicU64>,
    callers: usize,
    batch: usize,
    time: Duration,
) -> Row {
    let name = if batch == 1 { format!("c{callers}") } else { format!("{callers}x{batch}") };
    let (client, next) = (client.clone(), Arc::clone(next));
    let call = move |_, _| {
        let (client, from) = (client.clone(), next.fetch_add(batch as u64, Ordering::Relaxed));
        async move {
            let drafts = from..from + batch as u64;
            let drafts = drafts.map(|number| drafts::placement_draft(number, PAYLOAD_BYTES)).collect();
            client.submit(drafts).await.expect("accepted");
        }
    };
    let (calls, took) = closed_loop(callers, time, call).await;
    row(&name, "simpul", true, batch, calls, took)
}
