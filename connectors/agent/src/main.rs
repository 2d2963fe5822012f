//! `simpul-connector --config FILE`: what an agency runs.
//!
//! ```text
//! sources (file-drop, http-intake, form-folder) ──▶ one spool ──▶ one signed sequence ──▶ hub
//! ```
//!
//! Without `--once` it follows its sources until SIGTERM or Ctrl-C; a second signal exits at once. With it, it processes
//! what is there, waits for the receipts, prints what came of it, and exits. Read [`run`] first.

mod config;
mod run;
mod status;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use config::{Config, LogFormat};

/// The system's allocator took a seventh of the processor under 16 callers with 100 events each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends what an agency's systems record to the hub, signed, and keeps it until the hub has proven that it has it.
#[derive(Parser)]
#[command(name = "simpul-connector", version)]
struct Arguments {
    /// Configuration, TOML; `connectors/README.md` explains it.
    #[arg(long)]
    config: PathBuf,
    /// Process what is there, wait for the receipts, exit. Sources that listen are not started.
    #[arg(long)]
    once: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Check configuration, mappings and keys, and exit.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not stand yet.
            let _ = writeln!(io::stderr().lock(), "simpul-connector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let plan = config.plan()?;
    if arguments.check_config {
        writeln!(io::stdout().lock(), "{}: ok", arguments.config.display())?;
        return Ok(());
    }
    let filter = EnvFilter::try_new(&config.log_filter).context("log_filter")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let status = runtime.block_on(run::run(plan, arguments.once))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
    } else {
        writeln!(out, "{status}")?;
    }
    Ok(())
}
