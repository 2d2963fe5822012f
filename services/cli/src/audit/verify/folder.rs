//! `simpul audit verify --data`: every byte of a hub's logs on disk, with nothing but public keys; with the master key the
//! payloads too.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context, bail, ensure};
use simpul_audit::verify::{LogReport, Payloads, VerifyOptions, VerifyReport, verify_data};
use simpul_signing::{EpochKeys, MasterKey};
use simpul_tlog::policy::Policy;

use super::{Verify, read};
use crate::{output::json_line, progress::Progress, trust};

pub fn run(command: &Verify, data: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    ensure!(data.join("log").is_dir(), "{} is not a hub's data folder: it has no folder log", data.display());
    let keys = command.trust.keys()?;
    let log = match (&command.trust.log_key, &command.trust.policy) {
        (Some(key), _) => Some(trust::log_key(key)?),
        (None, Some(path)) => {
            let policy = Policy::parse(&read(path)?).with_context(|| path.display().to_string())?;
            let [log] = policy.logs() else { bail!("{} must name exactly one log", path.display()) };
            Some(log.key.clone())
        }
        (None, None) => None,
    };
    let options = VerifyOptions {
        log,
        access: command.access_key.as_deref().map(trust::log_key).transpose()?,
        authority: keys.authority,
        bootstrap: keys.bootstrap,
        public_keys: keys.senders.into_iter().map(|(_, key)| key).collect(),
        master: command.master_key.as_deref().map(master_key).transpose()?,
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
    if report.payloads != Payloads::default() {
        let Payloads { readable, sealed, erased, missing } = report.payloads;
        writeln!(
            out,
            "  payloads: {readable} READABLE, {sealed} SEALED, {erased} ERASED, {missing} MISSING"
        )?;
    }
    if report.access_checkpoints > 0 {
        writeln!(out, "  {} recorded checkpoints of the access log compared", report.access_checkpoints)?;
    }
    if let Some(epoch) = report.key_epoch {
        writeln!(out, "  key epoch {epoch}: the key files hold the keys that it was begun with")?;
    }
    for erasure in &report.erasures {
        let (by, approved) = (&erasure.requested_by, erasure.approved_by.join(", "));
        let (streams, position, request) = (erasure.streams.join(" "), erasure.position, &erasure.request);
        writeln!(
            out,
            "  ERASED by the event at position {position}, request {request} of {by}, approved by {approved}: {streams}"
        )?;
    }
    Ok(())
}

/// Reads a master key file, and the key epochs in `epochs.key` beside it where there is one.
///
/// # Errors
/// Where one is not what it should be; never with its content.
pub fn master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let shown = path.display();
    let text = String::from_utf8(read(path)?).ok().with_context(|| format!("{shown} is not a key file"))?;
    let master = MasterKey::from_text(text.trim_end());
    let master = master.ok().with_context(|| format!("{shown} is not a master key"))?;
    let path = path.with_file_name("epochs.key");
    if !path.exists() {
        return Ok(master);
    }
    let epochs = String::from_utf8(read(&path)?).ok().and_then(|text| EpochKeys::from_text(&text).ok());
    let epochs = epochs.with_context(|| format!("{} is no file of key epochs", path.display()))?;
    Ok(master.with_epochs(epochs))
}
