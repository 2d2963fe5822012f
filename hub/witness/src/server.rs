//! The witness over HTTP/1.1, with TLS or, for a proxy on the same machine, without.
//!
//! ```text
//! POST /add-checkpoint                      200 cosignature lines · 400 · 403 · 404 · 409 text/x.tlog.size · 413 · 422 · 5xx
//! GET  /<sha256 of origin, hex>/checkpoint  200 the newest cosigned checkpoint · 404
//! ```
//!
//! There is no authentication beyond the log's signature, so everything is bounded: connections, bodies, times.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    judge::Refusal,
    request::REQUEST_BYTES_MAX,
    witness::{Answer, Witness},
};

/// Media type of the body of a 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

const TEXT_TYPE: &str = "text/plain; charset=utf-8";
/// Logs and monitors are few; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;
/// Time for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the body of a request; 64 KiB.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Age at which a connection is closed after its answer; whoever asks again connects anew.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// Time for answers under way once the process stops.
const DRAIN: Duration = Duration::from_secs(2);
/// Pause after the system refused a connection, for example for want of file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopping` is cancelled, and then for the answers under way. `tls` is `None` for plain HTTP; whether the
/// listener may do that is the caller's to decide.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    witness: Arc<Witness>,
    stopping: CancellationToken,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let stream = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(REFUSED_PAUSE).await;
            continue;
        };
        let (acceptor, witness, stopping) = (acceptor.clone(), Arc::clone(&witness), stopping.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, acceptor, witness, stopping).await {
                tracing::debug!(error, "connection ended");
            }
            drop(permit);
        });
    }
    // Every connection gives its permit back when it has ended.
    let _ = tokio::time::timeout(DRAIN, room.acquire_many(CONNECTIONS_MAX as u32)).await;
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    witness: Arc<Witness>,
    stopping: CancellationToken,
) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    stream.set_nodelay(true).map_err(text)?;
    match acceptor {
        None => exchange(stream, witness, stopping).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await;
            exchange(handshake.map_err(|_| "handshake timed out")?.map_err(text)?, witness, stopping).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    witness: Arc<Witness>,
    stopping: CancellationToken,
) -> Result<(), String> {
    let service = service_fn(move |request| {
        let witness = Arc::clone(&witness);
        async move { Ok::<_, Infallible>(respond(request, witness).await) }
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        () = stopping.cancelled() => None,
        () = tokio::time::sleep(CONNECTION_AGE_MAX) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(DRAIN + BODY_TIMEOUT, serving).await.map_err(|_| "cut")?
        }
    };
    ended.map_err(|error| error.to_string())
}

async fn respond(request: Request<Incoming>, witness: Arc<Witness>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/add-checkpoint" {
        if request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "POST it\n");
        }
        return add_checkpoint(request, witness).await;
    }
    let Some(hash) = path.strip_prefix('/').and_then(|rest| rest.strip_suffix("/checkpoint")) else {
        return text(StatusCode::NOT_FOUND, "POST /add-checkpoint, GET /<sha256 of origin>/checkpoint\n");
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET it\n");
    }
    match witness.newest(hash) {
        Some(note) => text(StatusCode::OK, note),
        None => text(StatusCode::NOT_FOUND, "nothing was cosigned for an origin of this hash\n"),
    }
}

async fn add_checkpoint(request: Request<Incoming>, witness: Arc<Witness>) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n");
        }
        Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "the body broke off\n"),
        Ok(Ok(body)) => body.to_bytes(),
    };
    // A client that goes away meanwhile changes nothing: the judgement runs to its end.
    let judged = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match judged {
        Ok(Answer::Cosigned(line)) => text(StatusCode::OK, line),
        Ok(Answer::Refused(refusal)) => refused(&refusal),
        Ok(Answer::Poisoned | Answer::Fault(_)) | Err(_) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot keep its record\n")
        }
    }
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    tracing::info!(status = refusal.status(), %refusal, "refused");
    if let Refusal::Conflict { recorded, .. } = refusal {
        return answer(StatusCode::CONFLICT, SIZE_TYPE, format!("{recorded}\n"));
    }
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    text(status, format!("{refusal}\n"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, TEXT_TYPE, body)
}

fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}
