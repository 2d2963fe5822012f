//! `simpul audit`: what oversight bodies need to prove that nothing was altered, dropped or reordered, and who looked.

mod access;
mod checkpoint;
mod compare;
mod proof;
mod repair;
mod replay;
mod verify;
mod witness;

pub use verify::master_key;

use std::{io::Write, process::ExitCode};

use clap::Subcommand;

use crate::connection::ConnectionArgs;

#[derive(Subcommand)]
pub enum Command {
    /// Check every byte of a hub's logs on disk; names the first violation and exits 1
    Verify(verify::Verify),
    /// Go through the whole history again and check it
    Replay(replay::Replay),
    /// Who looked at what, when and why
    Access(access::Access),
    /// The newest signed checkpoint
    Checkpoint(checkpoint::Show),
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
        Command::Verify(command) => return verify::run(&command, json, out),
        Command::Repair(command) => return repair::run(&command, json, out),
        Command::CompareCheckpoints(command) => return compare::run(&command, json, out),
        Command::Witness(command) => return witness::run(command, json, out).await,
        Command::Replay(command) => return replay::run(command, connection, json, out).await,
        Command::Access(command) => access::run(command, connection, json, out).await?,
        Command::Checkpoint(command) => return checkpoint::run(command, connection, json, out).await,
        Command::Proof(command) => proof::run(command, connection, json, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}
