//! One workload against one running peer: closed-loop callers, the same stop-watch as Simpul's own (`tests/src/bench/measure.rs`),
//! one JSON row on standard output. `tests/bench --peers` starts the servers and this program.

mod event;
mod jetstream;
#[path = "../../src/bench/measure.rs"]
mod measure;
mod postgres;
mod store;
mod tephra;
mod umadb;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use event::Source;
use store::Store;

/// The same allocator as Simpul's client side.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Umadb,
    Tephra,
    Jetstream,
    Postgres,
}

/// Drives one peer with one workload.
#[derive(Parser)]
struct Arguments {
    /// Which.
    #[arg(long)]
    peer: Peer,
    /// `host:port` of its server.
    #[arg(long)]
    address: String,
    /// Name in the row.
    #[arg(long)]
    system: String,
    /// The row's `durable`.
    #[arg(long)]
    durable: bool,
    /// Read everything in order instead of appending.
    #[arg(long)]
    read: bool,
    #[arg(long, default_value_t = 1)]
    callers: usize,
    /// Events of one append.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    #[arg(long, default_value_t = 10)]
    events_per_stream: u64,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before the measurement under the same load.
    #[arg(long, default_value_t = 0.5)]
    warm: f64,
    #[arg(long)]
    workload: String,
    /// JetStream: batches as atomic batches.
    #[arg(long)]
    atomic: bool,
    /// Connections; 0: what is best for the peer.
    #[arg(long, default_value_t = 0)]
    connections: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.peer {
        Peer::Umadb => drive(umadb::Umadb::connect(&arguments.address).await?, &arguments).await,
        Peer::Tephra => drive(tephra::Tephra::connect(&arguments.address).await?, &arguments).await,
        Peer::Jetstream => {
            drive(jetstream::Jetstream::connect(&arguments.address, arguments.atomic).await?, &arguments)
                .await
        }
        Peer::Postgres => {
            let connections = match arguments.connections {
                0 => arguments.callers.min(postgres::CONNECTIONS_MAX),
                some => some,
            };
            drive(postgres::Postgres::connect(&arguments.address, connections).await?, &arguments).await
        }
    }
}

async fn drive<S: Store>(store: S, arguments: &Arguments) -> anyhow::Result<()> {
    let row = if arguments.read {
        let start = Instant::now();
        let events = store.read_all().await?;
        measure::once(&arguments.workload, &arguments.system, arguments.durable, events, start.elapsed())
    } else {
        append(store, arguments).await
    };
    let out = std::io::stdout().lock();
    Ok(serde_json::to_writer(out, &row)?)
}

async fn append<S: Store>(store: S, arguments: &Arguments) -> measure::Row {
    let (store, source) = (Arc::new(store), Arc::new(Source::new(arguments.events_per_stream)));
    let next = Arc::new(AtomicU64::new(0));
    let batch = arguments.batch;
    let call = move |caller, _| {
        let (store, source, next) = (Arc::clone(&store), Arc::clone(&source), Arc::clone(&next));
        async move {
            let from = next.fetch_add(batch as u64, Ordering::Relaxed);
            let appended = store.append(caller, source.events(from, batch)).await;
            appended.unwrap_or_else(|error| panic!("append: {error:#}"));
        }
    };
    let (warm, time) = (Duration::from_secs_f64(arguments.warm), Duration::from_secs_f64(arguments.seconds));
    let (calls, took) = measure::closed_loop(arguments.callers, warm, time, call).await;
    measure::row(&arguments.workload, &arguments.system, arguments.durable, batch, calls, took)
}
