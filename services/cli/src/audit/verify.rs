//! `simpul audit verify`: does it hold? A hub's data folder, its tiles from afar, one proof, one bundle of evidence; each
//! with nothing but public keys. Exit 1 names the first violation.

mod fetch;
mod folder;
mod kept;
mod tiles;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use simpul_audit::TrustedKeys;
use simpul_tlog::policy::Policy;

use crate::{
    connection::{self, ConnectionArgs},
    trust,
};

pub use folder::master_key;

#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    trust: TrustArgs,

    /// Verifier key of the access log, as such or in a file
    #[arg(long, value_name = "VKEY")]
    access_key: Option<String>,

    /// Public key of the hub's verdicts, hex or file; absent: the one in client.toml; with --subject-report
    #[arg(long, value_name = "KEY", requires = "subject_report")]
    verdict_key: Option<String>,

    /// The hub's master key: opens every payload and checks what its sender committed to; with --data
    #[arg(long, value_name = "FILE", requires = "data")]
    master_key: Option<PathBuf>,

    /// Checkpoint that the last verification ended with; what is there now has to continue it. Written anew on success;
    /// with --url and --tiles
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    state: Option<PathBuf>,

    /// Certificate authority of the server, PEM; absent: that of client.toml, else the system's; with --url
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,

    /// The leaf's bytes, where the proof does not hold them itself; with --proof
    #[arg(long, value_name = "FILE", requires = "proof")]
    leaf_bytes: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A hub's data folder; the hub may be running
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// A hub's tiles over HTTPS, for example https://localhost:7444
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Tiles as `simpul audit tiles` writes them
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,

    /// Evidence that `simpul audit bundle` kept
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    /// Everybody who looked at a person, as `simpul audit subject-report --out` kept it
    #[arg(long, value_name = "FILE")]
    subject_report: Option<PathBuf>,

    /// A proof of one leaf, C2SP tlog-proof, as `simpul audit proof --out` and `simpul submit --proofs` write it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// Whom the verifier believes.
#[derive(Args)]
struct TrustArgs {
    /// Verifier key of the log, as such or in a file; absent: that of client.toml, or with --data the one beside the log
    #[arg(long, value_name = "VKEY", conflicts_with = "policy")]
    log_key: Option<String>,

    /// Trust policy (C2SP tlog-policy): which logs, which witnesses, and how many of them must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Keys of senders: lines `authority HEX` and `key AGENCY/CONNECTOR HEX`
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Public key of the directory authority, hex or file
    #[arg(long, value_name = "KEY")]
    authority: Option<String>,

    /// The bootstrap submission, which registers the first senders' keys
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
}

pub async fn run(
    command: &Verify,
    connection: &ConnectionArgs,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    match &command.source {
        Source { data: Some(data), .. } => folder::run(command, data, json, out),
        Source { url: Some(url), .. } => tiles::url(command, url, connection, json, out).await,
        Source { tiles: Some(folder), .. } => tiles::folder(command, folder, connection, json, out),
        Source { bundle: Some(file), .. } => kept::bundle(command, file, connection, json, out),
        Source { subject_report: Some(file), .. } => {
            kept::subject_report(command, file, connection, json, out)
        }
        Source { proof: Some(file), .. } => kept::proof(command, file, connection, json, out),
        _ => anyhow::bail!("give --data, --url, --tiles, --bundle, --subject-report or --proof"),
    }
}

impl TrustArgs {
    /// Which logs and witnesses: the policy file, else the log's key alone.
    fn policy(&self, connection: &ConnectionArgs) -> anyhow::Result<Policy> {
        if let Some(path) = &self.policy {
            let policy = Policy::parse(&read(path)?).with_context(|| path.display().to_string())?;
            return match self.known_log(connection)? {
                Some(key) => Ok(policy.or_log(key)),
                None => Ok(policy),
            };
        }
        let key = self.known_log(connection)?;
        let key =
            key.context("no key of the log: give --log-key or --policy, or --client with hub.log_verifier")?;
        Ok(Policy::of_log(key))
    }

    fn known_log(
        &self,
        connection: &ConnectionArgs,
    ) -> anyhow::Result<Option<simpul_tlog::note::NoteVerifier>> {
        if let Some(given) = &self.log_key {
            return trust::log_key(given).map(Some);
        }
        if !connection.client.exists() {
            return Ok(None);
        }
        connection::log_key(&connection.load()?)
    }

    /// The senders' keys from everywhere they were given.
    fn keys(&self) -> anyhow::Result<TrustedKeys> {
        let mut keys = match &self.keys {
            Some(path) => {
                let text = String::from_utf8(read(path)?).context("the key file is not text")?;
                TrustedKeys::parse(&text).with_context(|| path.display().to_string())?
            }
            None => TrustedKeys::default(),
        };
        if let Some(authority) = &self.authority {
            keys.authority = Some(public_key(authority)?);
        }
        keys.bootstrap = self.bootstrap.as_deref().map(read).transpose()?.map(Into::into);
        Ok(keys)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn public_key(text: &str) -> anyhow::Result<[u8; 32]> {
    let text = match Path::new(text) {
        path if path.is_file() => String::from_utf8_lossy(&read(path)?).into_owned(),
        _ => text.into(),
    };
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .context("--authority takes 64 hex digits or a file that holds them")
}
