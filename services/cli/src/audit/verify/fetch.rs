//! Files of a tile server over HTTPS (or plain HTTP: what comes is checked either way), several at a time.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1::SendRequest, header::HOST};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use simpul_audit::tiles::{FetchError, TileFetch};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Handle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Files on the way at once, each over a connection of its own.
const CONNECTIONS_MAX: usize = 8;
/// How long one file may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A full bundle of the largest entries has 16 MiB.
const FILE_BYTES_MAX: usize = 17 << 20;
/// Where most systems keep the certificates that they trust.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

type Connection = SendRequest<Empty<Bytes>>;

/// A tile server.
pub struct Https {
    host: String,
    authority: String,
    port: u16,
    prefix: String,
    tls: Option<TlsConnector>,
    idle: Mutex<Vec<Connection>>,
    runtime: Handle,
}

impl Https {
    /// A server by its address, with the certificate authority it is trusted by. MUST be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where the address or the certificates are not what they should be.
    pub fn new(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is not an address"))?;
        let host = uri.host().with_context(|| format!("{url:?} names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(connector(ca)?), 443),
            Some("http") => (None, 80),
            _ => bail!("{url:?} does not begin with https://"),
        };
        ensure!(uri.query().is_none(), "{url:?}: an address of tiles has no query");
        Ok(Self {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            port: uri.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_string(),
            host,
            tls,
            idle: Mutex::default(),
            runtime: Handle::current(),
        })
    }

    /// One file; once more over a new connection where one that lay idle turns out closed.
    async fn file(&self, name: &str) -> Result<Bytes, FetchError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle
            && let Ok(answer) = self.ask(connection, name).await
        {
            return answer;
        }
        let connection = self.connect().await.map_err(|error| FetchError::Failed(format!("{error:#}")))?;
        self.ask(connection, name).await.unwrap_or_else(|error| Err(FetchError::Failed(format!("{error:#}"))))
    }

    /// Asks for a file; an error means that the connection was of no use.
    async fn ask(&self, mut connection: Connection, name: &str) -> anyhow::Result<Result<Bytes, FetchError>> {
        connection.ready().await?;
        let request = Request::get(format!("{}/{name}", self.prefix)).header(HOST, &self.authority);
        let response = connection.send_request(request.body(Empty::new())?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), FILE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer: {error}"))?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CONNECTIONS_MAX {
            idle.push(connection);
        }
        Ok(match status {
            StatusCode::OK => Ok(body),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Missing),
            other => Err(FetchError::Failed(format!("the server answers {other}"))),
        })
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.with_context(|| format!("reaching {}:{}", self.host, self.port))?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => handshake(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).context("the host's name")?;
                handshake(tls.connect(name, stream).await.context("TLS")?).await
            }
        }
    }
}

impl TileFetch for Https {
    fn fetch(&self, names: &[String]) -> Vec<Result<Bytes, FetchError>> {
        let one = |name: String| async move {
            let late = || Err(FetchError::Failed(format!("no answer within {} s", PATIENCE.as_secs())));
            timeout(PATIENCE, self.file(&name)).await.unwrap_or_else(|_| late())
        };
        let all = stream::iter(names.to_vec()).map(one).buffered(CONNECTIONS_MAX).collect();
        self.runtime.block_on(all)
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> anyhow::Result<Connection> {
    let (connection, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What goes wrong here is told to whoever asks next.
        let _ = driver.await;
    });
    Ok(connection)
}

fn connector(ca: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let path = ca.unwrap_or(Path::new(SYSTEM_CERTIFICATES));
    let shown = path.display();
    let pem = std::fs::read(path)
        .with_context(|| format!("certificate authorities: cannot read {shown}; name a file with --ca"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.with_context(|| format!("{shown} is not PEM"))?;
        // Of a system's many, one that this library does not take is no reason to stop.
        let _ = roots.add(certificate);
    }
    ensure!(!roots.is_empty(), "{shown} holds no certificate authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
