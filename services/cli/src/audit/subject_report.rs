//! `simpul audit subject-report`: everybody who looked at one person; checked here, and kept as one file where asked.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use simpul_audit::subject_report::{LookLine, LooksReport, REPORT_BYTES_MAX, verify_report};
use simpul_proto::v1::{
    self, audit_service_client::AuditServiceClient, check_request::Subject,
    get_subject_report_request as wire,
};
use simpul_signing::VerifyingKey;
use simpul_tlog::note::NoteVerifier;
use tonic::Streaming;

use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, parse_time, refusal, remark, table},
    subject::SubjectArgs,
};

#[derive(Args)]
pub struct SubjectReport {
    #[command(flatten)]
    subject: SubjectArgs,

    /// Nothing older than this, RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Why you ask
    #[arg(long, default_value = "OVERSIGHT")]
    purpose: String,

    /// Keep the report in this file; `simpul audit verify --subject-report FILE` checks it with no hub
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Verifier key of the access log, as such or in a file; absent: the one in client.toml
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,
}

pub async fn run(
    command: SubjectReport,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let official = connection.official()?;
    let subject = Some(match command.subject.read()? {
        Subject::Nik(text) => wire::Subject::Nik(text),
        Subject::Passport(text) => wire::Subject::Passport(text),
        Subject::Card(text) => wire::Subject::Card(text),
        Subject::Mrz(text) => wire::Subject::Mrz(text),
        Subject::PersonRef(text) => wire::Subject::PersonRef(text),
    });
    let since_us = command.since.as_deref().map(parse_time).transpose()?.unwrap_or_default();
    let hub = connection.connect().await?;
    let access_log = connection::access_key(&hub.file, command.access_key.as_deref())?;
    let verdict_key = connection::verdict_key(&hub.file, None)?;
    let request = v1::GetSubjectReportRequest { subject, purpose: command.purpose, official, since_us };
    let parts = answer(AuditServiceClient::new(hub.channel).get_subject_report(request).await)?;
    let file = collect(parts).await?;
    let report = checked(&file, &access_log, &verdict_key)?;
    if let Some(path) = &command.out {
        std::fs::write(path, &file).with_context(|| format!("writing {}", path.display()))?;
        remark(format_args!("kept in {}", path.display()));
    }
    if json { json_line(out, &report) } else { print(&report, out) }
}

/// The file that a hub sends.
///
/// # Errors
/// Where it breaks off, or never ends.
pub(super) async fn collect(mut parts: Streaming<v1::BundlePart>) -> anyhow::Result<Bytes> {
    let mut file = Vec::new();
    while let Some(part) = parts.message().await.map_err(refusal)? {
        file.extend_from_slice(&part.chunk);
        if file.len() > REPORT_BYTES_MAX {
            bail!("the hub sends more than any report holds");
        }
    }
    Ok(file.into())
}

/// What a report says that holds.
///
/// # Errors
/// The first thing that does not.
pub(super) fn checked(
    file: &Bytes,
    access_log: &NoteVerifier,
    verdict_key: &VerifyingKey,
) -> anyhow::Result<LooksReport> {
    let report = verify_report(file, access_log, Some(verdict_key));
    let report = report.map_err(|what| anyhow::anyhow!("the hub's report {what}"))?;
    match report.violations.first() {
        Some(violation) => bail!("the hub's report does not hold: {violation}"),
        None => Ok(report),
    }
}

/// For people.
pub fn print(report: &LooksReport, out: &mut dyn Write) -> anyhow::Result<()> {
    let since = if report.since.is_empty() { String::new() } else { format!(", from {}", report.since) };
    writeln!(
        out,
        "{} look(s){since}; given to {} on {}; access log {} of {} entries",
        report.looks.len(),
        report.issued_to,
        report.at,
        report.origin,
        report.size
    )?;
    let rows: Vec<_> = report.looks.iter().map(row).collect();
    table(out, ["entry", "when", "who", "official", "what", "answer", "why"], &rows)?;
    for violation in &report.violations {
        writeln!(out, "VIOLATION {violation}")?;
    }
    if !report.signature_checked {
        writeln!(out, "  note: the hub's signature was not checked, for want of --verdict-key")?;
    }
    let word = if report.ok {
        "verified: every entry is in the log, and none of these chains has a gap"
    } else {
        "NOT VERIFIED"
    };
    writeln!(out, "{word}")?;
    Ok(())
}

fn row(look: &LookLine) -> [String; 7] {
    let official = if look.official.is_empty() { "(machine)".into() } else { look.official.clone() };
    let mut why = match (look.case_ref.as_str(), look.everybody) {
        ("", false) => look.purpose.clone(),
        ("", true) => format!("{} (concerns everybody)", look.purpose),
        (case, _) => format!("{} in case {case}", look.purpose),
    };
    if !look.embargo.is_empty() {
        why = format!("{why}, kept back until now by {}", look.embargo);
    }
    [
        look.index.to_string(),
        look.at.clone(),
        format!("{}/{}", look.agency, look.client),
        official,
        look.action.clone(),
        look.answer.clone(),
        why,
    ]
}
