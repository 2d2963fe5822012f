//! `simpul backup`: copies of a hub's data that prove themselves, on the hub's machine and without the hub.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use simpul_audit::{
    backup::{self, BackupKeys, Manifest},
    verify::{LogName, VerifyOptions, VerifyReport},
};
use simpul_types::clock::System;

use crate::{audit::master_key, output::json_line, progress::Progress, trust};

#[derive(Subcommand)]
pub enum Command {
    /// Copy a data folder at its newest checkpoint, beside the running hub; into the same folder again: only what is new
    Create(Create),
    /// Check a backup: every file, every frame, tree, signatures; needs no hub and no secret
    Verify(Check),
    /// Make a new data folder from a backup; the hub starts on it after `confirm`
    Restore(Restore),
    /// Say that no newer checkpoint than the restored one was published, so that the hub may start
    Confirm(Confirm),
}

#[derive(Args)]
pub struct Create {
    /// The hub's data folder; the hub may be running
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Folder of the backup; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Leave the wrapped data keys out: enough to prove and to repair frames, not enough to restore
    #[arg(long)]
    without_keys: bool,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Args)]
pub struct Check {
    /// Folder of the backup
    #[arg(value_name = "DIR")]
    backup: PathBuf,

    /// The hub's master key: opens every payload and checks what its sender committed to
    #[arg(long, value_name = "FILE")]
    master_key: Option<PathBuf>,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Args)]
pub struct Restore {
    /// Folder of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,

    /// The new data folder; empty or not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Args)]
pub struct Confirm {
    /// The restored data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Newest checkpoint of the log (or of the access log) that an auditor, a witness or an agency holds
    #[arg(long, value_name = "FILE", required_unless_present = "accept_rollback")]
    newest: Vec<PathBuf>,

    /// Start although published leaves are lost: the log will contradict checkpoints that others hold
    #[arg(long)]
    accept_rollback: bool,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Args)]
struct KeyArgs {
    /// Verifier key of the log, as such or in a file; absent: the one in the folder
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,

    /// Verifier key of the access log, as such or in a file
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,
}

impl KeyArgs {
    fn load(&self) -> anyhow::Result<BackupKeys> {
        Ok(BackupKeys {
            log: self.log_key.as_deref().map(trust::log_key).transpose()?,
            access: self.access_key.as_deref().map(trust::log_key).transpose()?,
        })
    }

    fn options(&self) -> anyhow::Result<VerifyOptions> {
        let BackupKeys { log, access } = self.load()?;
        Ok(VerifyOptions { log, access, ..Default::default() })
    }
}

pub fn run(command: &Command, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(command) => create(command, json, out),
        Command::Verify(command) => verify(command, json, out),
        Command::Restore(command) => restore(command, json, out),
        Command::Confirm(command) => confirm(command, json, out),
    }
}

fn create(command: &Create, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let shown = command.data.display();
    ensure!(command.data.join("log").is_dir(), "{shown} is not a hub's data folder: it has no folder log");
    let mut bar = Progress::start("backup");
    let created = backup::create(
        &command.data,
        &command.out,
        &command.keys.load()?,
        !command.without_keys,
        &System,
        &mut |_, bytes| bar.at(bytes, 0, "bytes"),
    )?;
    let seconds = bar.seconds();
    drop(bar);
    if json {
        let (copied, kept) = (created.bytes_copied, created.segments_kept);
        json_line(
            out,
            &json!({ "bytes_copied": copied, "segments_kept": kept, "seconds": seconds,
            "manifest": created.manifest }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    describe(&created.manifest, out)?;
    writeln!(
        out,
        "backup in {}: {} bytes copied, {} sealed segments were there ({seconds:.2} s)",
        command.out.display(),
        created.bytes_copied,
        created.segments_kept
    )?;
    Ok(ExitCode::SUCCESS)
}

fn describe(manifest: &Manifest, out: &mut dyn Write) -> anyhow::Result<()> {
    for log in [LogName::Main, LogName::Access] {
        let entry = manifest.log(log);
        writeln!(out, "{log} log: {} leaves, {} events, root {}", entry.size, entry.events, entry.root)?;
    }
    let keys = if manifest.keys { "with the data keys, wrapped" } else { "without data keys" };
    writeln!(out, "  made {}, {keys}", manifest.created_at)?;
    Ok(())
}

fn verify(command: &Check, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut options = command.keys.options()?;
    options.master = command.master_key.as_deref().map(master_key).transpose()?;
    let mut bar = Progress::start("verify");
    let (manifest, report) =
        backup::verify(&command.backup, &options, &mut |progress| bar.at(progress.events, 0, "events"))?;
    drop(bar);
    if json {
        json_line(out, &json!({ "ok": report.ok, "manifest": manifest, "report": report }))?;
    } else {
        describe(&manifest, out)?;
        violations(&report, out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn violations(report: &VerifyReport, out: &mut dyn Write) -> anyhow::Result<()> {
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    for violation in &report.violations {
        writeln!(out, "VIOLATION {violation}")?;
    }
    let word = if report.ok { "verified: the backup is what was copied" } else { "NOT VERIFIED" };
    writeln!(out, "{word} ({:.2} s)", report.seconds)?;
    Ok(())
}

fn restore(command: &Restore, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut bar = Progress::start("restore");
    let manifest =
        backup::restore(&command.from, &command.data, &command.keys.options()?, &System, &mut |progress| {
            bar.at(progress.events, 0, "events")
        })?;
    drop(bar);
    if json {
        json_line(out, &json!({ "data": command.data, "manifest": manifest }))?;
        return Ok(ExitCode::SUCCESS);
    }
    describe(&manifest, out)?;
    writeln!(
        out,
        "restored to {data}; before the hub starts:\n  simpul backup confirm --data {data} --newest FILE",
        data = command.data.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

fn confirm(command: &Confirm, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let note = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        anyhow::Ok((name(path), text))
    };
    let known = command.newest.iter().map(note).collect::<Result<Vec<_>, _>>()?;
    let confirmed = backup::confirm(&command.data, &known, command.accept_rollback, &command.keys.load()?)?;
    if json {
        json_line(out, &confirmed)?;
    } else {
        writeln!(out, "{}: {}; the hub may start", command.data.display(), confirmed.confirmed)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
