//! `simpul audit proof`: fetches a proof and checks it here, against a checkpoint signed by the key we hold.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use data_encoding::BASE64;
use serde_json::json;
use simpul_proto::v1::{self, audit_service_client::AuditServiceClient};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    leaf_hash,
    note::NoteVerifier,
    proof,
    receipt::LogProof,
};
use simpul_types::{Digest, EventId, Leaf};
use tonic::{Code, transport::Channel};

use super::event::EventName;
use crate::{
    connection::{self, ConnectionArgs},
    output::{answer, json_line, refusal},
};

#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("what").required(true).args(["leaf", "event", "old"]))]
pub struct Proof {
    /// Prove that this leaf is in the log
    #[arg(long, value_name = "INDEX")]
    leaf: Option<u64>,

    /// Prove that the leaf of this event is in the log; by the event's id (UUID) or its position
    #[arg(long, value_name = "ID")]
    event: Option<EventName>,

    /// Keep the proof in this file (C2SP tlog-proof); `simpul audit verify --proof FILE` checks it with no hub
    #[arg(long, value_name = "FILE", conflicts_with = "old")]
    out: Option<PathBuf>,

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
    if let Some(path) = command.old {
        let newest = newest(&mut client, &log).await?;
        return consistency(&mut client, &path, &log, &newest, json, out).await;
    }
    let leaf = match (command.leaf, command.event) {
        (Some(index), _) => Which::Leaf(index),
        (None, Some(EventName::Id(id))) => Which::Event(id),
        (None, Some(EventName::Position(position))) => {
            Which::Leaf(leaf_at(&mut client, connection.official()?, position).await?)
        }
        (None, None) => bail!("give --leaf, --event or --old"),
    };
    let proven = prove(&mut client, leaf, &log).await?;
    if let Some(path) = &command.out {
        std::fs::write(path, proven.proof.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    inclusion(&proven, json, out)
}

/// Which leaf.
enum Which {
    Leaf(u64),
    Event(EventId),
}

/// A leaf whose proof holds.
struct Proven {
    proof: LogProof,
    leaf: Leaf,
    tree: Checkpoint,
}

/// The leaf that holds a position.
async fn leaf_at(
    client: &mut AuditServiceClient<Channel>,
    official: String,
    position: u64,
) -> anyhow::Result<u64> {
    let request = v1::ReplayRequest {
        from_position: position,
        until_position: position + 1,
        purpose: "OVERSIGHT".into(),
        official,
        ..Default::default()
    };
    let mut leaves = answer(client.replay(request).await)?;
    let leaf = leaves.message().await.map_err(refusal)?;
    Ok(leaf.with_context(|| format!("position {position} is not in the log"))?.leaf_index)
}

/// Fetches a proof and checks it: under the published checkpoint, which witnesses may have cosigned, where that covers the
/// leaf already, else under the newest.
async fn prove(
    client: &mut AuditServiceClient<Channel>,
    which: Which,
    log: &NoteVerifier,
) -> anyhow::Result<Proven> {
    let heads = answer(client.get_checkpoint(v1::GetCheckpointRequest {}).await)?;
    let (leaf_index, event_id) = match which {
        Which::Leaf(index) => (index, Bytes::new()),
        Which::Event(id) => (0, Bytes::copy_from_slice(id.as_bytes())),
    };
    let mut refused = None;
    for note in [heads.published, heads.checkpoint] {
        let Ok(tree) = checkpoint::open(&note, log) else {
            bail!("the hub's checkpoint does not hold under the log's key");
        };
        if tree.size == 0 {
            // Asked for, it would mean the newest.
            continue;
        }
        let event_id = event_id.clone();
        let request = v1::GetInclusionProofRequest { leaf_index, tree_size: tree.size, event_id };
        let response = match client.get_inclusion_proof(request).await {
            Err(status) if status.code() == Code::OutOfRange => {
                refused = Some(status);
                continue;
            }
            response => answer(response)?,
        };
        let (index, hashes) = (response.leaf_index, digests(&response.proof)?);
        proof::verify_inclusion(index, tree.size, &leaf_hash(&response.leaf), &hashes, &tree.root)
            .with_context(|| format!("leaf {index}: the inclusion proof does not hold"))?;
        let leaf = Leaf::decode(&response.leaf).context("the leaf does not decode")?;
        let proof = LogProof { index, extra: Some(response.leaf.to_vec()), hashes, checkpoint: note };
        return Ok(Proven { proof, leaf, tree });
    }
    Err(refused.map_or_else(|| anyhow::anyhow!("the hub shows no checkpoint"), refusal))
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
    let request =
        v1::GetInclusionProofRequest { leaf_index: index, tree_size: checkpoint.size, ..Default::default() };
    let response = answer(client.get_inclusion_proof(request).await)?;
    let path = digests(&response.proof)?;
    proof::verify_inclusion(index, checkpoint.size, &leaf_hash(&response.leaf), &path, &checkpoint.root)
        .with_context(|| format!("leaf {index}: the inclusion proof does not hold"))?;
    Ok((response.leaf, path.len()))
}

fn inclusion(proven: &Proven, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let Proven { proof, leaf, tree: newest } = proven;
    let (index, hashes) = (proof.index, proof.hashes.len());
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
