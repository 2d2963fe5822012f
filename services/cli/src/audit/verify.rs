//! `simpul audit verify`: every byte of a hub's logs on disk, with nothing but public keys; with the master key the
//! payloads too.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use simpul_audit::verify::{LogReport, VerifyOptions, VerifyReport, verify_data};
use simpul_signing::MasterKey;

use crate::{output::json_line, progress::Progress, trust};

#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    source: Source,

    /// Verifier key of the log, as such or in a file; absent: the one beside the log, and the answer says so
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,

    /// Verifier key of the access log, as such or in a file
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,

    /// Public key of the directory authority, hex or file
    #[arg(long, value_name = "KEY")]
    authority: Option<String>,

    /// The bootstrap submission, for the senders' keys where the master key is not given
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,

    /// The hub's master key: opens every payload and checks what its sender committed to
    #[arg(long, value_name = "FILE")]
    master_key: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A hub's data folder; the hub may be running
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// A hub's static tiles; not served yet
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub fn run(command: &Verify, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Some(data) = &command.source.data else {
        bail!(
            "--url needs the hub's static tiles, which are not served yet; use --data, or `simpul audit replay`"
        );
    };
    ensure!(data.join("log").is_dir(), "{} is not a hub's data folder: it has no folder log", data.display());
    let options = VerifyOptions {
        log: command.log_key.as_deref().map(trust::log_key).transpose()?,
        access: command.access_key.as_deref().map(trust::log_key).transpose()?,
        authority: command.authority.as_deref().map(authority).transpose()?,
        bootstrap: command.bootstrap.as_deref().map(read).transpose()?.map(Into::into),
        master: command.master_key.as_deref().map(master_key).transpose()?,
        ..Default::default()
    };
    let mut bar = Progress::start("verify");
    let report = verify_data(data, &options, &mut |progress| bar.at(progress.events, 0, "events"))?;
    drop(bar);
    if json {
        json_line(out, &report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &VerifyReport, out: &mut dyn Write) -> anyhow::Result<()> {
    log("log", &report.main, out)?;
    if let Some(access) = &report.access {
        log("access log", access, out)?;
    }
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    for violation in &report.violations {
        writeln!(out, "VIOLATION {violation}")?;
    }
    let more = report.violations_total.saturating_sub(report.violations.len() as u64);
    if more > 0 {
        writeln!(out, "and {more} more")?;
    }
    let word = if report.ok { "verified: every byte is as it was written" } else { "NOT VERIFIED" };
    writeln!(out, "{word} ({:.2} s, {:.0} events/s)", report.seconds, report.events_per_second)?;
    Ok(())
}

fn log(name: &str, report: &LogReport, out: &mut dyn Write) -> anyhow::Result<()> {
    let bytes = &report.bytes;
    writeln!(
        out,
        "{name}: {} events, {} leaves, {} frames, {} segments, {} bytes",
        bytes.events, bytes.leaves, bytes.frames, bytes.segments, bytes.bytes
    )?;
    writeln!(
        out,
        "  {} checkpoint signatures and {} sender signatures hold, {} payloads opened, root {}",
        bytes.signatures, report.signatures_checked, report.payloads_opened, bytes.root
    )?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn authority(text: &str) -> anyhow::Result<[u8; 32]> {
    let text = match Path::new(text) {
        path if path.is_file() => String::from_utf8_lossy(&read(path)?).into_owned(),
        _ => text.into(),
    };
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .context("--authority takes 64 hex digits or a file that holds them")
}

/// Reads a master key file.
///
/// # Errors
/// Where it is not one; never with its content.
pub fn master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let shown = path.display();
    let text = String::from_utf8(read(path)?).ok().with_context(|| format!("{shown} is not a key file"))?;
    MasterKey::from_text(text.trim_end()).ok().with_context(|| format!("{shown} is not a master key"))
}
