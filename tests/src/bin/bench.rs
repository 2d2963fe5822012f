//! `tests/bench`: the hub's own figures, on the disk that holds `target/`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use simpul_signing::MasterKey;
use simpul_tests::{
    World,
    bench::{cpu, floors, fold, legality, measure::Row, replay, report, resident_mib, size, submit},
};
use simpul_tlog::note::NoteVerifier;

/// The system's allocator took a seventh of the processor under 16 callers with 100 events each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures this checkout's hub with everything on, and the machine's floors in the same run.
#[derive(Parser)]
struct Arguments {
    /// Seconds per workload.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Placements to load before the legality checks.
    #[arg(long, default_value_t = 1_000_000)]
    persons: u64,
    /// Events to fold into the read models.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Fold them once more at the end, and compare the digests.
    #[arg(long)]
    compare: bool,
    /// Folder for data and result; lies on the disk that is measured.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Submissions that the SDK client keeps in flight.
    #[arg(long, default_value_t = simpul_connector::config::IN_FLIGHT_MAX)]
    in_flight: usize,
    /// Only workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Events of one stream in the submission workloads. A placement's record has some twenty over its life; 1 is the
    /// worst case, a data key for every event.
    #[arg(long, default_value_t = 10)]
    events_per_stream: u64,
    /// Submission workloads to run, for example `c1,16x100`; all without it.
    #[arg(long, value_delimiter = ',')]
    submit: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out).context("making the folder for the result")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(run(&arguments))?;
    report::write(&rows, &arguments.out.join("result.json"))?;
    let mut out = std::io::stdout().lock();
    write!(out, "\n{}", report::table(&rows))?;
    writeln!(out, "\nwritten to {}", arguments.out.join("result.json").display())?;
    Ok(())
}

async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let wanted = |name: &str| name.contains(&arguments.only);
    let mut rows = Vec::new();
    if wanted("floors") {
        rows.push(progress(floors::flush(&arguments.out, time.min(Duration::from_secs(3)))));
        rows.extend(floors::signature().map(progress));
    }
    if wanted("submit") {
        let world = World::in_folder(&arguments.out);
        let hub = world.hub();
        let config = world.config("kp2mi", "sisko");
        for callers in [1, 16] {
            rows.push(progress(floors::unary(&config, callers, time).await));
        }
        let mut config = world.config("kp2mi", "sisko");
        config.in_flight_max = arguments.in_flight;
        let client = simpul_connector::Client::connect(config).await.context("connecting")?;
        let source = submit::Source::new(arguments.events_per_stream);
        for (callers, batch) in [(1, 1), (16, 1), (64, 1), (256, 1), (4, 100), (16, 100), (4, 1_000)] {
            let name = submit::name(callers, batch);
            if arguments.submit.is_empty() || arguments.submit.contains(&name) {
                let before = [hub.process.id(), std::process::id()].map(cpu::spent);
                let mut row = submit::run(&client, &source, callers, batch, time).await;
                let after = [hub.process.id(), std::process::id()].map(cpu::spent);
                let events = row.events_per_s * time.as_secs_f64();
                let [hub, client] = [0, 1].map(|side: usize| after[side].since(&before[side], events));
                row.note = format!("processor us/event: hub {hub}, client {client}");
                rows.push(progress(row));
            }
        }
        hub.stop();
    }
    if wanted("fold") {
        rows.extend(
            fold::run(&arguments.out, arguments.events, arguments.compare).await.into_iter().map(progress),
        );
    }
    if wanted("legality") {
        rows.extend(checks(arguments, time).await?);
    }
    Ok(rows)
}

async fn checks(arguments: &Arguments, time: Duration) -> anyhow::Result<Vec<Row>> {
    let world = World::in_folder(&arguments.out);
    let hub = world.hub();
    let mut rows = Vec::new();
    let client = world.client("kp2mi", "sisko").await;
    let mut load = legality::load(&client, arguments.persons).await;
    drop(client);
    let desk = world.config("kbri-yangon", "desk");
    let lag = legality::caught_up(&desk).await;
    load.note = format!(
        "read models {:.1} s behind, resident {} MiB",
        lag.as_secs_f64(),
        resident_mib(hub.process.id())
    );
    rows.push(progress(load));
    for callers in [1, 16] {
        let mut row = legality::check(&desk, arguments.persons, callers, time).await;
        row.note = format!("resident {} MiB", resident_mib(hub.process.id()));
        rows.push(progress(row));
    }
    hub.stop();
    let before = Instant::now();
    let hub = world.hub();
    let started = before.elapsed();
    hub.stop();
    let verifier = NoteVerifier::parse(&world.realm.log_vkey).context("log.vkey")?;
    let log = world.data().join("log");
    let master = std::fs::read_to_string(world.realm.dir.join("hub/master.key"))?;
    let wrap = || MasterKey::from_text(&master).map(|master| master.wrap_key());
    rows.push(progress(replay::sealed(&log, &verifier, wrap()?)));
    rows.push(progress(replay::opened(&log, &verifier, wrap()?)));
    let mut verified = replay::verified(&log, &verifier);
    verified.note += &format!("; start of the hub on this log {:.2} s", started.as_secs_f64());
    rows.push(progress(verified));
    rows.push(space(&world.data()));
    Ok(rows)
}

fn space(data: &Path) -> Row {
    let mut row = simpul_tests::bench::measure::row(
        "space on disk",
        "simpul",
        true,
        1,
        Vec::new(),
        Duration::from_secs(1),
    );
    let parts = ["log", "access", "state", "outbox"]
        .map(|part| format!("{part} {} MiB", size(&data.join(part)) >> 20));
    row.note = parts.join(", ");
    row
}

fn progress(row: Row) -> Row {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(
        err,
        "{:<42} {:>12.0}/s  p50 {:.0} us  p99 {:.0} us  {}",
        row.workload, row.events_per_s, row.p50_us, row.p99_us, row.note
    );
    row
}
