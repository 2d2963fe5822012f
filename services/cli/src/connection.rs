//! Reaching the hub: the client configuration, the channel, and in whose name we ask.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use simpul_connector::ClientFile;
use simpul_signing::VerifyingKey;
use simpul_tlog::note::NoteVerifier;
use tonic::transport::Channel;

use crate::trust;

/// Options that every online command takes.
#[derive(Args, Clone)]
pub struct ConnectionArgs {
    /// Client configuration, made by `simpul directory init`
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "client.toml",
        help_heading = "Connection"
    )]
    pub client: PathBuf,

    /// Ask the hub at this address in place of the configured one, for example https://localhost:7443
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    pub endpoint: Option<String>,

    /// Pseudonym of the official who asks, 1 to 64 characters; it stands in the access log
    #[arg(long, global = true, value_name = "PSEUDONYM", help_heading = "Connection")]
    pub official: Option<String>,
}

/// An open way to the hub and the keys to judge its answers by.
pub struct Connection {
    pub file: ClientFile,
    pub channel: Channel,
}

impl ConnectionArgs {
    /// Reads the client configuration.
    ///
    /// # Errors
    /// Where it is missing or wrong, naming the key.
    pub fn load(&self) -> anyhow::Result<ClientFile> {
        let mut file = ClientFile::load(&self.client).context(
            "no client configuration; name one with --client, or make one with `simpul directory init`",
        )?;
        if let Some(endpoint) = &self.endpoint {
            file.hub.endpoint.clone_from(endpoint);
            file.hub.check()?;
        }
        Ok(file)
    }

    /// Reads the configuration and connects.
    ///
    /// # Errors
    /// Where the configuration is wrong or the hub is not reached.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let file = self.load()?;
        let channel = simpul_connector::connect_channel(&file.hub.tls_files()).await?;
        Ok(Connection { file, channel })
    }

    /// Who asks.
    ///
    /// # Errors
    /// Where nobody is named.
    pub fn official(&self) -> anyhow::Result<String> {
        match self.official.as_deref().map(str::trim) {
            Some(official) if (1..=64).contains(&official.chars().count()) => Ok(official.into()),
            Some(_) => bail!("--official takes 1 to 64 characters"),
            None => bail!("--official is required: every read is recorded with the official who asked"),
        }
    }
}

/// The log's key, where the configuration has it.
///
/// # Errors
/// Where it is not a verifier key.
pub fn log_key(file: &ClientFile) -> anyhow::Result<Option<NoteVerifier>> {
    file.hub.log_verifier.as_deref().map(trust::log_key).transpose()
}

/// The log's key; commands that prove something do not go without.
///
/// # Errors
/// Where there is none, or it is not a verifier key.
pub fn required_log_key(file: &ClientFile) -> anyhow::Result<NoteVerifier> {
    log_key(file)?.context("no key of the log: set hub.log_verifier in client.toml")
}

/// The access log's key: the one given, or else the configured one.
///
/// # Errors
/// Where there is none, or it is not a verifier key.
pub fn access_key(file: &ClientFile, given: Option<&str>) -> anyhow::Result<NoteVerifier> {
    let key = given.or(file.access_verifier.as_deref());
    trust::log_key(
        key.context("no key of the access log: give --access-key or set access_verifier in client.toml")?,
    )
}

/// The verdict key: the one given, or else the configured one.
///
/// # Errors
/// Where there is none, or it is not a key.
pub fn verdict_key(file: &ClientFile, given: Option<&str>) -> anyhow::Result<VerifyingKey> {
    let key = given.or(file.verdict_key.as_deref());
    trust::verdict_key(key.context("no verdict key: give --verdict-key or set verdict_key in client.toml")?)
}
