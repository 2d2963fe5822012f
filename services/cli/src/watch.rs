//! `simpul watch`: every change this agency may see, in order, from the hub itself or from its NATS stream.

mod picture;
mod verify;

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

    /// Read everything from the hub and from NATS, and prove that it is complete, of one log, and the same
    #[arg(long, conflicts_with_all = ["from", "limit", "view", "reference", "nats"])]
    pub verify: bool,

    /// Why you ask; not needed with --nats
    #[arg(long, required_unless_present = "nats", default_value = "")]
    pub purpose: String,

    /// Read this agency's JetStream stream on NATS, with its certificate, in place of asking the hub
    #[arg(long)]
    pub nats: bool,
}

/// One change, wherever it came from. Holds personal data: no `Debug`.
#[derive(Clone)]
pub struct Change {
    pub sequence: u64,
    pub view: String,
    pub reference: String,
    pub position: u64,
    pub kind: String,
    pub event_id: String,
    pub json: String,
    /// The signed checkpoint that it reflects.
    pub checkpoint: String,
    /// The document did not fit into a message of NATS; ask the hub for it.
    pub oversized: bool,
}

impl From<v1::ViewChange> for Change {
    fn from(change: v1::ViewChange) -> Self {
        Self {
            sequence: change.sequence,
            view: change.view,
            reference: change.r#ref,
            position: change.position,
            kind: change.r#type,
            event_id: change.event_id,
            json: change.json,
            checkpoint: change.checkpoint,
            oversized: false,
        }
    }
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
    if command.verify {
        verify::run(&command, connection, json, out).await?;
        return Ok(ExitCode::SUCCESS);
    }
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
        let change = Change::from(change);
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
        match superseded(&fields).filter(|_| change.view == "verdict") {
            Some(word) => writeln!(out, "          {word}")?,
            None => {
                for (class, value) in fields.as_object().into_iter().flatten() {
                    writeln!(out, "          {class}: {value}")?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// A word about an answer that would be otherwise now, as a person reads it: the newest one of its document.
fn superseded(fields: &Value) -> Option<String> {
    let newest = |class: &str| fields[class]["events"].as_array()?.last();
    let (told, about) = (newest("placement")?, newest("reference")?);
    let decides: Vec<&str> = told["decides"].as_array()?.iter().filter_map(Value::as_str).collect();
    let because = match about["cause_position"].as_u64() {
        Some(position) => format!("the event at position {position}"),
        None => "other rules".into(),
    };
    let case = about["asked_for_case"].as_str().filter(|case| !case.is_empty());
    Some(format!(
        "your answer {} ({}{}) was {}, it is {} now{}; because of {because}; subject {}",
        about["access_entry"],
        about["asked_for_purpose"].as_str().unwrap_or("-"),
        case.map(|case| format!(", case {case}")).unwrap_or_default(),
        told["old_kind"].as_str()?,
        told["new_kind"].as_str()?,
        if decides.is_empty() { String::new() } else { format!(": {}", decides.join(", ")) },
        about["subject_ref"].as_str()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_about_an_answer_reads_as_a_sentence() {
        let fields = json!({
            "reference": { "events": [{ "access_entry": 17, "asked_for_purpose": "VERIFY_LEGALITY", "cause_position": 91, "subject_ref": "ab" }] },
            "placement": { "events": [{ "old_kind": "PROCEDURAL", "new_kind": "NON_PROCEDURAL", "decides": ["R12 NOT_MET"] }] },
        });
        let expected = "your answer 17 (VERIFY_LEGALITY) was PROCEDURAL, it is NON_PROCEDURAL now: R12 NOT_MET; because of the event at \
                        position 91; subject ab";
        assert_eq!(superseded(&fields).as_deref(), Some(expected));
        assert_eq!(superseded(&json!({ "reference": {} })), None);
    }
}
