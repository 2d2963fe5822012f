//! Tiles over HTTPS, for anyone: `/checkpoint`, `/vkey`, `/tile/L/N`, `/tile/entries/N` (c2sp.org/tlog-tiles); and `POST /enrol` for connectors
//! that were invited and have no certificate yet.
//!
//! No client certificate and no account, so nothing here depends on who asks, and whoever asks is kept within bounds: GET
//! and HEAD but for that one, a time for the handshake and the headers, a life span and a number of connections, a few reads of the log at
//! once. What is answered stands under the published checkpoint, which is all that strangers are shown.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use serde_json::json;
use simpul_audit::{
    Published,
    tiles::{TileError, read_tile},
};
use simpul_directory_service::{Enrolments, NotTaken};
use simpul_log::Reader;
use simpul_signing::enrolment::REQUEST_BYTES_MAX;
use simpul_tlog::tile::Tile;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take from one request to the end of the next one's headers; also ends idle connections.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take to send a request to enrol.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection lives; whoever takes an answer more slowly than this asks again.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// How long open answers may take once the hub stops.
const DRAIN_GRACE: Duration = Duration::from_secs(2);
/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 16 * 1_024;
/// Reads of the log at once: strangers never take more of the disk than this from those who have an account.
const READS_MAX: usize = 4;
/// Pause after the system refused a connection, for example for want of file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// A year: a tile never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A partial tile never changes either, but is of use only until the next checkpoint.
const FOR_A_DAY: &str = "public, max-age=86400, immutable";
/// The checkpoint moves once a second.
const FOR_A_SECOND: &str = "public, max-age=1";
/// What is not there now may be there later.
const NEVER: &str = "no-store";

const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is counted.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    served: Counter,
    missing: Counter,
    failed: Counter,
    connections: Counter,
    enrolling: Counter,
    not_enrolled: Counter,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("tiles");
        registry.register("served", "Requests answered with what was asked for", self.served.clone());
        registry.register("missing", "Requests for what does not exist", self.missing.clone());
        registry.register("failed", "Requests that the log could not answer", self.failed.clone());
        registry.register("connections", "Connections accepted", self.connections.clone());
        registry.register(
            "enrolling",
            "Requests to enrol that wait or were admitted",
            self.enrolling.clone(),
        );
        registry.register("not_enrolled", "Requests to enrol that were refused", self.not_enrolled.clone());
    }
}

/// What is given out.
pub(crate) struct Tiles {
    reader: Reader,
    published: Published,
    enrolments: Arc<Enrolments>,
    vkey: Bytes,
    reads: Semaphore,
    metrics: Metrics,
}

impl Tiles {
    pub(crate) fn new(
        reader: Reader,
        published: Published,
        enrolments: Arc<Enrolments>,
        metrics: Metrics,
    ) -> Self {
        let vkey = format!("{}\n", reader.verifier()).into();
        Self { reader, published, enrolments, vkey, reads: Semaphore::new(READS_MAX), metrics }
    }

    async fn answer(self: Arc<Self>, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let found = match path {
            "/checkpoint" => found(self.published.note(), TEXT, FOR_A_SECOND),
            "/vkey" => found(self.vkey.clone(), TEXT, FOR_A_DAY),
            _ => match path.strip_prefix('/').and_then(|path| path.parse::<Tile>().ok()) {
                Some(tile) => return self.tile(tile).await,
                None => {
                    self.metrics.missing.inc();
                    return text(
                        StatusCode::NOT_FOUND,
                        "there are /checkpoint, /vkey, /tile/<L>/<N> and /tile/entries/<N>",
                    );
                }
            },
        };
        self.metrics.served.inc();
        found
    }

    /// What `DirectoryService.Enrol` answers, as JSON.
    async fn enrol(&self, body: Incoming) -> Response<Full<Bytes>> {
        let body = timeout(BODY_TIMEOUT, Limited::new(body, REQUEST_BYTES_MAX).collect()).await;
        let Ok(Ok(body)) = body else {
            let line =
                format!("a request of at most {REQUEST_BYTES_MAX} bytes, in {} s", BODY_TIMEOUT.as_secs());
            return text(StatusCode::BAD_REQUEST, &line);
        };
        match self.enrolments.ask(&body.to_bytes()) {
            Ok(answer) => {
                self.metrics.enrolling.inc();
                let json = json!({ "state": answer.state, "certificate_pem": answer.certificate_pem });
                found(json.to_string().into(), JSON, NEVER)
            }
            Err(refused) => {
                self.metrics.not_enrolled.inc();
                let status = match refused {
                    NotTaken::Used => StatusCode::CONFLICT,
                    NotTaken::Full => StatusCode::SERVICE_UNAVAILABLE,
                    NotTaken::Request(_) => StatusCode::BAD_REQUEST,
                    NotTaken::NotInvited | NotTaken::Expired(_) => StatusCode::FORBIDDEN,
                };
                text(status, &refused.to_string())
            }
        }
    }

    async fn tile(self: Arc<Self>, tile: Tile) -> Response<Full<Bytes>> {
        let size = self.published.size();
        let Ok(_permit) = self.reads.acquire().await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping");
        };
        let reader = self.reader.clone();
        let read = tokio::task::spawn_blocking(move || read_tile(&reader, &tile, size)).await;
        match read {
            Ok(Ok(bytes)) => {
                self.metrics.served.inc();
                found(bytes, BINARY, if tile.is_full() { FOR_EVER } else { FOR_A_DAY })
            }
            Ok(Err(error @ TileError::NotYet { .. })) => {
                self.metrics.missing.inc();
                text(StatusCode::NOT_FOUND, &error.to_string())
            }
            Ok(Err(error)) => {
                self.metrics.failed.inc();
                tracing::error!(%tile, error = &error as &dyn std::error::Error, "a tile could not be read");
                text(StatusCode::INTERNAL_SERVER_ERROR, "this part of the log cannot be read now")
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the hub could not finish this request"),
        }
    }
}

fn found(bytes: Bytes, content_type: &'static str, cache: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Verifiers in browsers may read it from any page.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    let mut response = found(format!("{line}\n").into(), TEXT, NEVER);
    *response.status_mut() = status;
    response
}

/// Serves until `stopping` is cancelled and the last answer is out.
pub(crate) fn serve(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    connections_max: usize,
    tiles: Tiles,
    stopping: CancellationToken,
) -> JoinHandle<()> {
    let (tiles, acceptor) = (Arc::new(tiles), TlsAcceptor::from(Arc::new(tls)));
    let room = Arc::new(Semaphore::new(connections_max));
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                accepted = next(&listener, &room) => accepted,
            };
            let Some((stream, permit)) = accepted else {
                sleep(REFUSED_PAUSE).await;
                continue;
            };
            tiles.metrics.connections.inc();
            let connection = connection(stream, acceptor.clone(), tiles.clone(), stopping.clone());
            connections.spawn(async move {
                let _ = timeout(CONNECTION_LIFE, connection).await;
                drop(permit);
            });
        }
        // Dropping the set cuts what is still open then.
        let _ = timeout(DRAIN_GRACE, async { while connections.join_next().await.is_some() {} }).await;
    })
}

async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "the system refused a connection for tiles");
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    tiles: Arc<Tiles>,
    stopping: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
        tracing::debug!("a connection for tiles failed its handshake");
        return;
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let tiles = tiles.clone();
        async move {
            Ok::<_, Infallible>(match (request.method(), request.uri().path()) {
                (&Method::POST, "/enrol") => tiles.enrol(request.into_body()).await,
                (method, path) => tiles.answer(method, path).await,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection for tiles ended early");
    }
}
