//! `simpul audit repair`: damaged files of a data folder from a copy that proves the same leaves.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::ensure;
use clap::Args;
use serde_json::json;
use simpul_audit::{
    backup::BackupKeys,
    repair::{QUARANTINE, repair_data},
    verify::{VerifyOptions, verify_data},
};
use simpul_log::repair::{Mend, Repaired};

use crate::{output::json_line, progress::Progress, trust};

#[derive(Args)]
pub struct Repair {
    /// The damaged data folder; its hub must be stopped
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// A backup, or another copy of the data folder
    #[arg(long, value_name = "DIR")]
    from: PathBuf,

    /// Verifier key of the log, as such or in a file; absent: the one in the damaged folder
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,

    /// Verifier key of the access log, as such or in a file
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,
}

pub fn run(command: &Repair, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    for dir in [&command.data, &command.from] {
        ensure!(
            dir.join("log").is_dir(),
            "{} has no folder log: name a data folder or a backup",
            dir.display()
        );
    }
    let keys = BackupKeys {
        log: command.log_key.as_deref().map(trust::log_key).transpose()?,
        access: command.access_key.as_deref().map(trust::log_key).transpose()?,
    };
    let repaired = repair_data(&command.data, &command.from, &keys)?;
    let mut bar = Progress::start("verify");
    let options = VerifyOptions { log: keys.log, access: keys.access, ..Default::default() };
    let report = verify_data(&command.data, &options, &mut |progress| bar.at(progress.events, 0, "events"))?;
    drop(bar);
    if json {
        json_line(out, &json!({ "ok": report.ok, "repaired": repaired, "violations": report.violations }))?;
    } else {
        print("log", &repaired.main, out)?;
        print("access log", &repaired.access, out)?;
        for violation in &report.violations {
            writeln!(out, "VIOLATION {violation}")?;
        }
        if !repaired.main.quarantined.is_empty() || !repaired.access.quarantined.is_empty() {
            writeln!(out, "the damaged bytes are kept in {}", command.data.join(QUARANTINE).display())?;
        }
        writeln!(
            out,
            "{}",
            if report.ok { "verified: every byte is as it was written" } else { "NOT VERIFIED" }
        )?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(name: &str, repaired: &Repaired, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut line = |word: &str, mend: &Mend| {
        let Mend { file, leaves, positions, what } = mend;
        write!(out, "{name}: {word} {file}")?;
        if !leaves.is_empty() {
            write!(out, ", leaves {}..{}", leaves.start, leaves.end)?;
            write!(out, ", positions {}..{}", positions.start, positions.end)?;
        }
        writeln!(out, ": {what}")
    };
    for mend in &repaired.mended {
        line("mended", mend)?;
    }
    for mend in &repaired.unmended {
        line("NOT mended", mend)?;
    }
    if repaired.mended.is_empty() && repaired.unmended.is_empty() {
        writeln!(out, "{name}: nothing to mend")?;
    }
    Ok(())
}
