//! `hub.toml`: every key, every default, and the checks that run before a port or a file is opened.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use simpul_audit::PublishConfig;
use simpul_erasure::Rules;
use simpul_publisher::NatsConfig;
use simpul_runtime::{ConfigPath, Telemetry};

/// Configuration of a hub. Paths are relative to the file that names them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Folder of the log, the access log, the read models and the outbox.
    pub data_dir: ConfigPath,
    /// Name for people, for example `demo`.
    pub realm: String,
    /// Where it listens.
    pub listen: Listen,
    /// How it shows itself, and whom it lets in.
    pub tls: Tls,
    /// Files of its secrets.
    pub keys: Keys,
    /// The log.
    pub log: Log,
    /// What strangers are shown.
    #[serde(default)]
    pub publish: Publish,
    /// The directory.
    pub directory: Directory,
    /// The read models.
    #[serde(default)]
    pub projection: Projection,
    /// The access log.
    #[serde(default)]
    pub access: Access,
    /// NATS; without it nothing is published, and everything else works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<Nats>,
    /// What requests for erasure have to ask for at least.
    #[serde(default)]
    pub erasure: Erasure,
    /// Log lines.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// `[erasure]`: the least that a request has to ask for; what it asks for stands in it, signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Erasure {
    /// Approvals by other agencies with other keys.
    pub approvals_min: u32,
    /// Seconds between the last approval and the execution.
    pub cooling_off_s_min: u64,
    /// Days that a request runs at most.
    pub days_max: u64,
    /// Seconds that a key epoch lasts (`keys.epochs`): backups open for no longer, so make one after each turn. 0 for ever.
    pub key_epoch_s: u64,
}

impl Default for Erasure {
    fn default() -> Self {
        let Rules { approvals_min, cooling_off_s_min, days_max } = Rules::default();
        Self { approvals_min, cooling_off_s_min, days_max, key_epoch_s: 7 * 24 * 3_600 }
    }
}

impl Erasure {
    /// As admission takes it.
    pub fn rules(&self) -> Rules {
        let Self { approvals_min, cooling_off_s_min, days_max, .. } = *self;
        Rules { approvals_min, cooling_off_s_min, days_max }
    }
}

/// `[listen]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listen {
    /// gRPC over mutual TLS. Port 0 lets the system choose; `<data_dir>/listen.json` has what it chose.
    pub grpc: SocketAddr,
    /// Metrics and health, plain HTTP on loopback.
    pub metrics: SocketAddr,
    /// Connections at once; more wait in the system's queue.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: usize,
    /// Connections of one connector at once; more are refused.
    #[serde(default = "defaults::connections_per_connector_max")]
    pub connections_per_connector_max: usize,
    /// Requests of one connector in a second, over all its connections; more are refused. Messages within a stream are not counted:
    /// those wait for one another. 0: no limit.
    #[serde(default = "defaults::requests_per_second_max")]
    pub requests_per_second_max: u32,
    /// Tiles over HTTPS, for anyone; absent: port 7444 beside gRPC. Port 0 lets the system choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<SocketAddr>,
    /// Connections for tiles at once; more wait in the system's queue.
    #[serde(default = "defaults::tiles_connections_max")]
    pub tiles_connections_max: usize,
}

impl Listen {
    /// Where tiles are served.
    pub fn tiles(&self) -> SocketAddr {
        self.tiles.unwrap_or_else(|| SocketAddr::new(self.grpc.ip(), TILES_PORT))
    }
}

/// `[tls]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tls {
    /// Certificate chain of the hub, PEM.
    pub certificate: ConfigPath,
    /// Its private key, PEM.
    pub key: ConfigPath,
    /// CA of the clients' certificates, PEM.
    pub client_ca: ConfigPath,
}

/// `[keys]`: files with one line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keys {
    /// Signs the log's checkpoints.
    pub log: ConfigPath,
    /// Signs the access log's checkpoints.
    pub access: ConfigPath,
    /// Signs verdicts.
    pub verdict: ConfigPath,
    /// Wraps data keys, blinds index keys, seals read models.
    pub master: ConfigPath,
    /// Secrets of the key epochs; the hub writes it. Outside the data folder and outside every backup; `epochs.key` beside the master key
    /// is where `simpul audit` looks. Absent: no epochs, so that copies of the data folder from before an erasure open with the master key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<ConfigPath>,
    /// Signs what the hub submits itself, as connector `hub` of the agency `simpul`; absent: it submits nothing, so nobody hears
    /// of answers that changed, and no state digests are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ConfigPath>,
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    /// Origin of the checkpoints, for example `simpul.example/demo`. The access log's is `<origin>/access`.
    pub origin: String,
    /// A segment that has reached this size is sealed; bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<u64>,
    /// A frame takes no further submission beyond this size; bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_bytes_max: Option<usize>,
    /// Events that may wait for the writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_events_max: Option<usize>,
    /// Data keys kept on disk ahead of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pool: Option<u32>,
    /// How fast sealed segments are read again in the background, bytes per second; 0 for not at all.
    #[serde(default = "defaults::scrub_bytes_per_second")]
    pub scrub_bytes_per_second: u64,
}

/// `[publish]`: the checkpoints that strangers are shown, `<data_dir>/published/checkpoint` and `access-checkpoint`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// How often a new one is published where the log grew; milliseconds.
    #[serde(default = "defaults::publish_interval_ms")]
    pub interval_ms: u64,
    /// Who is asked to cosign both logs' checkpoints; an outage of theirs delays nothing but their lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
}

/// `[[publish.witnesses]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Witness {
    /// What it is called in log lines and in health.
    pub name: String,
    /// Its verifier key, `name+id+key` of type 4.
    pub vkey: String,
    /// Its submission prefix, for example `https://witness.example:7480`; plain `http://` for loopback addresses only.
    pub url: String,
    /// CA of its certificate, PEM; needed for `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<ConfigPath>,
}

impl Default for Publish {
    fn default() -> Self {
        Self { interval_ms: defaults::publish_interval_ms(), witnesses: Vec::new() }
    }
}

/// `[directory]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Directory {
    /// Public key of the directory authority, 64 hex digits.
    pub authority: String,
    /// The authority's signed first submission; admitted at every start, which changes nothing after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<ConfigPath>,
}

/// `[projection]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Projection {
    /// Page cache of the read models, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<u64>,
    /// The digest of the read models is recorded in the log every so many events; 0 for never. Needs `keys.producer`.
    #[serde(default = "defaults::digest_every_events")]
    pub digest_every_events: u64,
}

/// `[access]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    /// The access log's checkpoint is recorded in the log so often, where there were accesses since; seconds, 0 for never. Needs
    /// `keys.producer`.
    #[serde(default = "defaults::anchor_every_s")]
    pub anchor_every_s: u64,
}

impl Default for Access {
    fn default() -> Self {
        Self { anchor_every_s: defaults::anchor_every_s() }
    }
}

impl Default for Projection {
    fn default() -> Self {
        Self { cache_bytes: None, digest_every_events: defaults::digest_every_events() }
    }
}

/// `[nats]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nats {
    /// For example `tls://127.0.0.1:4222`.
    pub url: String,
    /// CA of the server's certificate, PEM.
    pub ca: ConfigPath,
    /// The hub's certificate chain, PEM.
    pub certificate: ConfigPath,
    /// Its private key, PEM.
    pub key: ConfigPath,
    /// Publishes without an answer yet, per agency.
    #[serde(default = "defaults::in_flight_max")]
    pub in_flight_max: usize,
    /// Days that an agency's stream keeps a message; 0 means for ever.
    #[serde(default = "defaults::max_age_days")]
    pub max_age_days: u32,
}

/// Port of the tiles where none is configured.
const TILES_PORT: u16 = 7_444;

mod defaults {
    /// Verifiers and mirrors are few, and each takes a handful of connections.
    pub(super) fn tiles_connections_max() -> usize {
        256
    }

    /// A few for each connector, with room for desks; a connection takes some 100 KiB.
    pub(super) fn connections_max() -> usize {
        4_096
    }

    /// An agent holds one, a desk one for each official at work.
    pub(super) fn connections_per_connector_max() -> usize {
        256
    }

    /// A line-up of a whole mission in a second, and a fraction of what the hub answers.
    pub(super) fn requests_per_second_max() -> u32 {
        10_000
    }

    /// Witnesses and tile readers need no more; the log itself signs with every frame.
    pub(super) fn publish_interval_ms() -> u64 {
        simpul_audit::published::INTERVAL.as_millis() as u64
    }

    /// 10 million events of 700 bytes in four minutes; a disk gives ten times as much and more.
    pub(super) fn scrub_bytes_per_second() -> u64 {
        32 << 20
    }

    /// About once a week of the full feed; a second of reading rows in the background.
    pub(super) fn digest_every_events() -> u64 {
        1_000_000
    }

    /// What could be rolled back unseen is no more than this.
    pub(super) fn anchor_every_s() -> u64 {
        600
    }

    pub(super) fn in_flight_max() -> usize {
        256
    }

    pub(super) fn max_age_days() -> u32 {
        30
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// What is wrong, with file, line and key.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        Ok(simpul_runtime::load_config(file)?)
    }

    /// The whole configuration with its defaults, as TOML. It holds no secrets, only the names of their files.
    ///
    /// # Errors
    /// Where a path is not UTF-8.
    pub fn dump(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("a value cannot be written as TOML")
    }

    /// Origin of the access log.
    pub fn access_origin(&self) -> String {
        format!("{}/access", self.log.origin)
    }

    /// How a log's checkpoints are published; `name` is the file's.
    pub(crate) fn publish_config(&self, name: &str) -> PublishConfig {
        PublishConfig {
            file: self.data_dir.join("published").join(name),
            interval: Duration::from_millis(self.publish.interval_ms),
        }
    }

    /// The publisher's part.
    pub fn nats_config(&self) -> Option<NatsConfig> {
        let nats = self.nats.as_ref()?;
        let mut config = NatsConfig::new(&nats.url, &*nats.ca, &*nats.certificate, &*nats.key);
        config.in_flight_max = nats.in_flight_max;
        config.max_age = Duration::from_secs(u64::from(nats.max_age_days) * 24 * 3_600);
        Some(config)
    }

    /// One of the hub's logs below `data_dir`.
    pub(crate) fn log_config(&self, folder: &str, origin: String) -> simpul_log::Config {
        let mut config = simpul_log::Config::new(self.data_dir.join(folder), origin);
        config.segment_bytes = self.log.segment_bytes.unwrap_or(config.segment_bytes);
        config.frame_bytes_max = self.log.frame_bytes_max.unwrap_or(config.frame_bytes_max);
        config.queue_events_max = self.log.queue_events_max.unwrap_or(config.queue_events_max);
        config.key_pool = self.log.key_pool.unwrap_or(config.key_pool);
        config.scrub_bytes_per_second = self.log.scrub_bytes_per_second;
        config.open_damaged = true;
        config
    }

    /// Checks the values themselves; [`crate::material::Material::load`] checks the files they name.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.realm.is_empty(), "realm must not be empty");
        ensure!(self.erasure.approvals_min > 0, "erasure.approvals_min must be at least 1");
        ensure!(self.erasure.days_max > 0, "erasure.days_max must be at least 1");
        if let Some(epochs) = &self.keys.epochs {
            ensure!(
                !epochs.starts_with(&*self.data_dir),
                "keys.epochs must not lie in data_dir: whoever copies that would have the keys that are to die"
            );
        }
        ensure!(self.listen.connections_max > 0, "listen.connections_max must be at least 1");
        ensure!(
            self.listen.connections_per_connector_max > 0,
            "listen.connections_per_connector_max must be at least 1"
        );
        ensure!(self.listen.tiles_connections_max > 0, "listen.tiles_connections_max must be at least 1");
        ensure!(
            self.listen.metrics.ip().is_loopback(),
            "listen.metrics must be a loopback address: it is served without authentication"
        );
        let origin = &self.log.origin;
        if origin.is_empty() || origin.contains(|char: char| char.is_whitespace() || char == '+') {
            bail!("log.origin must be a name without white space and '+'");
        }
        // Each digest is an event itself: at every event there would be no end to it.
        ensure!(
            self.projection.digest_every_events != 1,
            "projection.digest_every_events must be 0, for never, or at least 2"
        );
        ensure!(self.publish.interval_ms > 0, "publish.interval_ms must be at least 1");
        if let Some(nats) = self.nats_config() {
            nats.check()?;
        }
        Ok(())
    }
}

/// Reads a file of the configuration, naming the key where it fails.
pub(crate) fn read(key: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{key}: cannot read {}", path.display()))
}
