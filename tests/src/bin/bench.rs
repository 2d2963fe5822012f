//! `tests/bench`: figures of this checkout on the disk that holds `target/`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use simpul_tests::bench::{
    measure::Row,
    own, report, rounds, scale,
    versus::{self, Versus},
};

/// The system's allocator took a seventh of the processor under 16 callers with 100 events each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures this checkout's hub with everything on, and the machine's floors in the same run.
#[derive(Parser)]
struct Arguments {
    /// Beside UmaDB, tephra, JetStream and PostgreSQL, alternating.
    #[arg(long, conflicts_with = "scale")]
    peers: bool,
    /// How cost grows: sizes of the log in events, as 1e5,1e6.
    #[arg(long, value_delimiter = ',', value_parser = size)]
    scale: Vec<u64>,
    /// Seconds per workload.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Placements to load before the legality checks of the plain run.
    #[arg(long, default_value_t = 1_000_000)]
    persons: u64,
    /// Events that the plain run folds into the read models.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Fold them once more at the end, and compare the digests.
    #[arg(long)]
    compare: bool,
    /// Folder for data and result; lies on the disk that is measured.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Submissions that the SDK client keeps in flight; the SDK's own choice where absent.
    #[arg(long)]
    in_flight: Option<usize>,
    /// Events of one stream. Simpul makes a data key per stream, so 1 is its worst case; --peers reports that too.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    events_per_stream: u64,
    /// Of the plain run, only `floors`, `submit`, `fold`, `legality` or `visibility`.
    #[arg(long, default_value = "")]
    only: String,
    /// Submission workloads of the plain run, for example `c1,16x100`; all without it.
    #[arg(long, value_delimiter = ',')]
    submit: Vec<String>,
    /// Rounds of --peers.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Workloads of --peers.
    #[arg(long, value_delimiter = ',', default_value = "floors,c1,c64,c256,16x100,4x1000,read")]
    workloads: Vec<String>,
    /// Systems of --peers, by parts of their names; all where absent.
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
    /// Adds to the rounds of earlier runs of --peers and keeps the peers' data, instead of beginning anew.
    #[arg(long)]
    append: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out).context("making the folder for the result")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(run(&arguments))?;
    let (figures, mut out) = (rounds::figures(&rows), std::io::stdout().lock());
    report::write(&figures, &arguments.out).context("writing the result")?;
    write!(out, "\n{}", report::table(&figures))?;
    writeln!(out, "\nwritten to {}", arguments.out.join("result.json").display())?;
    Ok(())
}

async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let (folder, per_stream) = (arguments.out.clone(), arguments.events_per_stream);
    let mut rows = Vec::new();
    let each = |row: Row| {
        progress(&row);
        rows.push(row);
    };
    if arguments.peers {
        return peers(arguments, time).await;
    } else if arguments.scale.is_empty() {
        let plan = own::Plan {
            time,
            persons: arguments.persons,
            folder,
            in_flight: arguments.in_flight,
            per_stream,
            submit: arguments.submit.clone(),
            fold: arguments.events,
            compare: arguments.compare,
            only: arguments.only.clone(),
        };
        own::run(&plan, each).await?;
    } else {
        let plan = scale::Plan { sizes: arguments.scale.clone(), time, folder, per_stream };
        scale::run(&plan, each).await?;
    }
    Ok(rows)
}

async fn peers(arguments: &Arguments, time: Duration) -> anyhow::Result<Vec<Row>> {
    let (data, kept) = (arguments.out.join("data"), arguments.out.join("rounds.jsonl"));
    if !arguments.append {
        versus::clear(&data).context("clearing the systems' data")?;
        clear_file(&kept)?;
    }
    let plan = versus::Plan {
        time,
        warm: time / 6,
        data,
        per_stream: arguments.events_per_stream,
        in_flight: arguments.in_flight,
        workloads: arguments.workloads.clone(),
        systems: arguments.systems.clone(),
    };
    if arguments.rounds > 0 {
        let mut versus = Versus::new(plan)?;
        // Whoever began the last rounds does not begin these.
        let first = rounds::kept(&kept).map_or(0, |rows| rows.len());
        for round in first..first + arguments.rounds {
            let mut failed = Ok(());
            let each = |row: Row| {
                progress(&row);
                if failed.is_ok() {
                    failed = rounds::keep(&kept, &row);
                }
            };
            versus.round(round, each).await?;
            failed.context("keeping the rows")?;
        }
    }
    rounds::kept(&kept).with_context(|| format!("reading {}", kept.display()))
}

fn clear_file(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

fn size(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(size) if (1.0..=1e9).contains(&size) => Ok(size as u64),
        _ => Err("a number of events between 1 and 1e9, as 1e6".into()),
    }
}

fn progress(row: &Row) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(
        err,
        "{:<34} {:<32} {:>10.0}/s  p50 {:.0} us  p99 {:.0} us  {}",
        row.workload, row.system, row.events_per_s, row.p50_us, row.p99_us, row.note
    );
}
