//! `simpul watch --verify`: that an agency was told everything, in order and from one log, and the same by the hub and by NATS.
//!
//! NATS is read first, its last values next and the hub at the end, so that what comes meanwhile is behind all of them.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::{Context, bail, ensure};
use async_nats::jetstream;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use simpul_proto::v1::{
    self, audit_service_client::AuditServiceClient, subscription_service_client::SubscriptionServiceClient,
};
use simpul_publisher::names;
use simpul_tlog::proof;
use simpul_types::{AgencyCode, Digest, View};
use tonic::{Code, transport::Channel};

use super::{
    Change, Watch,
    picture::{Document, Picture},
};
use crate::{
    connection::{self, ConnectionArgs},
    nats,
    output::{answer, json_line, refusal},
};

/// How often, and how far apart, last values are read again: the server fills them a little behind the changes.
const LAST_ATTEMPTS: u32 = 50;
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// What NATS had.
struct Carried {
    picture: Picture,
    last_values: BTreeMap<Document, u64>,
}

/// Verifies, and says what holds.
///
/// # Errors
/// The first thing that does not, by sequence and position.
pub async fn run(
    command: &Watch,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let file = connection.load()?;
    let log = connection::required_log_key(&file)?;
    let agency = file.hub.agency.clone();
    let carried = match &file.nats {
        Some(_) => Some(carried(&nats::connect(&file).await?, &agency, Picture::new(log.clone())).await?),
        None => None,
    };
    let hub = connection.connect().await?;
    let mut told = Picture::new(log);
    let request = v1::WatchRequest {
        from_sequence: 1,
        purpose: command.purpose.clone(),
        official: connection.official()?,
        once: true,
    };
    let mut changes = answer(SubscriptionServiceClient::new(hub.channel.clone()).watch(request).await)?;
    while let Some(change) = changes.message().await.map_err(refusal)? {
        told.take(&Change::from(change))?;
    }
    let mut report =
        json!({ "ok": true, "agency": agency.as_str(), "first": told.first, "last": told.last() });
    if let Some((_, newest)) = &told.checkpoints {
        let proved = grew(&mut AuditServiceClient::new(hub.channel), &told).await?;
        report["checkpoint"] =
            json!({ "size": newest.size, "root": HEXLOWER.encode(&newest.root), "proved": proved });
    }
    // The digest at the last sequence that both have.
    let at = carried.as_ref().map_or(told.last(), |carried| carried.picture.last().min(told.last()));
    report["documents"] = told.standing(at).len().into();
    report["digest_at"] = at.into();
    report["digest"] = HEXLOWER.encode(&told.digest(at)).into();
    if let Some(Carried { picture, last_values }) = &carried {
        ensure!(
            picture.last() <= told.last(),
            "NATS has sequence {}, the hub tells no more than {}",
            picture.last(),
            told.last()
        );
        let both = picture.compare(&told)?;
        let standing = told.standing(picture.last());
        for (document, sequence) in &standing {
            let (view, reference) = document;
            match last_values.get(*document) {
                Some(known) if known == sequence => {}
                Some(known) => {
                    bail!("the last value of {view} {reference} is of sequence {known}, not {sequence}")
                }
                None => bail!("there is no last value of {view} {reference}, told in sequence {sequence}"),
            }
        }
        report["nats"] = json!({
            "first": picture.first, "last": picture.last(), "compared": both, "oversized": picture.oversized(),
            "last_values": standing.len(),
        });
    }
    if json {
        return json_line(out, &report);
    }
    said(&report, out)
}

/// One log, and it only grew: from the checkpoint of the first change to that of the newest. `false` where the agency may not
/// ask the hub for the proof; tiles have it for everybody.
async fn grew(client: &mut AuditServiceClient<Channel>, told: &Picture) -> anyhow::Result<bool> {
    let Some((oldest, newest)) = &told.checkpoints else { return Ok(false) };
    let request = v1::GetConsistencyProofRequest { old_size: oldest.size, new_size: newest.size };
    let response = match client.get_consistency_proof(request).await {
        Err(status) if status.code() == Code::PermissionDenied => return Ok(false),
        response => answer(response)?,
    };
    let hash = |hash: &bytes::Bytes| Digest::try_from(hash.as_ref()).context("a hash does not have 32 bytes");
    let hashes: Vec<Digest> = response.proof.iter().map(hash).collect::<anyhow::Result<_>>()?;
    proof::verify_consistency(oldest.size, newest.size, &hashes, &oldest.root, &newest.root)
        .context("the log was rewritten between the first change and the newest")?;
    Ok(true)
}

async fn carried(
    client: &async_nats::Client,
    agency: &AgencyCode,
    mut picture: Picture,
) -> anyhow::Result<Carried> {
    let context = jetstream::new(client.clone());
    nats::read_to_end(&context, &names::stream(agency), |change| picture.take(&change)).await?;
    let mut last_values = BTreeMap::new();
    for attempt in 0.. {
        for view in View::ALL {
            let read = |change: Change| {
                last_values.insert((change.view, change.reference), change.sequence);
                Ok(())
            };
            nats::read_to_end(&context, &names::last_stream(agency, *view), read).await?;
        }
        let known = |document: &Document, sequence: &u64| last_values.get(document) >= Some(sequence);
        if attempt == LAST_ATTEMPTS
            || picture.standing(picture.last()).iter().all(|(document, at)| known(document, at))
        {
            break;
        }
        tokio::time::sleep(LAST_PAUSE).await;
    }
    // What changed after the stream was read is compared by nobody.
    for (document, at) in picture.standing(picture.last()) {
        if last_values.get(document).is_some_and(|known| *known > picture.last()) {
            last_values.insert(document.clone(), at);
        }
    }
    Ok(Carried { picture, last_values })
}

fn said(report: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    writeln!(
        out,
        "{}: sequences {} to {} without a gap, {} documents at sequence {}",
        report["agency"].as_str().unwrap_or_default(),
        number(&report["first"]),
        number(&report["last"]),
        number(&report["documents"]),
        number(&report["digest_at"]),
    )?;
    writeln!(out, "picture {}", report["digest"].as_str().unwrap_or_default())?;
    if let Some(size) = report["checkpoint"]["size"].as_u64() {
        let proof = match report["checkpoint"]["proved"] == true {
            true => "a consistency proof shows that the log only grew",
            false => {
                "that it only grew is not proved here: the proof is oversight's to ask for, and everybody's from tiles"
            }
        };
        writeln!(out, "every checkpoint is the log's own, up to {size} leaves; {proof}")?;
    }
    match &report["nats"] {
        Value::Object(nats) => writeln!(
            out,
            "NATS tells the same: {} changes compared, of {} too large for a message the document not; {} last values are those \
             of the picture",
            number(&nats["compared"]),
            number(&nats["oversized"]),
            number(&nats["last_values"]),
        )?,
        _ => writeln!(out, "NATS was not asked: set nats in client.toml")?,
    }
    Ok(())
}
