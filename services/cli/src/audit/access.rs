//! `simpul audit access`: the access log. Reading it is itself recorded.

use std::io::Write;

use clap::Args;
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line, refusal, time},
    wire_json,
};

#[derive(Args)]
pub struct Access {
    /// First entry wanted
    #[arg(long, default_value_t = 0)]
    from: u64,

    /// Entry after the last wanted; absent: the present end
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    until: u64,

    /// Only this agency
    #[arg(long, default_value = "", hide_default_value = true)]
    agency: String,

    /// Why you ask, for example OVERSIGHT
    #[arg(long)]
    purpose: String,
}

pub async fn run(
    command: Access,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let request = v1::ListAccessRequest {
        from_index: command.from,
        until_index: command.until,
        agency: command.agency,
        purpose: command.purpose,
        official,
    };
    let mut records = answer(AuditServiceClient::new(hub.channel).list_access(request).await)?;
    while let Some(record) = records.message().await.map_err(refusal)? {
        if json {
            json_line(out, &wire_json::of("AccessRecord", &record)?)?;
            continue;
        }
        let Some(entry) = record.entry else { continue };
        writeln!(
            out,
            "{:>7}  {}  {}/{} {}  {}  {}{}{}{}",
            record.index,
            time(entry.at_us),
            entry.agency,
            entry.client,
            if entry.official.is_empty() { "(machine)" } else { &entry.official },
            entry.action,
            entry.answer,
            labelled("for", &entry.purpose),
            labelled("case", &entry.case_ref),
            labelled("disclosed", &entry.disclosed.join(", ")),
        )?;
    }
    Ok(())
}

fn labelled(label: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("  {label} {value}") }
}
