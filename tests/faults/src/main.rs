//! `simpul-battery`: the fault battery of the log. Processes that append under load are crashed, killed and given a failing
//! disk, files are damaged, power cuts are made from the record of every write; after each, LOG-1 to LOG-5 against a witness
//! that stood outside the log. Exits 1 where an invariant does not hold, a seeded bug is not caught, or a crash point was
//! never passed.
//!
//! Read `cycle.rs` for what is done, `check.rs` for what must hold, `power_cut.rs` for what a cut may leave.

mod check;
mod child;
mod cycle;
mod damage;
mod load;
mod power_cut;
mod random;
mod report;
mod witness;

#[path = "../../../hub/log/tests/harness/mod.rs"]
mod harness;

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use simpul_log::faults::{self, Bug};

use crate::{
    child::Child,
    cycle::{Scale, Setting},
};

/// Crashes, kills, failing disks, power cuts and damage, and after each LOG-1 to LOG-5 against a witness outside the log.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    child: Option<Mode>,
    /// Every ordinal, offset and bit, and thousands of random cycles.
    #[arg(long)]
    long: bool,
    /// At least so many cycles; 420, with `--long` 6,000.
    #[arg(long)]
    cycles: Option<u64>,
    /// Starts no cycle after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Of every random choice; the same seed makes the same cycles.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cycles at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seeds a bug and stops where it is caught, with exit code 1.
    #[arg(long)]
    bug: Option<Bug>,
    /// Where the logs are made; memory by default, as power cuts are made from the record of all writes.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Runs one cycle again, by its number.
    #[arg(long)]
    only: Option<u64>,
}

#[derive(clap::Subcommand)]
enum Mode {
    /// The process that is crashed.
    #[command(hide = true)]
    Child(Child),
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Seeded bugs that a few cycles catch whatever the timing. The others are for `--long`; `spare-while-rolling`, a race that
/// cycles seldom meet, is held by a test in `hub/log/tests/faults.rs`.
const CAUGHT_AT_ONCE: [Bug; 8] = [
    Bug::AcknowledgeBeforeFlush,
    Bug::IgnoreFlushError,
    Bug::SkipDirectorySync,
    Bug::TruncateOnChecksumError,
    Bug::ReusePosition,
    Bug::AcceptUnmarkedFrame,
    Bug::SkipErasureFlush,
    Bug::LeaveDeadKeys,
];

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Mode::Child(child)) = &arguments.child {
        return child::run(child).map(|()| ExitCode::SUCCESS);
    }
    faults::seed(arguments.bug);
    let program = std::env::current_exe()?;
    let memory = PathBuf::from("/dev/shm");
    let above = arguments.dir.clone().unwrap_or(if memory.is_dir() { memory } else { std::env::temp_dir() });
    let scratch = tempfile::Builder::new().prefix("simpul-battery-").tempdir_in(above)?;
    let start = Instant::now();
    let setting = match Setting::new(program.clone(), scratch.path().into(), arguments.seed, arguments.bug) {
        Ok(setting) => setting,
        Err(what) => {
            say(&format!("without a fault: {what}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let (scale, cycles) = if arguments.long { (Scale::Long, 6_000) } else { (Scale::Short, 420) };
    let cycles = cycle::plan(&setting, scale, arguments.cycles.unwrap_or(cycles));
    if let Some(number) = arguments.only {
        let cycle = cycles.get(number as usize).context("no such cycle")?;
        say(&format!("{cycle}"));
        let kept = scratch.keep();
        return Ok(match setting.run(number, cycle) {
            Ok(tally) => {
                say(&format!("{tally:?}"));
                ExitCode::SUCCESS
            }
            Err(what) => {
                say(&format!("{what}\nkept: {}", kept.display()));
                ExitCode::FAILURE
            }
        });
    }
    let time = arguments.seconds.map(Duration::from_secs);
    let report = report::run(&setting, &cycles, arguments.jobs, time, arguments.bug.is_some());
    if arguments.bug.is_some() {
        return Ok(match report.problems.first() {
            Some(problem) => {
                say(&format!("{} cycles, {problem}", report.cycles));
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        });
    }
    say(&format!("{report}"));
    report.problems.iter().take(20).for_each(|problem| say(problem));
    let mut sound = report.problems.is_empty();
    for point in faults::POINTS.iter().filter(|point| !report.points.contains(**point)) {
        say(&format!("crash point {point} was never passed"));
        sound = false;
    }
    say(&format!("\n{} of {} crash points passed", report.points.len(), faults::POINTS.len()));
    say("power cut by dm-flakey: skipped, this battery makes power cuts from the record of all writes");
    say(&format!("\n{:28} caught", "seeded bug"));
    let bugs: &[Bug] = if arguments.long { Bug::ALL } else { &CAUGHT_AT_ONCE };
    for bug in bugs {
        let output = Command::new(&program)
            .args([
                "--bug",
                &bug.to_string(),
                "--seed",
                &arguments.seed.to_string(),
                "--cycles",
                "1200",
                "--seconds",
                "90",
            ])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let caught = output.status.code() == Some(1) && !text.contains("battery: ");
        let text = text.lines().next().unwrap_or_default();
        say(&format!("{:28} {}", bug.to_string(), if caught { text } else { "NOT CAUGHT" }));
        sound &= caught;
    }
    say(&format!("\n{} cycles, seed {}, {:.0?}", report.cycles, arguments.seed, start.elapsed()));
    say(if sound { "battery: ok" } else { "battery: FAILED" });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
