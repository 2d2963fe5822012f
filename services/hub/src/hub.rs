//! Starting and stopping, in the order in which an event flows.
//!
//! ```text
//! keys ─▶ folder ─▶ log ─▶ access log ─▶ directory ─▶ admission ─▶ published checkpoints ─▶ projection ─▶ publisher
//!                                                                                   listener ◀─ services ◀─┘
//! ```
//!
//! Stopping goes the same way: first nothing new comes in, then what is in flight is finished, stage by stage, so that
//! whatever was acknowledged has gone as far as it can.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use prost::Message;
use simpul_admission::{Admission, fold_directory};
use simpul_audit::{AccessLog, Gatherer, Publishing, published, verify::leave_verifier_keys};
use simpul_directory_service::Enrolments;
use simpul_log::{Reader, Schema};
use simpul_projection::{ReadModels, StateKeys};
use simpul_proto::v1;
use simpul_runtime::{Health, Metrics, System, bind_loopback};
use simpul_types::{Clock, Leaf, LeafIndex, Position, Timestamp, clock::Steady};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    accept,
    config::Config,
    epochs::{self, Epochs, Turning},
    folder::{Addresses, Folder},
    guests::Guests,
    material::Material,
    own_words::{self, OwnWords},
    producer::Producer,
    rates::Rates,
    services::{self, Backends, Serving},
    sights::Sights,
    tiles::{self, Tiles},
    vitals::{self, Sources, Vitals},
};

/// How long open calls may go on after the hub was asked to stop; then their connections are cut. What is cut can be asked
/// again; what was acknowledged is on the disk.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// A machine's clock that is further behind than this is told of: clocks of a network differ by less.
const LATE_US_MAX: i64 = 60_000_000;

/// When the newest submission was admitted.
fn newest_admission(reader: &Reader) -> Option<Timestamp> {
    let last = reader.head().size.get().checked_sub(1)?;
    let leaf = reader.leaf(LeafIndex::new(last)).ok()?;
    Leaf::decode(&leaf.bytes).ok().map(|leaf| leaf.admitted_at)
}

/// When somebody asked last.
fn newest_access(reader: &Reader) -> Option<Timestamp> {
    let last = reader.head().size.get().checked_sub(1)?;
    let leaf = reader.leaf(LeafIndex::new(last)).ok()?;
    let entry = v1::AccessEntry::decode(leaf.bytes).ok()?;
    Some(Timestamp::from_us(entry.at_us))
}

/// A running hub.
pub struct Hub {
    /// Where it listens.
    pub addresses: Addresses,
    health: Health,
    admission: Admission,
    checkpoints: [Publishing; 2],
    projection: simpul_projection::Handle,
    publisher: simpul_publisher::Handle,
    own_words: Option<OwnWords>,
    turning: Turning,
    access: Arc<AccessLog>,
    serving: Serving,
    serving_tiles: JoinHandle<()>,
    monitoring: JoinHandle<()>,
    vitals: Vitals,
    stopping: CancellationToken,
    cut: CancellationToken,
    monitoring_stops: CancellationToken,
    folder: Folder,
}

/// Reads and checks everything that the configuration names, without opening a port or a data file.
///
/// # Errors
/// What is wrong, naming the key.
pub fn check(config: &Config) -> anyhow::Result<()> {
    Material::load(config).map(drop)
}

/// Starts a hub. It is ready when this returns. MUST be called inside a multi-threaded tokio runtime.
///
/// # Errors
/// What is wrong, naming the key or the file; nothing is left running then.
pub async fn start(config: Config) -> anyhow::Result<Hub> {
    start_at(config, Arc::new(System)).await
}

/// The same by another clock: what a hub does days later.
///
/// # Errors
/// As [`start`].
pub async fn start_at(config: Config, calendar: Arc<dyn Clock>) -> anyhow::Result<Hub> {
    let steady = Arc::new(Steady::new(Arc::clone(&calendar)));
    let clock: Arc<dyn Clock> = Arc::clone(&steady) as _;
    // For the NATS client, which has no way to be told; another one that stands already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Material { log, access, verdict, producer, master, authority, bootstrap, tls, tiles_tls, witnesses } =
        Material::load(&config)?;
    let folder = Folder::open(&config.data_dir)?;
    let epoch = folder.next_epoch()?;
    let listener = TcpListener::bind(config.listen.grpc).await;
    let listener =
        listener.with_context(|| format!("listen.grpc: cannot listen on {}", config.listen.grpc))?;
    let tiles = config.listen.tiles();
    let tiles_listener = TcpListener::bind(tiles).await;
    let tiles_listener = tiles_listener.with_context(|| format!("listen.tiles: cannot listen on {tiles}"))?;
    let metrics_listener = bind_loopback(config.listen.metrics).await.context("listen.metrics")?;
    let addresses = Addresses {
        grpc: listener.local_addr().context("the address of the gRPC listener")?,
        tiles: tiles_listener.local_addr().context("the address of the tiles' listener")?,
        metrics: metrics_listener.local_addr().context("the address of the metrics listener")?,
    };
    let (health, metrics) = (Health::new(), Metrics::new());

    let log_config = config.log_config("log", config.log.origin.clone());
    let access_config = config.log_config("access", config.access_origin());
    let epochs = Epochs::open(&config, master.clone(), calendar.now()).context("keys.epochs")?;
    let keys = simpul_log::Keys { signer: log, wrap: epochs.wrap_key() };
    let access_keys = simpul_log::Keys { signer: access, wrap: epochs.wrap_key() };
    let (opening_clock, data_dir, index) = (clock.clone(), config.data_dir.to_path_buf(), master.index_key());
    let opened = tokio::task::spawn_blocking(move || {
        let (appender, reader) =
            simpul_log::open(log_config, Schema::Submissions, keys, opening_clock.clone()).context("log")?;
        let access =
            AccessLog::open(access_config, access_keys, index, opening_clock).context("access log")?;
        let (log_key, access_key) = (reader.verifier(), access.reader().verifier());
        leave_verifier_keys(&data_dir, &log_key, &access_key).context("leaving the verifier keys")?;
        let directory = fold_directory(&appender, &reader, authority).context("directory")?;
        if let Some(reason) = reader.condition().read_only
            && directory.position() == Position::ZERO
        {
            anyhow::bail!("the directory's events are damaged, so that nobody's rights are known: {reason}");
        }
        anyhow::Ok((appender, reader, Arc::new(access), directory))
    });
    let (appender, reader, access, directory) = opened.await.context("opening the logs")??;
    for newest in [newest_admission(&reader), newest_access(access.reader())].into_iter().flatten() {
        steady.at_least(newest);
    }
    if steady.late_us() > LATE_US_MAX {
        let late_s = steady.late_us() / 1_000_000;
        tracing::warn!(late_s, "the machine's clock is behind what is on record; it is waited for");
    }

    let admission = Admission::start(
        simpul_admission::Config { erasure: config.erasure.rules(), ..Default::default() },
        appender,
        reader.clone(),
        directory,
        access.clone(),
        clock.clone(),
    );
    if let Some(submission) = bootstrap {
        let admitted = admission.bootstrap(submission).await;
        match admitted.context("directory.bootstrap: is the data folder of another realm?") {
            // It was admitted once; where its leaf is damaged, nothing can be compared.
            Err(error) if !reader.condition().damages.is_empty() => {
                tracing::warn!(%error, "the bootstrap submission could not be compared with the damaged log");
            }
            admitted => drop(admitted?),
        }
    }
    let publish = |name: &str, reader: &Reader| {
        let witnesses = Gatherer::new(reader.clone(), witnesses.clone());
        published::start(config.publish_config(name), reader.clone(), witnesses)
    };
    let checkpoints = [publish("checkpoint", &reader), publish("access-checkpoint", access.reader())];
    let state_keys =
        StateKeys { index: master.index_key(), sealer: master.state_key("projection").with_epoch(epoch) };
    let (read_models, projection) = start_projection(&config, reader.clone(), state_keys).await?;
    let publisher = start_publisher(&config, &read_models, &reader, &admission, authority, clock.clone())?;

    let producer =
        producer.map(|key| Arc::new(Producer::new(admission.clone(), key, clock.clone(), Arc::new(System))));
    let own_words = producer.clone().map(|producer| {
        let directory = admission.directory();
        own_words::start(&config, producer, &read_models, access.reader(), directory, calendar.clone())
    });
    let own_words = own_words.transpose()?;
    let turning = epochs.start(epochs::Parts {
        logs: [reader.clone(), access.reader().clone()],
        producer,
        calendar: calendar.clone(),
    });
    let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
    let listener_metrics = accept::Metrics::default();
    let guests =
        Guests::new(admission.directory(), clock.clone(), config.listen.connections_per_connector_max);
    tokio::spawn(Arc::clone(&guests).watch(stopping.clone()));
    let rates = Rates::new(config.listen.requests_per_second_max);
    let connections = accept::accept(
        listener,
        tls,
        config.listen.connections_max,
        Arc::clone(&guests),
        listener_metrics.clone(),
        stopping.clone(),
        cut.clone(),
    );
    let enrolments = Arc::new(Enrolments::new(admission.directory(), clock.clone()));
    let tiles_metrics = tiles::Metrics::default();
    let serving_tiles = tiles::serve(
        tiles_listener,
        tiles_tls,
        config.listen.tiles_connections_max,
        Tiles::new(
            reader.clone(),
            checkpoints[0].published().clone(),
            Arc::clone(&enrolments),
            tiles_metrics.clone(),
        ),
        stopping.clone(),
    );
    let backends = Backends {
        admission: admission.clone(),
        access: access.clone(),
        reader: reader.clone(),
        read_models: read_models.clone(),
        outbox: publisher.outbox().clone(),
        verdict: Arc::new(verdict),
        clock,
        calendar,
        published: checkpoints[0].published().clone(),
        enrolments,
    };
    let serving = services::serve(backends, &metrics, connections, rates.clone(), stopping.clone()).await?;
    metrics.register(|registry| {
        simpul_log::metrics::register(registry);
        simpul_admission::metrics::register(registry);
        simpul_audit::metrics::register(registry);
        read_models.register_metrics(registry);
        publisher.metrics().register(registry);
        listener_metrics.register(registry);
        guests.register(registry);
        rates.register(registry);
        simpul_runtime::register_panics(registry);
        tiles_metrics.register(registry);
    });
    let sources = Sources {
        admission: admission.clone(),
        read_models,
        publisher: publisher.status().clone(),
        checkpoints: checkpoints.each_ref().map(|publishing| publishing.published().clone()),
        logs: [("log", reader.clone()), ("access log", access.reader().clone())],
        unsaid: own_words.as_ref().map(OwnWords::failure),
    };
    let vitals = vitals::watch(&health, serving.reporter.clone(), sources);
    let monitoring_stops = CancellationToken::new();
    let monitoring = tokio::spawn({
        let (health, stops) = (health.clone(), monitoring_stops.clone());
        async move {
            if let Err(error) = simpul_runtime::serve(metrics_listener, metrics, health, stops).await {
                tracing::error!(%error, "metrics and health are not served any more");
            }
        }
    });
    folder.announce(addresses)?;
    let head = reader.head();
    tracing::info!(
        grpc = %addresses.grpc,
        tiles = %addresses.tiles,
        metrics = %addresses.metrics,
        realm = config.realm,
        origin = config.log.origin,
        leaves = head.size.get(),
        end = head.end.get(),
        "simpul-hub ready"
    );
    Ok(Hub {
        addresses,
        health,
        admission,
        checkpoints,
        projection,
        publisher,
        own_words,
        turning,
        access,
        serving,
        serving_tiles,
        monitoring,
        vitals,
        stopping,
        cut,
        monitoring_stops,
        folder,
    })
}

async fn start_projection(
    config: &Config,
    reader: Reader,
    keys: StateKeys,
) -> anyhow::Result<(ReadModels, simpul_projection::Handle)> {
    let mut projection = simpul_projection::Config::new(config.data_dir.join("state"));
    projection.cache_bytes = config.projection.cache_bytes.unwrap_or(projection.cache_bytes);
    let starting = tokio::task::spawn_blocking(move || simpul_projection::start(projection, reader, keys));
    starting.await.context("opening the read models")?.context("read models")
}

fn start_publisher(
    config: &Config,
    read_models: &ReadModels,
    reader: &Reader,
    admission: &Admission,
    authority: [u8; 32],
    clock: Arc<dyn Clock>,
) -> anyhow::Result<simpul_publisher::Handle> {
    let mut publisher =
        simpul_publisher::Config::new(config.data_dir.join("outbox"), config.log.origin.clone());
    publisher.nats = config.nats_config();
    let sights = Arc::new(Sights::new(admission.directory(), reader.clone(), authority, clock));
    simpul_publisher::start(publisher, read_models.clone(), reader.clone(), sights).context("publisher")
}

impl Hub {
    /// How it is; the same as `/readyz` says.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Stops: new submissions are refused with DRAINING, those in flight are finished, and everything acknowledged is on
    /// the disk when this returns.
    pub async fn stop(self) {
        tracing::info!("simpul-hub stopping");
        self.health.drain();
        self.vitals.stop().await;
        self.turning.stop().await;
        if let Some(own_words) = self.own_words {
            own_words.stop().await;
        }
        self.admission.drain();
        self.stopping.cancel();
        self.serving.end_subscriptions();
        let mut serving = self.serving.task;
        if tokio::time::timeout(DRAIN_GRACE, &mut serving).await.is_err() {
            tracing::info!("cutting connections whose calls have not ended");
            self.cut.cancel();
            let _ = serving.await;
        }
        let _ = self.serving_tiles.await;
        self.admission.close().await;
        for publishing in self.checkpoints {
            publishing.stop().await;
        }
        self.projection.stop().await;
        self.publisher.stop().await;
        let access = self.access;
        let _ = tokio::task::spawn_blocking(move || access.close()).await;
        self.monitoring_stops.cancel();
        let _ = self.monitoring.await;
        self.folder.retract();
        tracing::info!("simpul-hub stopped");
    }
}
