//! How cost grows with the log: one hub loaded to one size after another through its front door, measured at each.
//!
//! Every placement has a history of several events, so that 10 M events are 1 M persons at ten events each.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use simpul_connector::{ClientConfig, connect_channel};
use simpul_proto::v1::{GetInclusionProofRequest, ReplayRequest, audit_service_client::AuditServiceClient};

use super::{
    floors, legality,
    measure::{Row, closed_loop, row},
    space,
    submit::{self, Load, Source},
};
use crate::{World, world::Hub};

/// Sizes and how long to measure at each.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Events, growing.
    pub sizes: Vec<u64>,
    /// Of every workload.
    pub time: Duration,
    /// Folder on the disk that is measured.
    pub folder: PathBuf,
    /// Events of one placement.
    pub per_stream: u64,
}

/// All sizes; `each` gets the rows as they come.
///
/// # Errors
/// Where the hub cannot be reached.
pub async fn run(plan: &Plan, mut each: impl FnMut(Row)) -> anyhow::Result<()> {
    let world = World::in_folder(&plan.folder, "");
    world.as_many_requests_as_come();
    let mut loaded = 0;
    for &size in &plan.sizes {
        let hub = world.hub();
        let client = world.client("kp2mi", "sisko").await;
        let mut load = legality::load(&client, loaded..size, plan.per_stream).await;
        load.workload = format!("load to {}", short(size));
        let desk = world.config("kbri-yangon", "desk");
        let lag = legality::caught_up(&desk).await;
        load.note = format!("read models {:.1} s behind at the end, {}", lag.as_secs_f64(), resident(&hub));
        loaded = size;
        each(load);
        drop(client);
        hub.stop();

        let before = Instant::now();
        let hub = world.hub();
        let mut start = row(
            &format!("start at {}", short(size)),
            "Simpul",
            true,
            1,
            vec![before.elapsed()],
            before.elapsed(),
        );
        start.note = format!("{:.2} s to serving, {}", before.elapsed().as_secs_f64(), resident(&hub));
        each(start);
        at_size(plan, &world, &hub, size, &mut each).await?;
        hub.stop();
        each(taken(&world.data(), size));
    }
    Ok(())
}

async fn at_size(
    plan: &Plan,
    world: &World,
    hub: &Hub,
    size: u64,
    each: &mut impl FnMut(Row),
) -> anyhow::Result<()> {
    let persons = (size / plan.per_stream).max(1);
    let registry = world.config("kp2mi", "desk");
    let at = |mut row: Row| {
        row.workload = format!("{} at {}", row.workload, short(size));
        row.note = resident(hub);
        row
    };
    each(at(floors::unary(&registry, 16, plan.time / 2).await));
    let oversight = world.config("ombudsman", "desk");
    each(at(streams(&oversight, persons, plan.per_stream, plan.time).await));
    each(at(proofs(&oversight, plan.time).await?));
    each(at(legality::check(&world.config("kbri-yangon", "desk"), persons, 16, plan.time).await));

    let client = world.client("kp2mi", "sisko").await;
    // Streams of their own, so that the sizes stay what they say for the registry's persons.
    let source = Source::new(50_000_000 * plan.per_stream + size, plan.per_stream);
    for (callers, batch) in [(1, 1), (64, 1), (16, 100)] {
        let load = Load { callers, batch };
        let time = if batch == 1 { plan.time } else { plan.time / 2 };
        each(at(submit::run(&client, &source, load, plan.time / 10, time, "Simpul").await));
    }
    Ok(())
}

/// Oversight reads the history of one placement after another, all over the log.
async fn streams(config: &ClientConfig, persons: u64, per_stream: u64, time: Duration) -> Row {
    let channel = connect_channel(&config.tls_files()).await.expect("connected");
    let call = move |_, number: u64| {
        let mut client = AuditServiceClient::new(channel.clone());
        let placement = number * 7_919 % persons;
        async move {
            let request = ReplayRequest {
                stream: format!("sisko-placement/t{placement}"),
                purpose: "OVERSIGHT".into(),
                official: "bench".into(),
                ..Default::default()
            };
            let mut leaves = client.replay(request).await.expect("allowed").into_inner();
            let mut events = 0;
            while let Some(leaf) = leaves.message().await.expect("whole") {
                events += leaf.events.len() as u64;
            }
            assert_eq!(events, per_stream, "placement {placement}");
        }
    };
    let (calls, took) = closed_loop(1, time / 10, time, call).await;
    row(&format!("point read of a stream of {per_stream}, c1"), "Simpul", true, 1, calls, took)
}

/// Oversight asks for the inclusion of leaves all over the log.
async fn proofs(config: &ClientConfig, time: Duration) -> anyhow::Result<Row> {
    let channel = connect_channel(&config.tls_files()).await.context("connecting")?;
    let mut client = AuditServiceClient::new(channel.clone());
    let newest = client.get_inclusion_proof(GetInclusionProofRequest::default()).await;
    let leaves = newest.context("the first leaf's proof")?.into_inner().tree_size.max(1);
    let call = move |_, number: u64| {
        let mut client = AuditServiceClient::new(channel.clone());
        let leaf_index = number * 7_919 % leaves;
        async move {
            let request = GetInclusionProofRequest { leaf_index, ..Default::default() };
            client.get_inclusion_proof(request).await.expect("proved");
        }
    };
    let (calls, took) = closed_loop(1, time / 10, time, call).await;
    Ok(row("inclusion proof, c1", "Simpul", true, 1, calls, took))
}

fn resident(hub: &Hub) -> String {
    format!("resident {} MiB", space::resident_mib(hub.process.id()))
}

fn taken(data: &Path, size: u64) -> Row {
    let mut row =
        row(&format!("space at {}", short(size)), "Simpul", true, 1, Vec::new(), Duration::from_secs(1));
    let per_event = |part: &str, wanted: &dyn Fn(&Path) -> bool| {
        space::bytes(&data.join(part), wanted) as f64 / size as f64
    };
    let index = |path: &Path| path.extension().is_some_and(|extension| extension == "idx");
    row.note = format!(
        "bytes/event: log {:.0}, of it index {:.1}, keys {:.1}, tree {:.1}; state {:.0}, outbox {:.0}, access {:.0}",
        per_event("log", &|_| true),
        per_event("log", &index),
        per_event("log", &|path| path == Path::new("keys")),
        per_event("log", &|path| path == Path::new("tree")),
        per_event("state", &|_| true),
        per_event("outbox", &|_| true),
        per_event("access", &|_| true),
    );
    row
}

/// `100,000` as `1e5`, other sizes in full.
fn short(size: u64) -> String {
    let power = size.checked_ilog10().unwrap_or(0);
    if 10_u64.pow(power) == size && power >= 3 { format!("1e{power}") } else { size.to_string() }
}
