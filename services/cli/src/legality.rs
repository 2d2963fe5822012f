//! `simpul legality`: ask for a verdict, check one that was kept.

mod batch;
mod certificate;
mod check;
mod page;
mod render;
mod verify;

use std::{io::Write, process::ExitCode};

use clap::Subcommand;

use crate::connection::ConnectionArgs;

#[derive(Subcommand)]
pub enum Command {
    /// Ask the hub about one person, check the signatures, show the verdict
    Check(check::Check),
    /// Ask about everybody of a line-up, a CSV or JSON-lines file; one answer per row, in order
    CheckBatch(batch::CheckBatch),
    /// Ask about one person and write a page to print, with a QR code that can be checked without the hub
    Certificate(certificate::Certificate),
    /// Check a printed certificate, by its file or the text of its QR code, without the hub
    VerifyCertificate(certificate::Verify),
    /// Check a verdict that `check --save` wrote, without the hub
    Verify(verify::Verify),
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(command) => check::run(command, connection, json, out).await?,
        Command::CheckBatch(command) => return batch::run(command, connection, json, out).await,
        Command::Certificate(command) => certificate::run(command, connection, json, out).await?,
        Command::VerifyCertificate(command) => certificate::verify(&command, connection, json, out)?,
        Command::Verify(command) => verify::run(&command, connection, json, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
