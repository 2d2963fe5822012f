//! `simpul-hub --config FILE`

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use simpul_hub::Config;

/// The system's allocator took a seventh of the processor under 16 callers with 100 events each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The hub: takes signed submissions, keeps the log, answers, publishes.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and every file it names, then exit; opens no port and no data.
    #[arg(long)]
    check_config: bool,
    /// Print the configuration with all defaults, then exit. It holds no secrets.
    #[arg(long)]
    dump_config: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "simpul-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    if arguments.dump_config {
        return Ok(write!(std::io::stdout().lock(), "{}", config.dump()?)?);
    }
    if arguments.check_config {
        simpul_hub::check(&config)?;
        return Ok(writeln!(std::io::stdout().lock(), "{}: ok", arguments.config.display())?);
    }
    simpul_runtime::init_telemetry(config.telemetry.format, &config.telemetry.filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let runtime = runtime.context("runtime")?;
    runtime.block_on(async {
        let stopping = simpul_runtime::shutdown_signal().context("signals")?;
        let hub = simpul_hub::start(config).await?;
        stopping.cancelled().await;
        hub.stop().await;
        Ok(())
    })
}

/// One for each processor, but no fewer than four: a caller that finds the log idle flushes on its own worker, and others
/// must run meanwhile.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(4, |processors| processors.get().max(4))
}
