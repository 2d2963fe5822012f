//! What the publisher is started with.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Configuration; [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the outbox; made where it is missing, rebuilt where it was deleted.
    pub dir: PathBuf,
    /// Origin of the log, part of the CloudEvents source.
    pub origin: String,
    /// Cache of the outbox, bytes.
    pub cache_bytes: u64,
    /// Changes that go into the outbox in one batch.
    pub batch_changes_max: usize,
    /// Where to publish; absent, only the outbox is kept.
    pub nats: Option<NatsConfig>,
}

/// The NATS server and how the hub shows itself to it.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// For example `tls://127.0.0.1:4222`.
    pub url: String,
    /// CA of the server's certificate, PEM.
    pub ca: PathBuf,
    /// The hub's certificate chain, PEM; its SPIFFE id is the user.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Publishes without an answer yet, per agency.
    pub in_flight_max: usize,
    /// How long an agency's stream keeps a message; zero means for ever.
    pub max_age: Duration,
    /// How long the server remembers ids to drop duplicates.
    pub duplicate_window: Duration,
}

/// Why a configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not a URL that the client takes.
    #[error("nats.url must be tls://host:port, not {0:?}")]
    Url(String),
    /// A file that is needed cannot be read.
    #[error("nats.{name}: cannot read {path}")]
    File {
        /// Key in the configuration.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A number out of bounds.
    #[error("nats.in_flight_max must be 1 to 4,096")]
    InFlight,
}

impl Config {
    /// The defaults for an outbox in `dir`, without NATS.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            cache_bytes: 16 << 20,
            batch_changes_max: 1_024,
            nats: None,
        }
    }
}

impl NatsConfig {
    /// The defaults for a server.
    pub fn new(
        url: impl Into<String>,
        ca: impl Into<PathBuf>,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            url: url.into(),
            ca: ca.into(),
            certificate: certificate.into(),
            key: key.into(),
            in_flight_max: 256,
            max_age: Duration::from_secs(30 * 24 * 3_600),
            duplicate_window: Duration::from_secs(120),
        }
    }

    /// Checks what can be checked without the network.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let parsed = self.url.parse::<async_nats::ServerAddr>();
        if !self.url.starts_with("tls://") || parsed.is_err() {
            return Err(ConfigError::Url(self.url.clone()));
        }
        if !(1..=4_096).contains(&self.in_flight_max) {
            return Err(ConfigError::InFlight);
        }
        readable("ca", &self.ca)?;
        readable("certificate", &self.certificate)?;
        readable("key", &self.key)
    }
}

fn readable(name: &'static str, path: &Path) -> Result<(), ConfigError> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(ConfigError::File { name, path: path.into(), source }),
    }
}
