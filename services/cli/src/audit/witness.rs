//! `simpul audit witness`: an oversight body's process that cosigns a log's checkpoint only where it extends the last one
//! it cosigned (C2SP tlog-witness).

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde::Deserialize;
use serde_json::json;
use simpul_cli::init::{self, WitnessOptions};
use simpul_runtime::{ConfigPath, System, Telemetry, init_telemetry, load_config, shutdown_signal};
use simpul_signing::SigningKey;
use simpul_tlog::{
    cosignature::CosignatureSigner,
    note::{ED25519_TYPE, NoteVerifier},
};
use simpul_witness::{Witness, server};
use tokio::net::TcpListener;

use crate::{
    output::{json_line, remark},
    trust,
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Run {
    #[command(subcommand)]
    make: Option<Make>,

    /// Configuration file; `simpul audit witness keygen` writes one
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Make {
    /// Make a witness's folder: a fresh key, its verifier key and a configuration
    Keygen(Keygen),
}

#[derive(Args)]
struct Keygen {
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Name of the key, for example `witness.ombudsman.example`; it stands under every cosigned checkpoint
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Verifier key of a log to know, as such or in a file; more than one is fine
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<String>,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7480")]
    listen: SocketAddr,

    /// Certificate chain, PEM; without it plain HTTP, on loopback only
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
}

/// `witness.toml`.
#[derive(Deserialize)]
struct Config {
    /// Name of the key.
    name: String,
    /// File with the signing key, one line.
    key: ConfigPath,
    /// Folder of what was cosigned last.
    state: ConfigPath,
    /// Port 0 lets the system choose.
    listen: SocketAddr,
    /// Serve without TLS; loopback only.
    #[serde(default)]
    plain_http: bool,
    /// Verifier keys of the logs.
    logs: Vec<String>,
    #[serde(default)]
    tls: Option<Tls>,
    #[serde(default)]
    telemetry: Telemetry,
}

#[derive(Deserialize)]
struct Tls {
    certificate: ConfigPath,
    key: ConfigPath,
}

pub async fn run(command: Run, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match (command.make, command.config) {
        (Some(Make::Keygen(keygen)), _) => make(keygen, json, out)?,
        (None, Some(file)) => serve(load_config(&file)?, json, out).await?,
        (None, None) => bail!("give --config"),
    }
    Ok(ExitCode::SUCCESS)
}

fn make(keygen: Keygen, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let Keygen { out: folder, name, logs, listen, tls_certificate, tls_key } = keygen;
    let tls = tls_certificate.zip(tls_key);
    ensure!(
        tls.is_some() || listen.ip().is_loopback(),
        "{listen} is no loopback address: give --tls-certificate and --tls-key"
    );
    let logs = logs.iter().map(|log| log_key(log)).collect::<anyhow::Result<Vec<_>>>()?;
    let made = init::witness(&WitnessOptions { out: folder, name, listen, tls, logs })?;
    if json {
        return json_line(out, &json!({ "vkey": made.vkey.to_string(), "config": made.config }));
    }
    writeln!(out, "{}", made.vkey)?;
    remark(format_args!("start it: simpul audit witness --config {}", made.config.display()));
    Ok(())
}

fn log_key(text: &str) -> anyhow::Result<NoteVerifier> {
    let key = trust::log_key(text)?;
    ensure!(
        key.key_type() == ED25519_TYPE,
        "{} is no log's key: a log signs with a key of type 1",
        key.name()
    );
    Ok(key)
}

async fn serve(config: Config, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let signer = read_key(&config)?;
    let logs = config.logs.iter().map(|log| log_key(log).with_context(|| format!("logs: {log}")));
    let logs = logs.collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!logs.is_empty(), "logs: at least one verifier key");
    let tls = match &config.tls {
        Some(files) => Some(Arc::new(server_config(files)?)),
        None => {
            ensure!(
                config.plain_http,
                "tls: certificate and key, or `plain_http = true` on a loopback address"
            );
            ensure!(config.listen.ip().is_loopback(), "listen: without TLS it must be a loopback address");
            None
        }
    };
    init_telemetry(config.telemetry.format, &config.telemetry.filter)?;
    let stopping = shutdown_signal().context("signals")?;
    let state = config.state.to_path_buf();
    let opening = tokio::task::spawn_blocking(move || Witness::open(signer, logs, &state, Arc::new(System)));
    let witness = Arc::new(opening.await.context("opening the state")??);
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("listen: cannot listen on {}", config.listen))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().context("the listener's address")?);
    let vkey = witness.verifier().to_string();
    if json {
        json_line(out, &json!({ "listening": url, "vkey": vkey }))?;
    } else {
        writeln!(out, "listening {url}\nvkey {vkey}")?;
    }
    out.flush()?;
    tracing::info!(url, vkey, logs = config.logs.len(), "witness ready");
    server::serve(listener, tls, witness, stopping).await;
    tracing::info!("witness stopped");
    Ok(())
}

fn read_key(config: &Config) -> anyhow::Result<CosignatureSigner> {
    let text =
        std::fs::read_to_string(&*config.key).with_context(|| format!("key: {}", config.key.display()))?;
    let key = SigningKey::from_text(text.trim_end());
    let key = key.map_err(|error| anyhow::anyhow!("key: {}: {error}", config.key.display()))?;
    CosignatureSigner::new(&config.name, key.seed()).context("name")
}

fn server_config(files: &Tls) -> anyhow::Result<ServerConfig> {
    let read = |what: &str, path: &ConfigPath| {
        std::fs::read(&**path).with_context(|| format!("tls.{what}: cannot read {}", path.display()))
    };
    let chain = read("certificate", &files.certificate)?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(&read("key", &files.key)?);
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("TLS")?
        .with_no_client_auth()
        .with_single_cert(
            chain.context("tls.certificate: not PEM")?,
            key.map_err(|_| anyhow::anyhow!("tls.key: no private key in it"))?,
        )
        .context("tls.certificate and tls.key do not fit together")
}
