//! A bounded HTTP/1.1 client for the static files and small posts of transparency logs: TLS against given trust anchors, or
//! plain on loopback. One connection is kept and used again; an answer is bounded in bytes, and the caller bounds it in time.

use std::{io, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use hyper::{Method, StatusCode};

/// Where a server is.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    /// Path without its last slash, before every path that is asked for.
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why an address was refused.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not an address.
    #[error("{0:?} is not `https://host[:port][/prefix]`")]
    Url(String),
    /// Plain HTTP leaves the machine.
    #[error("{0:?}: plain http is for loopback addresses only; use https")]
    Plain(String),
    /// No CA for TLS.
    #[error("{0:?}: https needs the CA that signed the server's certificate")]
    NoCa(String),
    /// The CA file.
    #[error("the CA file holds no PEM certificate")]
    Ca,
    /// The host cannot be a certificate's name.
    #[error("the host is no server name")]
    Host(#[from] InvalidDnsNameError),
    /// TLS itself.
    #[error("TLS")]
    Tls(#[from] rustls::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not reached.
    #[error("not reached: {0}")]
    Connect(#[source] io::Error),
    /// The exchange broke off, or the answer is too large.
    #[error("the exchange broke off: {0}")]
    Exchange(String),
}

/// An answer, whatever its status.
pub struct HttpAnswer {
    /// Status code.
    pub status: StatusCode,
    /// Media type; empty where none was sent.
    pub media_type: String,
    /// All of it.
    pub body: Bytes,
}

/// A server, asked over one connection at a time.
pub struct Connection {
    target: Target,
    kept: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Nothing is connected yet.
    pub fn new(target: Target) -> Self {
        Self { target, kept: None }
    }

    /// One request, which MUST be safe to send twice; `path` begins with a slash. Where the future is dropped, for example
    /// by a time-out, the connection is too.
    ///
    /// # Errors
    /// [`HttpError`]; an answer larger than `bytes_max` is one.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
        bytes_max: usize,
    ) -> Result<HttpAnswer, HttpError> {
        // Taken out, so that a connection with an answer still under way is not used again.
        if let Some(kept) = self.kept.take()
            && let Ok(answer) = self.send(kept, method.clone(), path, body, bytes_max).await
        {
            return Ok(answer);
        }
        // The kept one may have been closed meanwhile.
        let connection = connect(&self.target).await?;
        self.send(connection, method, path, body, bytes_max).await
    }

    async fn send(
        &mut self,
        mut connection: http1::SendRequest<Full<Bytes>>,
        method: Method,
        path: &str,
        body: &str,
        bytes_max: usize,
    ) -> Result<HttpAnswer, HttpError> {
        let broken = |error: hyper::Error| HttpError::Exchange(error.to_string());
        connection.ready().await.map_err(broken)?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target.prefix))
            .header(header::HOST, self.target.authority())
            .body(Full::new(Bytes::from(body.to_owned())))
            .map_err(|error| HttpError::Exchange(error.to_string()))?;
        let response = connection.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        let body = body.map_err(|error| HttpError::Exchange(error.to_string()))?.to_bytes();
        self.kept = Some(connection);
        Ok(HttpAnswer { status, media_type, body })
    }
}

impl Target {
    /// Reads `https://host[:port][/prefix]`, or `http://` of a loopback address; `ca_pem` are the trust anchors of TLS.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn new(url: &str, ca_pem: Option<&[u8]>) -> Result<Self, TargetError> {
        let bad = || TargetError::Url(url.into());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(bad());
        }
        let (tls, default_port) = match uri.scheme_str() {
            Some("https") => {
                let ca = ca_pem.ok_or_else(|| TargetError::NoCa(url.into()))?;
                (Some((connector(ca)?, ServerName::try_from(host.clone())?)), 443)
            }
            Some("http") if is_loopback(&host) => (None, 80),
            Some("http") => return Err(TargetError::Plain(url.into())),
            _ => return Err(bad()),
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { port: uri.port_u16().unwrap_or(default_port), host, prefix, tls })
    }

    fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn connector(ca_pem: &[u8]) -> Result<TlsConnector, TargetError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(|_| TargetError::Ca)?).map_err(|_| TargetError::Ca)?;
    }
    if roots.is_empty() {
        return Err(TargetError::Ca);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(target: &Target) -> Result<http1::SendRequest<Full<Bytes>>, HttpError> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
    let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    let stream = stream.map_err(HttpError::Connect)?;
    match &target.tls {
        None => handshake(stream).await,
        Some((connector, name)) => {
            let stream = connector.connect(name.clone(), stream).await.map_err(HttpError::Connect)?;
            handshake(stream).await
        }
    }
}

async fn handshake(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> Result<http1::SendRequest<Full<Bytes>>, HttpError> {
    let made = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| HttpError::Exchange(error.to_string()))?;
    // Ends with the connection, which ends when its sender is dropped.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
