//! Asks verifiers that other people wrote. `tests/foreign/run` installs them and calls this.
//!
//! ```text
//! cargo run -p simpul-tests --example foreign -- [--seed N] [--tiles DIR] [--program NAME=PATH]…
//! ```
#![allow(clippy::print_stdout, reason = "prints its findings")]

mod ct_merkle;
mod tlog_tiles;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use simpul_tests::{
    foreign::{
        self,
        compare::{Documented, Tally},
        program,
        tiles::{self, Finding, Log, Spoil},
    },
    seeded::Seeded,
};
use tempfile::TempDir;

/// Sizes of the random logs whose tiles are checked: one entry, a full tile, full and partial ones.
const LOG_SIZES: [u64; 3] = [1, 256, 700];

#[derive(Parser)]
struct Arguments {
    /// Seed of trees, notes and paths.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Check the tiles in this folder, and nothing else.
    #[arg(long)]
    tiles: Option<PathBuf>,
    /// A program beside the two crates.
    #[arg(long = "program", value_parser = named)]
    programs: Vec<(String, PathBuf)>,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("NAME=PATH")?;
    Ok((name.into(), path.into()))
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = TempDir::new()?;
    if let Some(folder) = &arguments.tiles {
        return check_folder(folder, &arguments, scratch.path());
    }
    ask(&arguments, scratch.path())?;
    for size in LOG_SIZES {
        let folder = scratch.path().join(format!("log-{size}"));
        tiles::write_random(&folder, size, arguments.seed)?;
        check_folder(&folder, &arguments, scratch.path())?;
    }
    Ok(())
}

fn ask(arguments: &Arguments, scratch: &Path) -> anyhow::Result<()> {
    let questions = foreign::questions(arguments.seed);
    println!("{} questions, seed {}", questions.len(), arguments.seed);
    let mut tallies = vec![
        Tally::new("ct-merkle", &questions, &ct_merkle::ask(&questions)),
        Tally::new("tlog_tiles", &questions, &tlog_tiles::ask(&questions)),
    ];
    for (name, path) in &arguments.programs {
        tallies.push(Tally::new(name, &questions, &program::ask(path, &questions, scratch)?));
    }
    let documented = Documented::read();
    let mut faults = Vec::new();
    for tally in &tallies {
        println!("{tally}");
        faults.extend(tally.faults(&documented));
    }
    ensure!(faults.is_empty(), "verifiers disagree:\n{}", faults.join("\n"));
    Ok(())
}

/// What each verifier finds in a folder, and that it notices flipped bytes.
fn check_folder(folder: &Path, arguments: &Arguments, scratch: &Path) -> anyhow::Result<()> {
    let log = Log::open(folder).with_context(|| format!("{}", folder.display()))?;
    println!("tiles of {}, {} entries", log.checkpoint.origin, log.checkpoint.size);
    for (name, findings) in findings(folder, &log, arguments)? {
        println!("  {name:<12} {}", listed(&findings));
        let wrong = findings.iter().any(|finding| !finding.fault.is_empty());
        ensure!(!wrong && !findings.is_empty(), "{name} refuses {}", folder.display());
    }
    if log.checkpoint.size == 0 {
        return Ok(());
    }
    let mut seeded = Seeded(arguments.seed);
    for spoil in Spoil::ALL {
        let spoiled = TempDir::new_in(scratch)?;
        tiles::copy_spoiled(folder, spoiled.path(), spoil, &mut seeded)?;
        // Our own reading of the checkpoint is that of the good folder where the bad one cannot be opened.
        let opened = Log::open(spoiled.path());
        let ours = opened.is_err() == matches!(spoil, Spoil::Root | Spoil::Signature);
        ensure!(ours, "our own reading of a folder with spoiled {spoil:?}");
        let mut noticed = Vec::new();
        for (name, findings) in findings(spoiled.path(), &log.at(spoiled.path()), arguments)? {
            let faults = findings.iter().any(|finding| !finding.fault.is_empty());
            ensure!(faults == notices(&name, spoil), "{name}, spoiled {spoil:?}: {}", listed(&findings));
            noticed.extend(faults.then_some(name));
        }
        println!("  a flipped byte of {:<10} is noticed by {}", format!("{spoil:?}"), noticed.join(", "));
    }
    Ok(())
}

/// The crates get our reading of the checkpoint, so only the programs can see that it was spoiled; `ct-merkle` knows no
/// tiles.
fn notices(verifier: &str, spoil: Spoil) -> bool {
    match spoil {
        Spoil::Entries => true,
        Spoil::Hashes => verifier != "ct-merkle",
        Spoil::Root | Spoil::Signature => !["ct-merkle", "tlog_tiles"].contains(&verifier),
    }
}

fn findings(folder: &Path, log: &Log, arguments: &Arguments) -> anyhow::Result<Vec<(String, Vec<Finding>)>> {
    let mut all =
        vec![("ct-merkle".into(), ct_merkle::tiles(log)), ("tlog_tiles".into(), tlog_tiles::tiles(log))];
    for (name, path) in &arguments.programs {
        all.push((name.clone(), program::tiles(path, folder)?));
    }
    Ok(all)
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
