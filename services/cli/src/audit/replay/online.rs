//! Replay through `AuditService.Replay`. Nothing the hub says is taken on trust: every leaf is hashed here and must lead
//! to a checkpoint signed by the key we hold, every header must be the one its sender signed, every ciphertext the one
//! that was sealed.

use std::{collections::HashMap, io::Write};

use anyhow::{Context, ensure};
use serde_json::json;
use simpul_audit::ReplayCounter;
use simpul_proto::v1::{
    self, audit_service_client::AuditServiceClient, directory_service_client::DirectoryServiceClient,
};
use simpul_signing::{SUBMISSION_TYPE, VerifyingKey};
use simpul_tlog::{checkpoint::Checkpoint, leaf_hash, stored::Frontier};
use simpul_types::{KeyId, Leaf};
use tonic::transport::Channel;

use super::Replay;
use crate::{
    audit::proof,
    connection::{self, ConnectionArgs},
    output::{answer, json_line, refusal},
    progress::Progress,
};

/// What was checked on the way.
#[derive(Default)]
struct Checked {
    /// Leaves whose own inclusion proof was fetched and held.
    proofs: u64,
    /// Sender signatures that held under a registered key.
    signatures: u64,
    /// Leaves signed with a key that the directory does not list.
    unlisted_keys: u64,
}

pub async fn run(
    command: &Replay,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let official = connection.official()?;
    let hub = connection.connect().await?;
    let log = connection::required_log_key(&hub.file)?;
    let keys = registered_keys(hub.channel.clone()).await?;
    let mut client = AuditServiceClient::new(hub.channel);
    let checkpoint = proof::newest(&mut client, &log).await?;
    let whole = command.from == 0 && command.until.is_none() && command.stream.is_none();
    let request = v1::ReplayRequest {
        from_position: command.from,
        until_position: command.until.unwrap_or(0),
        stream: command.stream.clone().unwrap_or_default(),
        purpose: command.purpose.clone(),
        official,
    };
    let mut leaves = answer(client.clone().replay(request).await)?;
    let (mut counter, mut checked, mut tree) = (ReplayCounter::new(), Checked::default(), Frontier::empty());
    let mut progress = Progress::start("replay");
    let (mut events, mut completed) = (0, Vec::new());
    let mut next = leaves.message().await.map_err(refusal)?;
    while let Some(mut leaf) = next.take() {
        // A leaf with much to it comes in several messages.
        loop {
            next = leaves.message().await.map_err(refusal)?;
            match &mut next {
                Some(more) if more.leaf_index == leaf.leaf_index && more.leaf == leaf.leaf => {
                    leaf.events.append(&mut more.events);
                }
                _ => break,
            }
        }
        if leaf.leaf_index >= checkpoint.size {
            // Admitted after the checkpoint we hold; the next replay has it.
            break;
        }
        if whole {
            // All leaves together give the root: that proves each of them, and their order, and that none is missing.
            let expected = tree.size();
            ensure!(leaf.leaf_index == expected, "expected leaf {expected}, got {}", leaf.leaf_index);
            tree.push(leaf_hash(&leaf.leaf), &mut completed);
            completed.clear();
        } else {
            let (proven, _) = proof::check_inclusion(&mut client, leaf.leaf_index, &checkpoint).await?;
            ensure!(proven == leaf.leaf, "leaf {} is not the one in the log", leaf.leaf_index);
            checked.proofs += 1;
        }
        check_leaf(&leaf, &keys, whole, &mut checked)?;
        let seen = leaf.events.iter().map(|event| (event.position, &event.header[..], event.sealed.len()));
        counter.leaf(leaf.leaf_index, &leaf.leaf, seen)?;
        events += leaf.events.len() as u64;
        progress.at(events, 0, "events");
    }
    drop(progress);
    if whole {
        ensure!(tree.size() == checkpoint.size, "the hub sent {} of {} leaves", tree.size(), checkpoint.size);
        ensure!(
            tree.root() == checkpoint.root,
            "the leaves do not lead to the signed root: the log was altered"
        );
    }
    report(&counter, &checked, &checkpoint, whole, json, out)
}

/// Every key the directory knows, by its id.
async fn registered_keys(channel: Channel) -> anyhow::Result<HashMap<KeyId, VerifyingKey>> {
    let mut client = DirectoryServiceClient::new(channel);
    let listed = answer(client.list_agencies(v1::ListAgenciesRequest {}).await)?;
    let mut keys = HashMap::new();
    for agency in listed.agencies {
        for key in agency.connectors.into_iter().flat_map(|connector| connector.keys) {
            let bytes: [u8; 32] =
                key.public_key.as_ref().try_into().ok().context("a listed key does not have 32 bytes")?;
            // The id is computed here: what the hub calls the key does not count.
            keys.insert(simpul_signing::key_id(&bytes), VerifyingKey::from_bytes(bytes));
        }
    }
    Ok(keys)
}

/// A leaf against its sender's signature and against the events that came with it.
fn check_leaf(
    wire: &v1::ReplayLeaf,
    keys: &HashMap<KeyId, VerifyingKey>,
    whole: bool,
    checked: &mut Checked,
) -> anyhow::Result<()> {
    let index = wire.leaf_index;
    let leaf = Leaf::decode(&wire.leaf).with_context(|| format!("leaf {index} does not decode"))?;
    match keys.get(&leaf.key_id) {
        Some(key) => {
            let held = key.verify_dsse(SUBMISSION_TYPE, &leaf.statement_bytes, &leaf.signature);
            ensure!(held.is_ok(), "leaf {index}: the sender's signature does not hold");
            checked.signatures += 1;
        }
        None => checked.unlisted_keys += 1,
    }
    // Roots cover a whole submission; only a replay cut to a range or a stream may hold a part of one.
    let complete = wire.events.len() == leaf.statement.event_count as usize;
    ensure!(complete || !whole, "leaf {index}: {} of its events came", wire.events.len());
    if complete {
        let headers = wire.events.iter().map(|event| event.header.as_ref());
        let root = simpul_tlog::tree_hash(headers);
        ensure!(root == leaf.statement.events_root, "leaf {index}: a header is not the one that was signed");
        let sealed: Vec<_> =
            wire.events.iter().map(|event| simpul_signing::sha256(&[&event.sealed])).collect();
        let root = simpul_tlog::tree_hash(sealed.iter().map(|digest| digest.as_slice()));
        ensure!(root == leaf.sealed_root, "leaf {index}: a sealed payload is not the one that was admitted");
    }
    let end = leaf.first_position.plus(leaf.statement.event_count.into()).get();
    let inside = |event: &v1::ReplayEvent| (leaf.first_position.get()..end).contains(&event.position);
    ensure!(wire.events.iter().all(inside), "leaf {index}: an event stands at a position of another leaf");
    Ok(())
}

fn report(
    counter: &ReplayCounter,
    checked: &Checked,
    checkpoint: &Checkpoint,
    whole: bool,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let summary = counter.summary();
    if json {
        return json_line(
            out,
            &json!({
                "summary": summary, "tree_size": checkpoint.size, "root_recomputed": whole,
                "inclusion_proofs": checked.proofs, "signatures": checked.signatures,
                "unlisted_keys": checked.unlisted_keys,
            }),
        );
    }
    super::print_summary(&summary, out)?;
    if whole {
        writeln!(
            out,
            "  all {} leaves lead to the signed root: none altered, dropped or reordered",
            checkpoint.size
        )?;
    } else {
        writeln!(out, "  {} inclusion proofs hold in the log of {} leaves", checked.proofs, checkpoint.size)?;
    }
    writeln!(out, "  {} sender signatures hold", checked.signatures)?;
    if checked.unlisted_keys > 0 {
        writeln!(
            out,
            "  {} leaves are signed with keys that the directory does not list",
            checked.unlisted_keys
        )?;
    }
    Ok(())
}
