//! The plain run: every workload once, legality checks over a loaded registry, replay from the folder.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use simpul_connector::Client;
use simpul_tlog::note::NoteVerifier;

use super::{
    cpu, floors, fold, legality,
    measure::{Row, row},
    replay, space,
    submit::{self, Load, Source},
    visibility,
};
use crate::World;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of every workload.
    pub time: Duration,
    /// Placements to load before the legality checks.
    pub persons: u64,
    /// Folder on the disk that is measured.
    pub folder: PathBuf,
    /// Submissions that the client keeps in flight; the SDK's own choice where absent.
    pub in_flight: Option<usize>,
    /// Events of one stream.
    pub per_stream: u64,
    /// Submission workloads by name, `c1` or `16x100`; all where empty.
    pub submit: Vec<String>,
    /// Events to fold into the read models.
    pub fold: u64,
    /// Whether to fold them once more and compare the digests.
    pub compare: bool,
    /// Only `floors`, `submit`, `fold`, `legality` or `visibility`; all where empty.
    pub only: String,
}

const LOADS: [(usize, usize); 7] = [(1, 1), (16, 1), (64, 1), (256, 1), (4, 100), (16, 100), (4, 1_000)];

/// All of it; `each` gets the rows as they come.
///
/// # Errors
/// Where the hub cannot be reached or its files cannot be read.
pub async fn run(plan: &Plan, mut each: impl FnMut(Row)) -> anyhow::Result<()> {
    let wanted = |name: &str| name.contains(&plan.only);
    if wanted("floors") {
        floors::flushes(&plan.folder, plan.time.min(Duration::from_secs(3))).into_iter().for_each(&mut each);
        floors::signature().into_iter().for_each(&mut each);
    }
    if wanted("submit") {
        submits(plan, &mut each).await?;
    }
    if wanted("fold") {
        fold::run(&plan.folder, plan.fold, plan.compare).await.into_iter().for_each(&mut each);
    }
    if wanted("legality") {
        checks(plan, &mut each).await?;
    }
    if wanted("visibility") {
        each(visibility::run(&plan.folder, plan.time).await?);
    }
    Ok(())
}

async fn submits(plan: &Plan, each: &mut impl FnMut(Row)) -> anyhow::Result<()> {
    let world = World::in_folder(&plan.folder, "");
    world.as_many_requests_as_come();
    let hub = world.hub();
    let mut config = world.config("kp2mi", "sisko");
    for callers in [1, 16] {
        each(floors::unary(&config, callers, plan.time).await);
    }
    if let Some(in_flight) = plan.in_flight {
        config.in_flight_max = in_flight;
    }
    let client = Client::connect(config).await.context("connecting")?;
    let source = Source::new(0, plan.per_stream);
    for (callers, batch) in LOADS {
        let load = Load { callers, batch };
        if !plan.submit.is_empty() && !plan.submit.contains(&load.name()) {
            continue;
        }
        let before = [hub.process.id(), std::process::id()].map(cpu::spent);
        // No warm-up: what it spends could not be told from the rest.
        let mut row = submit::run(&client, &source, load, Duration::ZERO, plan.time, "Simpul").await;
        let after = [hub.process.id(), std::process::id()].map(cpu::spent);
        let events = row.events_per_s * plan.time.as_secs_f64();
        let [hub, client] = [0, 1].map(|side: usize| after[side].since(&before[side], events));
        row.note = format!("processor us/event: hub {hub}, client {client}");
        each(row);
    }
    hub.stop();
    Ok(())
}

async fn checks(plan: &Plan, each: &mut impl FnMut(Row)) -> anyhow::Result<()> {
    let world = World::in_folder(&plan.folder, "");
    world.as_many_requests_as_come();
    let hub = world.hub();
    let client = world.client("kp2mi", "sisko").await;
    let mut load = legality::load(&client, 0..plan.persons, 1).await;
    drop(client);
    let desk = world.config("kbri-yangon", "desk");
    let lag = legality::caught_up(&desk).await;
    let resident = || format!("resident {} MiB", space::resident_mib(hub.process.id()));
    load.note = format!("read models {:.1} s behind, {}", lag.as_secs_f64(), resident());
    each(load);
    for callers in [1, 16] {
        let mut row = legality::check(&desk, plan.persons, callers, plan.time).await;
        row.note = resident();
        each(row);
    }
    for callers in [1, 4] {
        each(legality::find(&desk, plan.persons, callers, plan.time).await);
    }
    each(legality::line_up(&desk, plan.persons, plan.time).await);
    hub.stop();
    let before = Instant::now();
    let hub = world.hub();
    let started = before.elapsed();
    hub.stop();
    let verifier = NoteVerifier::parse(&world.realm.log_vkey).context("log.vkey")?;
    let log = world.data().join("log");
    let wrap = world.master_key().wrap_key();
    each(replay::sealed(&log, &verifier, wrap.clone()));
    each(replay::opened(&log, &verifier, wrap));
    let mut verified = replay::verified(&log, &verifier);
    verified.note += &format!("; start of the hub on this log {:.2} s", started.as_secs_f64());
    each(verified);
    each(taken(&world.data()));
    Ok(())
}

fn taken(data: &Path) -> Row {
    let mut row = row("space on disk", "Simpul", true, 1, Vec::new(), Duration::from_secs(1));
    let parts = ["log", "access", "state", "outbox"]
        .map(|part| format!("{part} {} MiB", space::bytes(&data.join(part), &|_| true) >> 20));
    row.note = parts.join(", ");
    row
}
