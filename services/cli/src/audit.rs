//! `simpul audit`: what oversight bodies need to prove that nothing was altered, dropped or reordered, and who looked.

mod access;
mod breach;
mod bundle;
mod checkpoint;
mod compare;
mod event;
mod proof;
mod repair;
mod replay;
mod subject_report;
mod tiles;
mod usage;
mod verify;
mod witness;

pub use verify::master_key;

use std::{io::Write, process::ExitCode};

use clap::Subcommand;

use crate::connection::ConnectionArgs;

#[derive(Subcommand)]
pub enum Command {
    /// Check a hub's logs on disk, its tiles from afar, a proof or a bundle; names the first violation and exits 1
    Verify(verify::Verify),
    /// Write the log as static tiles (C2SP tlog-tiles) that any web server can give out
    Tiles(tiles::Tiles),
    /// Go through the whole history again and check it
    Replay(replay::Replay),
    /// Who looked at what, when and why
    Access(access::Access),
    /// Everybody who looked at one person, with the proof that nobody is left out
    SubjectReport(subject_report::SubjectReport),
    /// Serve who looked to a citizens' portal, as Estonia's Data Tracker asks for it (findUsage)
    UsageServer(usage::UsageServer),
    /// Who received what in a time, for the notice after a breach
    BreachReport(breach::BreachReport),
    /// The newest signed checkpoint
    Checkpoint(checkpoint::Show),
    /// Keep the evidence of an event, a stream or a case as one file that can be checked with no hub
    Bundle(bundle::Bundle),
    /// Mend damaged files of a stopped hub from a copy or a backup that proves the same leaves
    Repair(repair::Repair),
    /// What two checkpoints prove together: a split view, a rollback, and which witness went along; exits 1 then
    CompareCheckpoints(compare::Compare),
    /// Run a witness: cosign a log's checkpoints only where they extend the last one (C2SP tlog-witness)
    Witness(witness::Run),
    /// Prove that a leaf is in the log, or that the log only grew since a kept checkpoint
    Proof(proof::Proof),
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(command) => return verify::run(&command, connection, json, out).await,
        Command::Repair(command) => return repair::run(&command, json, out),
        Command::CompareCheckpoints(command) => return compare::run(&command, json, out),
        Command::Witness(command) => return witness::run(command, json, out).await,
        Command::Bundle(command) => bundle::run(command, connection, json, out).await?,
        Command::Tiles(command) => tiles::run(&command, json, out)?,
        Command::Replay(command) => return replay::run(command, connection, json, out).await,
        Command::Access(command) => access::run(command, connection, json, out).await?,
        Command::SubjectReport(command) => subject_report::run(command, connection, json, out).await?,
        Command::UsageServer(command) => usage::run(command, connection, json, out).await?,
        Command::BreachReport(command) => breach::run(command, connection, json, out).await?,
        Command::Checkpoint(command) => return checkpoint::run(command, connection, json, out).await,
        Command::Proof(command) => proof::run(command, connection, json, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}
