//! How long after its receipt an event is in an agency's stream on NATS, at a steady rate.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use async_nats::ConnectOptions;
use futures_util::StreamExt;
use simpul_connector::ClientFile;
use tokio::task::JoinSet;

use super::measure::{Row, row};
use crate::{World, drafts};

/// Events a second.
const RATE: u64 = 2_000;
/// Events go out in such steps.
const STEP: Duration = Duration::from_millis(5);
/// The rest of what was sent has come by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connector submits placements at [`RATE`], one event a submission of its caller; the registry's own stream is followed.
///
/// # Errors
/// Where NATS or the hub is not reached, or not everything comes.
pub async fn run(folder: &Path, time: Duration) -> anyhow::Result<Row> {
    let world = World::with_nats_in(folder);
    world.as_many_requests_as_come();
    let _nats = world.nats();
    let hub = world.hub();
    let file = ClientFile::load(&world.realm.client_config("kp2mi", "desk")).context("client.toml")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nats = ConnectOptions::new()
        .require_tls(true)
        .add_root_certificates(file.hub.ca_pem.clone())
        .add_client_certificate(file.hub.certificate_pem.clone(), file.hub.key_pem.clone())
        .connect(file.nats.as_deref().context("nats")?)
        .await
        .context("NATS")?;
    let mut messages = nats.subscribe("simpul.kp2mi.>").await.context("subscribing")?;
    nats.flush().await.context("subscribing")?;

    let client = world.client("kp2mi", "sisko").await;
    // The first second makes the agency's streams on NATS; it is not measured.
    let events = RATE * (time.as_secs() + 1);
    let (mut sending, mut receipts) = (JoinSet::new(), HashMap::new());
    let warm_up = Instant::now() + Duration::from_secs(1);
    let mut arrivals: HashMap<u64, Instant> = HashMap::new();
    let mut steps = tokio::time::interval(STEP);
    let mut next = 0;
    while next < events || !sending.is_empty() {
        tokio::select! {
            _ = steps.tick(), if next < events => {
                let step = next..(next + RATE * STEP.as_millis() as u64 / 1_000).min(events);
                next = step.end;
                for number in step {
                    let client = client.clone();
                    sending.spawn(async move {
                        let draft = drafts::draft(number, &drafts::evidenced_placement(number));
                        let accepted = client.submit(vec![draft]).await.expect("accepted");
                        (accepted.first_position().get(), Instant::now())
                    });
                }
            }
            Some(receipt) = sending.join_next() => {
                let (position, at) = receipt.context("a submission")?;
                receipts.insert(position, at);
            }
            Some(message) = messages.next() => arrived(&message, &mut arrivals),
        }
    }
    let until = Instant::now() + PATIENCE;
    while receipts.keys().any(|position| !arrivals.contains_key(position)) && Instant::now() < until {
        let message = tokio::time::timeout(Duration::from_millis(100), messages.next()).await;
        if let Ok(Some(message)) = message {
            arrived(&message, &mut arrivals);
        }
    }
    let measured = receipts.iter().filter(|(_, receipt)| **receipt > warm_up);
    let measured: Vec<_> = measured.collect();
    let late: Vec<Duration> = measured
        .iter()
        .filter_map(|(position, receipt)| Some(arrivals.get(position)?.saturating_duration_since(**receipt)))
        .collect();
    let missing = measured.len() - late.len();
    hub.stop();
    let mut row = row(&format!("on NATS after the receipt, at {RATE}/s"), "Simpul", true, 1, late, time);
    row.note = format!("{missing} of {} not within {} s", measured.len(), PATIENCE.as_secs());
    Ok(row)
}

/// The first message that an event gave rise to.
fn arrived(message: &async_nats::Message, arrivals: &mut HashMap<u64, Instant>) {
    let headers = message.headers.as_ref();
    let position = headers.and_then(|headers| headers.get("ce-position")?.as_str().parse().ok());
    if let Some(position) = position {
        arrivals.entry(position).or_insert_with(Instant::now);
    }
}
