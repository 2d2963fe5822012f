//! `simpul audit checkpoint`: the newest signed checkpoint, checked against the key that the caller already holds; or the
//! published one, with the cosignatures of witnesses, and whether a policy finds them enough.

mod published;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use data_encoding::BASE64;
use serde_json::json;
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient};
use simpul_tlog::{checkpoint, note::NoteVerifier};

use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, remark},
    trust,
};

#[derive(Args)]
pub struct Show {
    /// Keep the checkpoint in this file; `simpul audit proof --old FILE` shows later that the log only grew
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    #[command(flatten)]
    published: published::Source,
}

pub async fn run(
    command: Show,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if command.published.is_given() {
        return published::run(&command.published, command.save.as_deref(), json, out).await;
    }
    let hub = connection.connect().await?;
    let log = connection::required_log_key(&hub.file)?;
    let response =
        answer(AuditServiceClient::new(hub.channel).get_checkpoint(v1::GetCheckpointRequest {}).await)?;
    let checkpoint = checkpoint::open(&response.checkpoint, &log).context("the checkpoint does not hold")?;
    // The access log's key is the hub's word: no configuration carries it yet, so it only shows that the two fit.
    let access_log: NoteVerifier = trust::log_key(&response.access_verifier_key)?;
    let access = checkpoint::open(&response.access_checkpoint, &access_log)
        .context("the access log's checkpoint does not hold")?;
    if let Some(path) = &command.save {
        std::fs::write(path, &response.checkpoint).with_context(|| format!("writing {}", path.display()))?;
    }
    if json {
        json_line(
            out,
            &json!({
                "origin": checkpoint.origin, "size": checkpoint.size, "root": BASE64.encode(&checkpoint.root),
                "note": response.checkpoint, "verifier_key": log.to_string(),
                "access": {
                    "origin": access.origin, "size": access.size, "root": BASE64.encode(&access.root),
                    "note": response.access_checkpoint, "verifier_key": response.access_verifier_key,
                },
            }),
        )?;
    } else {
        write!(out, "{}", response.checkpoint)?;
        writeln!(out, "signature valid under {log}")?;
        writeln!(
            out,
            "access log: {} at {} entries, key {}",
            access.origin, access.size, response.access_verifier_key
        )?;
    }
    if let Some(path) = command.save {
        remark(format_args!("kept in {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
