//! A stranger's check: tiles over HTTPS or from a folder, against keys that the verifier brings along.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, bail};
use simpul_audit::tiles::{TileFetch, TileFolder, TilesOptions, TilesReport, verify_tiles};

use super::{Verify, fetch::Https};
use crate::{connection::ConnectionArgs, output::json_line, progress::Progress};

pub async fn url(
    command: &Verify,
    url: &str,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let configured = if connection.client.exists() { Some(connection.load()?.hub.ca_pem) } else { None };
    let server = Https::new(url, command.ca.as_deref().or(configured.as_deref()))?;
    let options = options(command, connection)?;
    // Verification is plain blocking work that asks for files in batches; the fetching itself is concurrent.
    let checked = tokio::task::spawn_blocking(move || check(&server, &options));
    finish(command, checked.await.context("the verification did not end")??, json, out)
}

pub fn folder(
    command: &Verify,
    folder: &Path,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if !folder.is_dir() {
        bail!("{} is not a folder of tiles", folder.display());
    }
    let report = check(&TileFolder(folder.into()), &options(command, connection)?)?;
    finish(command, report, json, out)
}

fn options(command: &Verify, connection: &ConnectionArgs) -> anyhow::Result<TilesOptions> {
    let remembered = match &command.state {
        Some(path) => match fs::read_to_string(path) {
            Ok(note) => Some(note),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        },
        None => None,
    };
    Ok(TilesOptions { policy: command.trust.policy(connection)?, keys: command.trust.keys()?, remembered })
}

fn check(from: &dyn TileFetch, options: &TilesOptions) -> anyhow::Result<TilesReport> {
    let mut bar = Progress::start("verify");
    Ok(verify_tiles(from, options, &mut |leaves, of| bar.at(leaves, of, "leaves"))?)
}

fn finish(
    command: &Verify,
    report: TilesReport,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if let (true, Some(path)) = (report.ok, &command.state) {
        remember(path, &report.note).with_context(|| format!("writing {}", path.display()))?;
    }
    if json {
        json_line(out, &report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Replaced whole: a verifier that forgets what it saw could be shown another past.
fn remember(path: &Path, note: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, note)?;
    fs::File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, path)
}

fn print(report: &TilesReport, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}: checkpoint of {} leaves, root {}", report.origin, report.size, report.root)?;
    match report.witnesses.as_slice() {
        [] => writeln!(out, "  signed by the log; quorum `{}`", report.quorum)?,
        some => writeln!(
            out,
            "  signed by the log, cosigned by {}; quorum `{}` is met",
            some.join(", "),
            report.quorum
        )?,
    }
    writeln!(
        out,
        "  {} leaves of {} events read; {} sender signatures hold, {} not checked for want of a key",
        report.leaves, report.events, report.signatures_checked, report.signatures_not_checked
    )?;
    if let Some(before) = report.continues {
        writeln!(out, "  it continues the tree of {before} leaves seen before")?;
    }
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    match &report.violation {
        Some(violation) => writeln!(out, "VIOLATION {violation}\nNOT VERIFIED ({:.2} s)", report.seconds)?,
        None => writeln!(
            out,
            "verified: every tile and entry leads to the signed root ({:.2} s)",
            report.seconds
        )?,
    }
    Ok(())
}
