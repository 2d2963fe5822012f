//! `simpul case`: one case of the shared picture, cut to what this agency may see, as a page for whoever works on it.

mod htcds;
mod page;
mod placements;

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use simpul_proto::v1::{self, picture_service_client::PictureServiceClient};
use simpul_tlog::checkpoint;

use crate::{
    connection::{self, Connection, ConnectionArgs},
    output::{answer, json_line},
};

#[derive(Subcommand)]
pub enum Command {
    /// Show one case
    Show(Show),
    /// Give one case in IOM's Human Trafficking Case Data Standard (HTCDS) 2.0, as JSON
    Export(Show),
}

#[derive(Args)]
pub struct Show {
    /// Case reference or LP number
    reference: String,

    /// Why you ask, for example ASSIST
    #[arg(long)]
    purpose: String,

    /// Wait until the hub's read models have reached this position
    #[arg(long, value_name = "POSITION")]
    at_least: Option<u64>,

    /// With purpose EMERGENCY: position of the own EmergencyAccessTaken, as `simpul emergency take` gives it
    #[arg(long, value_name = "POSITION")]
    emergency: Option<u64>,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (command, export) = match command {
        Command::Show(command) => (command, false),
        Command::Export(command) => (command, true),
    };
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let request = v1::GetCaseRequest {
        case_ref: command.reference.clone(),
        purpose: command.purpose.clone(),
        official: official.clone(),
        at_least_position: command.at_least,
        emergency_position: command.emergency,
    };
    let document = answer(PictureServiceClient::new(hub.channel.clone()).get_case(request).await)?;
    if json && !export {
        return show(&hub, &document, json, out);
    }
    let fields = read(&hub, &document)?;
    if export {
        json_line(out, &htcds::record(&fields, document.position)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let asked = (command.reference.as_str(), command.purpose.as_str(), official.as_str());
    let beside = placements::steps(&hub, &fields, asked).await?;
    let foot = (document.r#ref.as_str(), document.position, &document.withheld[..], document.access_entry);
    page::write(page::Page { fields: &fields, beside, foot }, out)?;
    Ok(ExitCode::SUCCESS)
}

/// The document's content, its checkpoint checked.
fn read(hub: &Connection, document: &v1::ViewDocument) -> anyhow::Result<Value> {
    if let Some(log) = connection::log_key(&hub.file)? {
        checkpoint::open(&document.checkpoint, &log).context("the answer's checkpoint does not hold")?;
    }
    serde_json::from_str(&document.json).context("the document is not JSON")
}

#[derive(Args)]
pub struct Record {
    /// departure, complaint, service, justice, return, indicator, foreign, shelter, statistic, organisation, licence
    view: String,

    /// Opaque reference, as a case or a change names it
    reference: String,

    /// Why you ask, for example RETURN
    #[arg(long)]
    purpose: String,

    /// The case this look-up belongs to
    #[arg(long = "case", value_name = "REF", default_value = "", hide_default_value = true)]
    case_ref: String,

    /// Wait until the hub's read models have reached this position
    #[arg(long, value_name = "POSITION")]
    at_least: Option<u64>,
}

/// `simpul record`: one document of a view that is no case and no placement.
pub async fn record(
    command: Record,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let request = v1::GetRecordRequest {
        view: command.view,
        record_ref: command.reference,
        purpose: command.purpose,
        official,
        at_least_position: command.at_least,
        case_ref: command.case_ref,
    };
    let document = answer(PictureServiceClient::new(hub.channel.clone()).get_record(request).await)?;
    show(&hub, &document, json, out)
}

fn show(
    hub: &Connection,
    document: &v1::ViewDocument,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let fields = read(hub, document)?;
    if json {
        json_line(
            out,
            &json!({
                "view": document.view, "ref": document.r#ref, "fields": fields, "withheld": document.withheld,
                "position": document.position, "checkpoint": document.checkpoint, "access_entry": document.access_entry,
            }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{} {}  (as of position {})", document.view, document.r#ref, document.position)?;
    for (class, value) in fields.as_object().into_iter().flatten() {
        writeln!(out, "  {class}")?;
        for line in serde_json::to_string_pretty(value)?.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    if !document.withheld.is_empty() {
        writeln!(out, "  withheld by policy: {}", document.withheld.join(", "))?;
    }
    writeln!(out, "  access entry {}", document.access_entry)?;
    Ok(ExitCode::SUCCESS)
}
