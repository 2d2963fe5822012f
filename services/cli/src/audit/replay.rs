//! `simpul audit replay`: the whole history again, from a data folder or from the hub.

mod offline;
mod online;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use simpul_audit::ReplaySummary;

use crate::connection::ConnectionArgs;

#[derive(Args)]
pub struct Replay {
    /// A hub's data folder. Absent: ask the hub
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The hub's master key; needed with --data
    #[arg(long, value_name = "FILE", requires = "data")]
    master_key: Option<PathBuf>,

    /// Verifier key of the log, as such or in a file; absent: the one in the data folder
    #[arg(long, value_name = "VKEY", requires = "data")]
    log_key: Option<String>,

    /// First position wanted
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,

    /// Position after the last wanted; absent: the present end
    #[arg(long, value_name = "POSITION")]
    until: Option<u64>,

    /// Only the events of this stream
    #[arg(long, value_name = "SOURCE/REF")]
    stream: Option<String>,

    /// Rebuild the read models from zero and compare their digest with the hub's, which must not be running
    #[arg(long, requires = "data", conflicts_with_all = ["from", "until", "stream"])]
    compare: bool,

    /// Why you ask; needed without --data
    #[arg(long, required_unless_present = "data", default_value = "", hide_default_value = true)]
    purpose: String,
}

pub async fn run(
    command: Replay,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match &command.data {
        Some(data) => offline::run(&command, data, json, out),
        None => {
            online::run(&command, connection, json, out).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What went by, by type and by agency.
fn print_summary(summary: &ReplaySummary, out: &mut dyn Write) -> anyhow::Result<()> {
    let from = summary.first_position.map_or_else(|| "-".into(), |position| position.to_string());
    writeln!(
        out,
        "{} events of {} leaves, positions {from} to {} (exclusive), {:.2} s, {:.0} events/s",
        summary.events, summary.leaves, summary.end_position, summary.seconds, summary.events_per_second
    )?;
    for (label, counts) in [("type", &summary.by_type), ("agency", &summary.by_agency)] {
        for (name, count) in counts {
            writeln!(out, "  {label:<7}{count:>9}  {name}")?;
        }
    }
    Ok(())
}
