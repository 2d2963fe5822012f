//! `simpul audit proof`: fetches a proof and checks it here, against a checkpoint signed by the key we hold.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use data_encoding::BASE64;
use serde_json::json;
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    leaf_hash,
    note::NoteVerifier,
    proof,
};
use simpul_types::{Digest, Leaf};
use tonic::transport::Channel;

use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line},
};

#[derive(Args)]
#[group(required = true, multiple = false, args = ["leaf", "old"])]
pub struct Proof {
    /// Prove that this leaf is in the log
    #[arg(long, value_name = "INDEX")]
    leaf: Option<u64>,

    /// Prove that the log only grew since the checkpoint in this file
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
}

pub async fn run(
    command: Proof,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let hub = connection.connect().await?;
    let log = connection::required_log_key(&hub.file)?;
    let mut client = AuditServiceClient::new(hub.channel);
    let newest = newest(&mut client, &log).await?;
    match (command.leaf, command.old) {
        (Some(index), _) => inclusion(&mut client, index, &newest, json, out).await,
        (None, Some(path)) => consistency(&mut client, &path, &log, &newest, json, out).await,
        (None, None) => bail!("give --leaf or --old"),
    }
}

/// The newest checkpoint, its signature checked.
///
/// # Errors
/// Where the hub refuses or the signature does not hold.
pub async fn newest(
    client: &mut AuditServiceClient<Channel>,
    log: &NoteVerifier,
) -> anyhow::Result<Checkpoint> {
    let response = answer(client.get_checkpoint(v1::GetCheckpointRequest {}).await)?;
    checkpoint::open(&response.checkpoint, log)
        .context("the hub's checkpoint does not hold under the log's key")
}

/// Fetches the proof of one leaf and checks it; gives back the leaf bytes and the length of the proof.
///
/// # Errors
/// Where the hub refuses or the proof does not lead to the checkpoint.
pub async fn check_inclusion(
    client: &mut AuditServiceClient<Channel>,
    index: u64,
    checkpoint: &Checkpoint,
) -> anyhow::Result<(Bytes, usize)> {
    let request = v1::GetInclusionProofRequest { leaf_index: index, tree_size: checkpoint.size };
    let response = answer(client.get_inclusion_proof(request).await)?;
    let path = digests(&response.proof)?;
    proof::verify_inclusion(index, checkpoint.size, &leaf_hash(&response.leaf), &path, &checkpoint.root)
        .with_context(|| format!("leaf {index}: the inclusion proof does not hold"))?;
    Ok((response.leaf, path.len()))
}

async fn inclusion(
    client: &mut AuditServiceClient<Channel>,
    index: u64,
    newest: &Checkpoint,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    ensure!(index < newest.size, "leaf {index} is not in the log: it has {} leaves", newest.size);
    let (bytes, hashes) = check_inclusion(client, index, newest).await?;
    let leaf = Leaf::decode(&bytes).context("the leaf does not decode")?;
    if json {
        return json_line(
            out,
            &json!({
                "valid": true, "leaf_index": index, "tree_size": newest.size, "root": BASE64.encode(&newest.root),
                "hashes": hashes, "sender": leaf.statement.sender.to_string(), "key_id": leaf.key_id.as_str(),
                "submission_id": leaf.statement.submission_id.to_string(),
                "first_position": leaf.first_position.get(), "event_count": leaf.statement.event_count,
                "admitted_at": leaf.admitted_at.to_string(),
            }),
        );
    }
    writeln!(
        out,
        "leaf {index} is in the log of {} leaves: proof of {hashes} hashes and checkpoint signature hold",
        newest.size
    )?;
    writeln!(
        out,
        "  {} event(s) from position {} by {}, signed with key {}, admitted {}",
        leaf.statement.event_count, leaf.first_position, leaf.statement.sender, leaf.key_id, leaf.admitted_at
    )?;
    Ok(())
}

async fn consistency(
    client: &mut AuditServiceClient<Channel>,
    path: &std::path::Path,
    log: &NoteVerifier,
    newest: &Checkpoint,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let old =
        checkpoint::open(&text, log).with_context(|| format!("{shown} does not hold under the log's key"))?;
    ensure!(
        old.size <= newest.size,
        "the log shrank: {shown} was signed at {} leaves, the newest checkpoint at {}",
        old.size,
        newest.size
    );
    let request = v1::GetConsistencyProofRequest { old_size: old.size, new_size: newest.size };
    let response = answer(client.get_consistency_proof(request).await)?;
    let hashes = digests(&response.proof)?;
    proof::verify_consistency(old.size, newest.size, &hashes, &old.root, &newest.root).with_context(
        || format!("the log was rewritten since {shown}: the consistency proof does not hold"),
    )?;
    if json {
        return json_line(
            out,
            &json!({ "valid": true, "old_size": old.size, "new_size": newest.size, "hashes": hashes.len() }),
        );
    }
    writeln!(
        out,
        "the log only grew: from {} to {} leaves, nothing before was changed",
        old.size, newest.size
    )?;
    Ok(())
}

fn digests(hashes: &[Bytes]) -> anyhow::Result<Vec<Digest>> {
    hashes
        .iter()
        .map(|hash| hash.as_ref().try_into().ok().context("a hash of the proof does not have 32 bytes"))
        .collect()
}
