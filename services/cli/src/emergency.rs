//! `simpul emergency`: break-glass. Who takes access says why; oversight is told at once, sees what is open, and reviews it.

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use prost::Message;
use serde_json::{Value, json};
use simpul_connector::{Client, EventDraft};
use simpul_proto::{
    coordination as wire,
    v1::{self, subscription_service_client::SubscriptionServiceClient},
};
use simpul_types::{Clock, IdSource, clock::System};

use crate::{
    connection::ConnectionArgs,
    output::{answer, json_line},
};

const PACKAGE: &str = "simpul.coordination.v1.";
const STREAMS: &str = "emergency-access";

#[derive(Subcommand)]
pub enum Command {
    /// Say why a case must be seen now that no agreement opens; then `simpul case show --purpose EMERGENCY --emergency POSITION`
    Take(Take),
    /// Emergency access that was taken and not reviewed yet; for oversight
    List(List),
    /// Say what oversight has found
    Review(Review),
}

#[derive(Args)]
pub struct Take {
    /// The case, as its agencies call it
    #[arg(long = "case", value_name = "REF")]
    case_ref: String,

    /// Why it cannot wait; nothing that names a person
    #[arg(long)]
    reason: String,

    /// Hours that it is opened for, at most 24
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=24))]
    hours: u32,
}

#[derive(Args)]
pub struct List {
    /// Those that were reviewed too
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub struct Review {
    /// Reference of the access, as `simpul emergency list` has it
    reference: String,

    #[arg(long)]
    finding: Finding,

    /// What was found; nothing that names a person
    #[arg(long)]
    note: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Finding {
    Justified,
    NotJustified,
}

pub async fn run(
    command: Command,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (name, reference, purpose, payload) = match command {
        Command::List(list) => return self::list(&list, connection, json, out).await,
        Command::Take(Take { case_ref, reason, hours }) => {
            let reference = HEXLOWER.encode(&System.uuid_v7());
            let official = connection.official()?;
            let taken = wire::EmergencyAccessTaken {
                reference: reference.clone(),
                of_case: case_ref,
                reason,
                official,
                hours,
            };
            ("EmergencyAccessTaken", reference, "EMERGENCY", taken.encode_to_vec())
        }
        Command::Review(Review { reference, finding, note }) => {
            let finding = match finding {
                Finding::Justified => wire::EmergencyFinding::Justified,
                Finding::NotJustified => wire::EmergencyFinding::NotJustified,
            };
            let reviewed = wire::EmergencyAccessReviewed {
                reference: reference.clone(),
                finding: finding.into(),
                note,
                official: connection.official()?,
            };
            ("EmergencyAccessReviewed", reference, "OVERSIGHT", reviewed.encode_to_vec())
        }
    };
    let draft = EventDraft::new(
        format!("{PACKAGE}{name}").parse()?,
        format!("{STREAMS}/{reference}").parse()?,
        System.now(),
        purpose.parse()?,
        payload.into(),
    );
    let accepted = Client::connect(connection.load()?.hub).await?.submit(vec![draft]).await?;
    let position = accepted.first_position();
    if json {
        json_line(out, &json!({ "reference": reference, "position": position }))?;
    } else {
        writeln!(out, "{name} {reference} at position {position}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything of the view that this agency was sent, the newest of each.
async fn list(
    command: &List,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let request = v1::WatchRequest { from_sequence: 1, purpose: "OVERSIGHT".into(), official, once: true };
    let mut changes = answer(SubscriptionServiceClient::new(hub.channel).watch(request).await)?;
    let (mut newest, mut expected) = (BTreeMap::new(), 1);
    while let Some(change) = changes.message().await.context("reading the agency's changes")? {
        ensure!(change.sequence == expected, "expected sequence {expected}, got {}", change.sequence);
        expected += 1;
        if change.view == "emergency" {
            let fields: Value = serde_json::from_str(&change.json).context("a document is not JSON")?;
            newest.insert(change.r#ref, fields["reference"]["events"].clone());
        }
    }
    let mut open = 0;
    for events in newest.values() {
        let of_type = |name: &str| events.as_array()?.iter().find(|event| event["type"] == name);
        let Some(taken) = of_type("EmergencyAccessTaken") else { continue };
        let reviewed = of_type("EmergencyAccessReviewed");
        open += u64::from(reviewed.is_none());
        if reviewed.is_some() && !command.all {
            continue;
        }
        if json {
            json_line(out, &json!({ "taken": taken, "reviewed": reviewed }))?;
            continue;
        }
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or("-").to_owned();
        writeln!(
            out,
            "{}  {}  {} by {} for {} h at {}: {}",
            text(taken, "reference"),
            text(taken, "of_case"),
            text(taken, "source"),
            text(taken, "official"),
            taken["hours"],
            text(taken, "observed_at"),
            text(taken, "reason"),
        )?;
        if let Some(reviewed) = reviewed {
            writeln!(
                out,
                "  {} by {}: {}",
                text(reviewed, "finding"),
                text(reviewed, "source"),
                text(reviewed, "note")
            )?;
        }
    }
    if !json {
        writeln!(out, "{open} not reviewed")?;
    }
    Ok(ExitCode::SUCCESS)
}
