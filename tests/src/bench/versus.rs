//! Simpul beside other event stores: the same disk, the same payload, one system running at a time, turn and turn about.
//!
//! Every measurement starts the system's server on the data of its earlier turns, loads it for a moment unmeasured, measures,
//! and stops it, so that nobody's background work falls into another's turn. Peers run without TLS, signatures, proofs or access
//! control; their callers are not coalesced, because their clients do not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use simpul_connector::Client;

use super::{
    echo, floors, legality,
    measure::Row,
    read,
    servers::{Peer, installed},
    submit::{self, Load, Source},
};
use crate::World;

/// Simpul with histories of so many events.
pub const SIMPUL: &str = "Simpul";
/// Simpul in its worst case: a data key for every event.
pub const SIMPUL_WORST: &str = "Simpul, 1 event/stream";
/// Simpul read by an auditor.
pub const SIMPUL_SEALED: &str = "Simpul, sealed (auditor)";
/// Simpul read by an agency that may open the payloads.
pub const SIMPUL_OPENED: &str = "Simpul, opened (entitled agency)";
/// Fewer are too few to be timed when reading.
const READ_EVENTS_MIN: f64 = 200_000.0;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Measured part of every workload.
    pub time: Duration,
    /// The same load before it.
    pub warm: Duration,
    /// Folder of the systems' data, on the disk that is measured.
    pub data: PathBuf,
    /// Events of one Simpul stream, and of the peers' streams.
    pub per_stream: u64,
    /// Submissions that Simpul's client keeps in flight.
    pub in_flight: Option<usize>,
    /// `c1`, `16x100`, `read`, `floors`.
    pub workloads: Vec<String>,
    /// Parts of the names of the systems; all where empty.
    pub systems: Vec<String>,
}

impl Plan {
    fn wants(&self, system: &str) -> bool {
        self.systems.is_empty()
            || self.systems.iter().any(|part| system.to_lowercase().contains(&part.to_lowercase()))
    }
}

/// Measures one round after another.
pub struct Versus {
    plan: Plan,
    world: World,
    histories: Source,
    singles: Source,
    submitted: f64,
}

impl Versus {
    /// A new realm for Simpul; peers go on where their data folders stand.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn new(plan: Plan) -> anyhow::Result<Self> {
        fs::create_dir_all(&plan.data).context("making the folder for the systems' data")?;
        let world = World::in_folder(&plan.data, read::OPENING_POLICIES);
        world.as_many_requests_as_come();
        let histories = Source::new(0, plan.per_stream);
        // Far from the histories' streams, with eight digits.
        let singles = Source::new(50_000_000, 1);
        Ok(Self { plan, world, histories, singles, submitted: 0.0 })
    }

    /// One round: every workload, and in each every system; `each` gets the rows as they come.
    ///
    /// # Errors
    /// Where a system fails.
    pub async fn round(&mut self, number: usize, mut each: impl FnMut(Row)) -> anyhow::Result<()> {
        for workload in self.plan.workloads.clone() {
            if workload == "floors" {
                self.floors().await.into_iter().for_each(&mut each);
                continue;
            }
            let mut turns: Vec<Option<Peer>> = Peer::ALL.into_iter().map(Some).collect();
            turns.push(None);
            let first = number % turns.len();
            turns.rotate_left(first);
            for turn in turns {
                // What the one before left to be written is not this one's burden.
                Command::new("sync").status().context("sync")?;
                match turn {
                    Some(peer) if self.plan.wants(peer.name()) => each(self.peer(peer, &workload)?),
                    Some(_) => {}
                    None => {
                        for row in self.simpul(&workload).await? {
                            each(row);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn peer(&self, peer: Peer, workload: &str) -> anyhow::Result<Row> {
        let (server, address) = peer.start(&self.plan.data);
        let mut command = Command::new(installed("target/peers/build/release/simpul-peers"));
        command.args(["--peer", peer.client(), "--address", &address, "--system", peer.name()]);
        command.args(["--events-per-stream", &self.plan.per_stream.to_string()]);
        if peer.durable() {
            command.arg("--durable");
        }
        if peer == Peer::JetstreamAlways {
            command.arg("--atomic");
        }
        if workload == "read" {
            command.args(["--read", "--workload", "read all"]);
        } else {
            let load = parse(workload)?;
            command.args(["--workload", workload]);
            command.args(["--callers", &load.callers.to_string(), "--batch", &load.batch.to_string()]);
            command.args(["--seconds", &self.plan.time.as_secs_f64().to_string()]);
            command.args(["--warm", &self.plan.warm.as_secs_f64().to_string()]);
        }
        let output = command.output().context("running simpul-peers")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} at {workload}: {said}", peer.name());
        server.stop();
        serde_json::from_slice(&output.stdout).with_context(|| format!("{}'s row", peer.name()))
    }

    async fn simpul(&mut self, workload: &str) -> anyhow::Result<Vec<Row>> {
        if workload == "read" {
            return self.read().await;
        }
        let (load, mut rows) = (parse(workload)?, Vec::new());
        for (system, source) in [(SIMPUL, self.histories.clone()), (SIMPUL_WORST, self.singles.clone())] {
            if self.plan.wants(system) {
                rows.push(self.submit(system, &source, load).await?);
            }
        }
        Ok(rows)
    }

    async fn submit(&mut self, system: &str, source: &Source, load: Load) -> anyhow::Result<Row> {
        let hub = self.world.hub();
        let mut config = self.world.config("kp2mi", "sisko");
        if let Some(in_flight) = self.plan.in_flight {
            config.in_flight_max = in_flight;
        }
        let client = Client::connect(config).await.context("connecting")?;
        let mut row = submit::run(&client, source, load, self.plan.warm, self.plan.time, system).await;
        drop(client);
        let lag = legality::caught_up(&self.world.config("kbri-yangon", "desk")).await;
        row.note = format!("read models {:.1} s behind at the end", lag.as_secs_f64());
        self.submitted += row.events_per_s * self.plan.time.as_secs_f64();
        hub.stop();
        Ok(row)
    }

    async fn read(&mut self) -> anyhow::Result<Vec<Row>> {
        if !self.plan.wants(SIMPUL_SEALED) && !self.plan.wants(SIMPUL_OPENED) {
            return Ok(Vec::new());
        }
        while self.submitted < READ_EVENTS_MIN {
            let source = self.histories.clone();
            self.submit(SIMPUL, &source, Load { callers: 4, batch: 1_000 }).await?;
        }
        let hub = self.world.hub();
        let rows = vec![
            read::run(&self.world.config("ombudsman", "desk"), "OVERSIGHT", false, SIMPUL_SEALED).await,
            read::run(&self.world.config("kp2mi", "desk"), "PLACEMENT", true, SIMPUL_OPENED).await,
        ];
        hub.stop();
        Ok(rows)
    }

    async fn floors(&self) -> Vec<Row> {
        let (hub, config, time) = (self.world.hub(), self.world.config("kp2mi", "sisko"), self.plan.time);
        let mut rows = floors::flushes(&self.plan.data, time);
        rows.extend(floors::signature());
        for callers in [1, 16, 64] {
            rows.push(floors::unary(&config, callers, time).await);
        }
        rows.push(echo::stream(&self.world.realm.dir, &config, time).await);
        hub.stop();
        rows
    }
}

/// Clears what earlier runs left of the systems' data.
///
/// # Errors
/// Where it cannot be removed.
pub fn clear(data: &Path) -> std::io::Result<()> {
    if data.exists() { fs::remove_dir_all(data) } else { Ok(()) }
}

fn parse(workload: &str) -> anyhow::Result<Load> {
    let load = match workload.split_once('x') {
        Some((callers, batch)) => (callers.parse().ok()).zip(batch.parse().ok()),
        None => workload.strip_prefix('c').and_then(|callers| Some((callers.parse().ok()?, 1))),
    };
    let (callers, batch) = load.with_context(|| {
        format!("workload {workload:?} is not c<callers>, <callers>x<events>, read or floors")
    })?;
    Ok(Load { callers, batch })
}
