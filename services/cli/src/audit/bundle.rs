//! `simpul audit bundle`: fetches the evidence of an event, a stream or a case, checks it here, and keeps it as one file.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use simpul_audit::{
    TrustedKeys,
    bundle::{BUNDLE_BYTES_MAX, verify_bundle},
};
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient, get_bundle_request::Subject};
use simpul_tlog::policy::Policy;

use super::event::EventName;
use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, refusal},
};

#[derive(Args)]
pub struct Bundle {
    #[command(flatten)]
    subject: SubjectArgs,

    /// File to write; `simpul audit verify --bundle FILE` checks it with no hub
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Why you ask
    #[arg(long, default_value = "OVERSIGHT")]
    purpose: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// One event, by its id (UUID) or its position
    #[arg(long, value_name = "ID")]
    event: Option<EventName>,

    /// All events of a source record's stream, for example sisko-placement/3f9c…
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,

    /// All events of the records that belong to a case
    #[arg(long, value_name = "REF")]
    case: Option<String>,
}

pub async fn run(
    command: Bundle,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let SubjectArgs { event, stream, case } = command.subject;
    let subject = match (event, stream, case) {
        (Some(EventName::Id(id)), ..) => Subject::EventId(id.as_bytes().to_vec().into()),
        (Some(EventName::Position(position)), ..) => Subject::Position(position),
        (_, Some(stream), _) => Subject::Stream(stream),
        (.., Some(case)) => Subject::CaseRef(case),
        (None, None, None) => bail!("give --event, --stream or --case"),
    };
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let log = connection::required_log_key(&hub.file)?;
    let request = v1::GetBundleRequest { subject: Some(subject), purpose: command.purpose, official };
    let mut parts = answer(AuditServiceClient::new(hub.channel).get_bundle(request).await)?;
    let mut file = Vec::new();
    while let Some(part) = parts.message().await.map_err(refusal)? {
        file.extend_from_slice(&part.chunk);
        if file.len() > BUNDLE_BYTES_MAX {
            bail!("the hub sends more than any bundle holds");
        }
    }
    let report = verify_bundle(&file.clone().into(), &Policy::of_log(log), &TrustedKeys::default())?;
    if let Some(violation) = report.violations.first() {
        bail!("the hub's bundle does not hold: {violation}");
    }
    let shown = command.out.display();
    std::fs::write(&command.out, &file).with_context(|| format!("writing {shown}"))?;
    if json {
        return json_line(out, &json!({ "file": command.out, "bytes": file.len(), "report": report }));
    }
    let disclosed = report.events.iter().filter(|event| event.disclosed).count();
    writeln!(
        out,
        "{}: {} event(s) under the checkpoint of {} leaves, {disclosed} disclosed, access entry {}",
        report.subject,
        report.events.len(),
        report.size,
        report.access_entry
    )?;
    writeln!(out, "  {} bytes in {shown}; check it with `simpul audit verify --bundle FILE`", file.len())?;
    Ok(())
}
