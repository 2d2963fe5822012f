//! Durable submissions through one SDK client, which coalesces its callers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use simpul_connector::{Client, EventDraft};

use super::measure::{Row, closed_loop, row};
use crate::drafts;

/// Payload of one event, bytes; the peers' figures are at the same size.
pub const PAYLOAD_BYTES: usize = 600;

/// Who submits how much at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// Concurrent callers.
    pub callers: usize,
    /// Events of each call.
    pub batch: usize,
}

impl Load {
    /// `c64`, `16x100`.
    pub fn name(self) -> String {
        match self.batch {
            1 => format!("c{}", self.callers),
            batch => format!("{}x{batch}", self.callers),
        }
    }
}

/// Events of a benchmark: what a caller gives the client, at the cost of a copy of the payload.
#[derive(Clone)]
pub struct Source {
    next: Arc<AtomicU64>,
    template: EventDraft,
    payload: Arc<[u8]>,
    /// Where the placement's number (8 digits), the NIK (16) and the passport's digits (7) stand in the payload.
    number_at: usize,
    nik_at: usize,
    passport_at: usize,
    /// Events of one stream.
    per_stream: u64,
}

impl Source {
    /// Placements of [`PAYLOAD_BYTES`], `per_stream` to a stream, from event `first` on, so that sources do not meet.
    ///
    /// # Panics
    /// Never: the payload holds its number.
    pub fn new(first: u64, per_stream: u64) -> Self {
        let template = drafts::placement_draft(0, PAYLOAD_BYTES);
        let payload: Arc<[u8]> = template.payload.as_ref().into();
        let place = |text: &str| {
            payload.windows(text.len()).position(|window| window == text.as_bytes()).expect("it stands there")
        };
        let (number_at, nik_at) = (place("00000000"), place(&drafts::nik(0)));
        let passport_at = place("C0000000") + 1;
        let next = Arc::new(AtomicU64::new(first));
        Self { next, template, payload, number_at, nik_at, passport_at, per_stream }
    }

    /// The next `count` events.
    ///
    /// # Panics
    /// Never: the names are valid.
    pub fn take(&self, count: u64) -> Vec<EventDraft> {
        let from = self.next.fetch_add(count, Ordering::Relaxed);
        (from..from + count).map(|number| self.draft(number)).collect()
    }

    /// One event in so many begins a stream; the others go on with streams that began up to some thousand records ago,
    /// as a registry's changes do.
    fn draft(&self, number: u64) -> EventDraft {
        const RECORDS_APART: u64 = 1_000;
        let (round, turn) = (number / self.per_stream, number % self.per_stream);
        let record = round + (self.per_stream - 1 - turn) * RECORDS_APART;
        let mut payload = self.payload.to_vec();
        let mut put = |at: usize, digits: String| {
            payload[at..at + digits.len()].copy_from_slice(digits.as_bytes());
        };
        put(self.number_at, format!("{:08}", record % 100_000_000));
        put(self.nik_at, drafts::nik(record));
        put(self.passport_at, format!("{:07}", record % 10_000_000));
        EventDraft {
            stream: format!("sisko-placement/t{record}").parse().expect("a valid stream"),
            payload: payload.into(),
            ..self.template.clone()
        }
    }
}

/// Submits for `warm`, then for `time`, which is measured.
///
/// # Panics
/// Where a submission is refused.
pub async fn run(
    client: &Client,
    source: &Source,
    load: Load,
    warm: Duration,
    time: Duration,
    system: &str,
) -> Row {
    let (client, source) = (client.clone(), source.clone());
    let call = move |_, _| {
        let (client, drafts) = (client.clone(), source.take(load.batch as u64));
        async move {
            client.submit(drafts).await.expect("accepted");
        }
    };
    let (calls, took) = closed_loop(load.callers, warm, time, call).await;
    row(&load.name(), system, true, load.batch, calls, took)
}
