//! `simpul audit breach-report`: who received what in a time.

use std::io::Write;

use clap::Args;
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line, parse_time, table, time},
    wire_json,
};

#[derive(Args)]
pub struct BreachReport {
    /// From this time on, RFC 3339
    #[arg(long, value_name = "TIME")]
    since: String,

    /// Until this time, RFC 3339; absent: now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// Only what this agency received
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    agency: String,

    /// Only what came over this client certificate, its SHA-256 in hex
    #[arg(long, value_name = "HEX", default_value = "", hide_default_value = true)]
    certificate: String,

    /// Only what this official received
    #[arg(long, value_name = "PSEUDONYM", default_value = "", hide_default_value = true)]
    of_official: String,

    /// Why you ask
    #[arg(long, default_value = "OVERSIGHT")]
    purpose: String,
}

pub async fn run(
    command: BreachReport,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let official = connection.official()?;
    let until_us = match &command.until {
        Some(until) => parse_time(until)?,
        None => jiff::Timestamp::now().as_microsecond(),
    };
    let request = v1::GetBreachReportRequest {
        since_us: parse_time(&command.since)?,
        until_us,
        agency: command.agency,
        certificate: command.certificate,
        of_official: command.of_official,
        purpose: command.purpose,
        official,
    };
    let hub = connection.connect().await?;
    let report = answer(AuditServiceClient::new(hub.channel).get_breach_report(request).await)?;
    if json {
        return json_line(out, &wire_json::of("BreachReport", &report)?);
    }
    let (from, until) = (&command.since, time(until_us));
    writeln!(out, "{} person(s) concerned between {from} and {until}", report.persons)?;
    let rows: Vec<_> = report.received.iter().map(row).collect();
    table(
        out,
        ["answers", "persons", "who", "official", "what", "for", "first", "last", "disclosed"],
        &rows,
    )?;
    for one in &report.published {
        writeln!(
            out,
            "  published to {}: {} message(s), sequence {} to {}",
            one.agency, one.messages, one.first_sequence, one.last_sequence
        )?;
    }
    writeln!(out, "  from {} entries of the access log, the first {}", report.entries, report.first_index)?;
    Ok(())
}

fn row(one: &v1::Received) -> [String; 9] {
    [
        one.answers.to_string(),
        if one.everybody { "anybody".into() } else { one.persons.to_string() },
        format!("{}/{}", one.agency, one.client),
        if one.official.is_empty() { "(machine)".into() } else { one.official.clone() },
        one.action.clone(),
        one.purpose.clone(),
        time(one.first_us),
        time(one.last_us),
        one.disclosed.join(", "),
    ]
}
