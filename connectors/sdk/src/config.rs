//! `client.toml`: how a connector reaches the hub, and which keys it trusts. `simpul directory init` writes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use simpul_types::{AgencyCode, ConnectorName, Sender};

use crate::channel::TlsFiles;

/// Submissions in flight over one stream. More hide a longer way to the hub; fewer fail over faster.
pub const IN_FLIGHT_MAX: usize = 8;
/// Waiting events that start a further submission while others are in flight.
pub const COALESCE_EVENTS_MIN: usize = 100;
/// Events in one submission; the contract's own bound.
pub const COALESCE_EVENTS_MAX: usize = simpul_types::limits::EVENTS_PER_SUBMISSION_MAX;

/// Where the hub is and who we are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// `https://host:port`.
    pub endpoint: String,
    /// Name that the hub's certificate must carry.
    pub server_name: String,
    /// Certificate authority of the realm, PEM.
    pub ca_pem: PathBuf,
    /// Our certificate; its SPIFFE id names agency and connector.
    pub certificate_pem: PathBuf,
    /// Its key, PEM.
    pub key_pem: PathBuf,
    /// Ed25519 seed that signs submissions.
    pub signing_key: PathBuf,
    /// Our agency.
    pub agency: AgencyCode,
    /// Our connector.
    pub connector: ConnectorName,
    /// Verifier key of the log (C2SP vkey). Absent: receipts are checked without the checkpoint's signature.
    #[serde(default)]
    pub log_verifier: Option<String>,
    /// Submissions in flight; at least 1.
    #[serde(default = "in_flight_max")]
    pub in_flight_max: usize,
    /// Events in one submission; 1 to 1,024.
    #[serde(default = "coalesce_events_max")]
    pub coalesce_events_max: usize,
}

fn in_flight_max() -> usize {
    IN_FLIGHT_MAX
}

fn coalesce_events_max() -> usize {
    COALESCE_EVENTS_MAX
}

/// The whole of `client.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFile {
    /// Public key of the hub's verdicts, hex.
    #[serde(default)]
    pub verdict_key: Option<String>,
    /// Verifier key of the access log (C2SP vkey): what reports about who looked are checked with.
    #[serde(default)]
    pub access_verifier: Option<String>,
    /// Where our pictures come from, `tls://host:port`.
    #[serde(default)]
    pub nats: Option<String>,
    /// The hub.
    pub hub: ClientConfig,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind. The message names line and key.
    #[error("{path}: {message}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// A value that cannot be.
    #[error("{key} must be {rule}")]
    Value {
        /// Which.
        key: &'static str,
        /// Its rule, as a sentence's end.
        rule: &'static str,
    },
}

impl ClientFile {
    /// Reads and checks the file; relative paths are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], naming file and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut file: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_path_buf(), message: error.to_string() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let hub = &mut file.hub;
        for named in [&mut hub.ca_pem, &mut hub.certificate_pem, &mut hub.key_pem, &mut hub.signing_key] {
            *named = folder.join(&*named);
        }
        file.hub.check()?;
        Ok(file)
    }
}

impl ClientConfig {
    /// Checks what serde does not.
    ///
    /// # Errors
    /// [`ConfigError::Value`], naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.endpoint.starts_with("https://") {
            return Err(ConfigError::Value { key: "hub.endpoint", rule: "https://host:port" });
        }
        if !(1..=64).contains(&self.in_flight_max) {
            return Err(ConfigError::Value { key: "hub.in_flight_max", rule: "1 to 64" });
        }
        if !(1..=COALESCE_EVENTS_MAX).contains(&self.coalesce_events_max) {
            return Err(ConfigError::Value { key: "hub.coalesce_events_max", rule: "1 to 1,024" });
        }
        Ok(())
    }

    /// What the channel needs of it.
    pub fn tls_files(&self) -> TlsFiles {
        TlsFiles {
            endpoint: self.endpoint.clone(),
            server_name: self.server_name.clone(),
            ca_pem: self.ca_pem.clone(),
            certificate_pem: self.certificate_pem.clone(),
            key_pem: self.key_pem.clone(),
        }
    }

    /// Who we are.
    pub fn sender(&self) -> Sender {
        Sender { agency: self.agency.clone(), connector: self.connector.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        verdict_key = "00"
        [hub]
        endpoint = "https://localhost:7443"
        server_name = "localhost"
        ca_pem = "ca.pem"
        certificate_pem = "tls.pem"
        key_pem = "tls.key"
        signing_key = "signing.key"
        agency = "kp2mi"
        connector = "sisko"
    "#;

    fn load(text: &str) -> Result<ClientFile, ConfigError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("client.toml");
        fs::write(&path, text).expect("written");
        let file = ClientFile::load(&path)?;
        assert_eq!(file.hub.ca_pem, dir.path().join("ca.pem"), "relative to the file");
        Ok(file)
    }

    #[test]
    fn defaults_stand_and_paths_follow_the_file() {
        let file = load(TEXT).expect("valid");
        assert_eq!((file.hub.in_flight_max, file.hub.coalesce_events_max), (8, 1_024));
        assert_eq!(file.hub.sender().to_string(), "kp2mi/sisko");
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused() {
        let unknown = load(&format!("{TEXT}\ncolour = 1\n")).expect_err("refused").to_string();
        assert!(unknown.contains("colour"), "{unknown}");
        let plain = load(&TEXT.replace("https://", "http://")).expect_err("refused").to_string();
        assert_eq!(plain, "hub.endpoint must be https://host:port");
    }
}
