//! Files that were kept, checked with no hub: one proof (`.tlog-proof`), one bundle of evidence.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;
use serde_json::json;
use simpul_audit::{
    bundle::{BundleReport, verify_bundle},
    subject_report::verify_report,
};
use simpul_tlog::{checkpoint::Checkpoint, receipt::LogProof};
use simpul_types::Leaf;

use super::{Verify, read};
use crate::{
    connection::{self, ConnectionArgs},
    output::json_line,
    trust,
};

pub fn proof(
    command: &Verify,
    path: &Path,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let policy = command.trust.policy(connection)?;
    let shown = path.display();
    let text = String::from_utf8(read(path)?).ok().with_context(|| format!("{shown} is not text"))?;
    let proof = LogProof::parse(&text).with_context(|| shown.to_string())?;
    let given = command.leaf_bytes.as_deref().map(read).transpose()?;
    let accepted = match proof.verify(given.as_deref(), &policy) {
        Ok(accepted) => accepted,
        Err(error) => {
            let mut what = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(behind) = source {
                what = format!("{what}: {behind}");
                source = behind.source();
            }
            if json {
                json_line(out, &json!({ "ok": false, "violation": what }))?;
            } else {
                writeln!(out, "VIOLATION {what}\nNOT VERIFIED")?;
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let leaf = given.or(proof.extra).and_then(|bytes| Leaf::decode(&bytes.into()).ok());
    let Checkpoint { origin, size, .. } = accepted.checkpoint;
    let witnesses: Vec<_> = accepted.cosigned.iter().map(ToString::to_string).collect();
    if json {
        let leaf = leaf.map(|leaf| {
            json!({
                "sender": leaf.statement.sender.to_string(), "first_position": leaf.first_position.get(),
                "event_count": leaf.statement.event_count, "admitted_at": leaf.admitted_at.to_string(),
            })
        });
        json_line(
            out,
            &json!({
                "ok": true, "leaf_index": proof.index, "origin": origin, "size": size,
                "witnesses": witnesses, "leaf": leaf,
            }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "leaf {} is in the log {origin} of {size} leaves", proof.index)?;
    signed(out, &witnesses, policy.quorum())?;
    if let Some(leaf) = leaf {
        writeln!(
            out,
            "  {} event(s) from position {} by {}, admitted {}",
            leaf.statement.event_count, leaf.first_position, leaf.statement.sender, leaf.admitted_at
        )?;
    }
    writeln!(out, "verified: the proof holds")?;
    Ok(ExitCode::SUCCESS)
}

pub fn bundle(
    command: &Verify,
    path: &Path,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let policy = command.trust.policy(connection)?;
    let report = verify_bundle(&read(path)?.into(), &policy, &command.trust.keys()?)?;
    if json {
        json_line(out, &report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn subject_report(
    command: &Verify,
    path: &Path,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (given, verdict) = (command.access_key.as_deref(), command.verdict_key.as_deref());
    let (access_log, verdict_key) = match (given, connection.load()) {
        // What was given needs no client configuration.
        (Some(given), Err(_)) => (trust::log_key(given)?, verdict.map(trust::verdict_key).transpose()?),
        (given, file) => {
            let file = file?;
            (connection::access_key(&file, given)?, connection::verdict_key(&file, verdict).ok())
        }
    };
    let report = verify_report(&read(path)?.into(), &access_log, verdict_key.as_ref());
    let report = report.map_err(|what| anyhow::anyhow!("{} {what}", path.display()))?;
    if json {
        json_line(out, &report)?;
    } else {
        crate::audit::subject_report::print(&report, out)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &BundleReport, out: &mut dyn Write) -> anyhow::Result<()> {
    if !report.subject.is_empty() {
        let (subject, agency, entry) = (&report.subject, &report.issued_to, report.access_entry);
        writeln!(out, "{subject}, given to {agency}, access entry {entry}")?;
    }
    if !report.origin.is_empty() {
        writeln!(out, "  checkpoint of {} at {} leaves", report.origin, report.size)?;
        signed(out, &report.witnesses, &report.quorum)?;
    }
    for event in &report.events {
        writeln!(
            out,
            "  position {:>6}, leaf {:>6}  {}  {}  {}  by {}{}",
            event.position,
            event.leaf,
            event.admitted_at,
            event.event_type,
            event.stream,
            event.sender,
            if event.disclosed { ", payload disclosed" } else { ", payload sealed" }
        )?;
    }
    for sender in &report.senders {
        writeln!(out, "  signed by {} with key {}: {}", sender.sender, sender.key_id, sender.trust)?;
    }
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    for violation in &report.violations {
        writeln!(out, "VIOLATION {violation}")?;
    }
    let word = if report.ok { "verified: every signature and every path holds" } else { "NOT VERIFIED" };
    writeln!(out, "{word}")?;
    Ok(())
}

fn signed(out: &mut dyn Write, witnesses: &[String], quorum: &str) -> anyhow::Result<()> {
    match witnesses {
        [] => writeln!(out, "  signed by the log; quorum `{quorum}`")?,
        some => {
            writeln!(out, "  signed by the log, cosigned by {}; quorum `{quorum}` is met", some.join(", "))?;
        }
    }
    Ok(())
}
