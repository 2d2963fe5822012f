//! `simpul person`: who may be meant by a name, and what officials have decided about who is who.

mod decide;
mod find;

use std::{io::Write, process::ExitCode};

use clap::Subcommand;

use crate::connection::ConnectionArgs;

#[derive(Subcommand)]
pub enum Command {
    /// Persons by name, however it is spelt: candidates with what each source says, the best first
    Find(find::Find),
    /// Say that two persons are one; what is known of either is read together from then on
    Link(decide::Link),
    /// Take back what was said about two persons
    Unlink(decide::Unlink),
    /// Say that two persons are two, however alike
    Distinguish(decide::Distinguish),
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Find(asked) => find::run(asked, connection, json, out).await,
        Command::Link(link) => decide::run(link.event()?, connection, json, out).await,
        Command::Unlink(unlink) => decide::run(unlink.event()?, connection, json, out).await,
        Command::Distinguish(word) => decide::run(word.event()?, connection, json, out).await,
    }
}
