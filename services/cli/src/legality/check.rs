//! `simpul legality check`.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;
use simpul_proto::v1::{self, legality_service_client::LegalityServiceClient};
use simpul_signing::VerifyingKey;

use super::render;
use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, parse_time, remark},
    subject::SubjectArgs,
    trust::{self, CheckedVerdict, Envelope},
};

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    subject: SubjectArgs,

    /// Judge the placement as of this day, YYYY-MM-DD; absent: its departure date, or else today
    #[arg(long, value_name = "DATE")]
    valid_at: Option<jiff::civil::Date>,

    /// Use only what was known at this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    known_at: Option<String>,

    /// Why you ask, for example VERIFY_LEGALITY
    #[arg(long)]
    purpose: String,

    /// The case this look-up belongs to
    #[arg(long = "case", value_name = "REF")]
    case_ref: Option<String>,

    /// Wait until the hub's read models have reached this position
    #[arg(long, value_name = "POSITION")]
    at_least: Option<u64>,

    /// Public key of the hub's verdicts, hex or file; absent: the one in client.toml
    #[arg(long, value_name = "KEY")]
    verdict_key: Option<String>,

    /// Keep the signed verdict in this file; `simpul legality verify` checks it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// What the hub answered, its signature checked.
pub(super) struct Answer {
    pub(super) response: v1::CheckResponse,
    pub(super) checked: CheckedVerdict,
    pub(super) key: VerifyingKey,
}

/// Asks the hub and checks what it says.
pub(super) async fn ask(
    command: Check,
    connection: &ConnectionArgs,
    certificate: bool,
) -> anyhow::Result<Answer> {
    let official = connection.official()?;
    let request = v1::CheckRequest {
        subject: Some(command.subject.read()?),
        valid_at: command.valid_at.map(|date| date.to_string()).unwrap_or_default(),
        known_at_us: command.known_at.as_deref().map(parse_time).transpose()?,
        purpose: command.purpose,
        case_ref: command.case_ref.unwrap_or_default(),
        official,
        at_least_position: command.at_least,
        certificate,
    };
    let hub = connection.connect().await?;
    let key = connection::verdict_key(&hub.file, command.verdict_key.as_deref())?;
    let log = connection::log_key(&hub.file)?;
    let response = answer(LegalityServiceClient::new(hub.channel).check(request).await)?;
    let signed = response.signed.as_ref().context("the hub's answer holds no verdict")?;
    let checked = trust::verdict(signed, &key, log.as_ref())?;
    if let Some(path) = &command.save {
        let mut text = serde_json::to_string_pretty(&Envelope::new(signed))?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        remark(format_args!("kept in {}", path.display()));
    }
    Ok(Answer { response, checked, key })
}

pub async fn run(
    command: Check,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    render::verdict(&ask(command, connection, false).await?.checked, json, out)
}
