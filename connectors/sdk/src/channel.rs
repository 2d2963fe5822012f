//! A gRPC channel over mutual TLS from the files of an agency's folder. The command-line tool uses it too.

use std::{fs, path::PathBuf, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle connection is asked whether its peer lives; embassies sit behind NATs that forget.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the answer to that may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 windows: a few submissions of 4 MiB in flight must not wait for window updates.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// What a channel is made of.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// `https://host:port`.
    pub endpoint: String,
    /// Name that the hub's certificate must carry.
    pub server_name: String,
    /// Certificate authority of the realm.
    pub ca_pem: PathBuf,
    /// Our certificate.
    pub certificate_pem: PathBuf,
    /// Its key.
    pub key_pem: PathBuf,
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file could not be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The endpoint is not a URI.
    #[error("endpoint {0:?} is not https://host:port")]
    Endpoint(String),
    /// Certificate or key cannot be used.
    #[error("setting up TLS")]
    Tls(#[source] tonic::transport::Error),
    /// Nobody answers there, or not the hub.
    #[error("connecting to {endpoint}")]
    Connect {
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Connects and shakes hands.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_channel(files: &TlsFiles) -> Result<Channel, ConnectError> {
    endpoint(files)?
        .connect()
        .await
        .map_err(|source| ConnectError::Connect { endpoint: files.endpoint.clone(), source })
}

fn endpoint(files: &TlsFiles) -> Result<Endpoint, ConnectError> {
    let read =
        |path: &PathBuf| fs::read(path).map_err(|source| ConnectError::Read { path: path.clone(), source });
    let tls = ClientTlsConfig::new()
        .domain_name(&files.server_name)
        .ca_certificate(Certificate::from_pem(read(&files.ca_pem)?))
        .identity(Identity::from_pem(read(&files.certificate_pem)?, read(&files.key_pem)?));
    Endpoint::from_shared(files.endpoint.clone())
        .map_err(|_| ConnectError::Endpoint(files.endpoint.clone()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true)
        .tls_config(tls)
        .map_err(ConnectError::Tls)
}
