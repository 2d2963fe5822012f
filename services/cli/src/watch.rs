//! `simpul watch`: every change this agency may see, in order, from the hub itself or from its NATS stream.

use std::{io::Write, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};
use simpul_proto::v1::{self, subscription_service_client::SubscriptionServiceClient};

use crate::{
    connection::ConnectionArgs,
    nats,
    output::{answer, json_line, refusal},
};

#[derive(Args)]
pub struct Watch {
    /// First sequence wanted; sequences are gapless per agency, from 1
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1)]
    pub from: u64,

    /// Stop at the present end in place of following
    #[arg(long)]
    pub once: bool,

    /// Stop after so many changes
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,

    /// Only this view: case, placement or licence
    #[arg(long)]
    pub view: Option<String>,

    /// Only the document of this reference
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,

    /// Why you ask; not needed with --nats
    #[arg(long, required_unless_present = "nats", default_value = "")]
    pub purpose: String,

    /// Read this agency's JetStream stream on NATS, with its certificate, in place of asking the hub
    #[arg(long)]
    pub nats: bool,
}

/// One change, wherever it came from.
pub struct Change {
    pub sequence: u64,
    pub view: String,
    pub reference: String,
    pub position: u64,
    pub kind: String,
    pub event_id: String,
    pub json: String,
}

impl Watch {
    /// Whether the change passes the filters.
    pub fn wants(&self, change: &Change) -> bool {
        self.view.as_ref().is_none_or(|view| *view == change.view)
            && self.reference.as_ref().is_none_or(|reference| *reference == change.reference)
    }
}

pub async fn run(
    command: Watch,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if command.nats {
        nats::watch(&command, connection, json, out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let request = v1::WatchRequest {
        from_sequence: command.from,
        purpose: command.purpose.clone(),
        official,
        once: command.once,
    };
    let mut changes = answer(SubscriptionServiceClient::new(hub.channel).watch(request).await)?;
    let mut left = command.limit.unwrap_or(u64::MAX);
    let mut expected = command.from.max(1);
    while left > 0 {
        let Some(change) = changes.message().await.map_err(refusal)? else { break };
        // PUB-1: the agency's sequence has no gap.
        anyhow::ensure!(change.sequence == expected, "expected sequence {expected}, got {}", change.sequence);
        expected += 1;
        let change = Change {
            sequence: change.sequence,
            view: change.view,
            reference: change.r#ref,
            position: change.position,
            kind: change.r#type,
            event_id: change.event_id,
            json: change.json,
        };
        if command.wants(&change) {
            show(&change, json, out)?;
            left -= 1;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints one change and lets whoever reads the pipe have it at once.
///
/// # Errors
/// Where stdout does not take it.
pub fn show(change: &Change, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let fields: Value = serde_json::from_str(&change.json)?;
    if json {
        json_line(
            out,
            &json!({
                "sequence": change.sequence, "view": change.view, "ref": change.reference,
                "position": change.position, "type": change.kind, "event_id": change.event_id, "fields": fields,
            }),
        )?;
    } else {
        writeln!(
            out,
            "{:>8}  {}  {} {}  (position {})",
            change.sequence, change.kind, change.view, change.reference, change.position
        )?;
        for (class, value) in fields.as_object().into_iter().flatten() {
            writeln!(out, "          {class}: {value}")?;
        }
    }
    out.flush()?;
    Ok(())
}
