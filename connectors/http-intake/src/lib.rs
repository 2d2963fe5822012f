//! Connector kind: JSON that a case system posts, one record a request.
//!
//! ```text
//! POST /v1/case-updates        Authorization: Bearer <token of the token file>
//!   202 {"offer":"new"}        durable in the spool; also for a record that is known already ("unchanged")
//!   400 {"field","reason"}     the body or one field of it; the body goes to quarantine too
//!   401                        no token, or another
//!   409 {"field","reason"}     this version was posted with other content, or a newer one is known
//!   413                        larger than `body_bytes_max`
//!   429 Retry-After: 5         the spool is full; nothing was taken
//!   503                        the spool cannot be written
//! GET /healthz                 200, or 503 where the spool is full
//! ```
//!
//! It listens on loopback only: the case system runs beside it, and whoever wants more puts a proxy with TLS in front.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};
use simpul_connector::{
    Intake, Mapping, Offer, RecordError, SpoolError,
    intake::{OfferError, Origin},
    map::Record,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where it listens and what it takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Loopback address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Request path.
    #[serde(default = "path")]
    pub path: String,
    /// File with the bearer token, one line.
    pub token_file: PathBuf,
    /// Mapping file.
    pub mapping: PathBuf,
    /// Bytes of one body.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: usize,
}

fn path() -> String {
    "/v1/case-updates".into()
}

fn body_bytes_max() -> usize {
    256 * 1_024
}

/// A bound listener that does not take requests yet.
pub struct HttpIntake {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
}

/// Why it cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not loopback.
    #[error("listen {0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The token file.
    #[error("token file {path}")]
    Token {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path.
    #[error("path {0:?} must begin with '/' and hold no '{{', '}}' or '*'")]
    Path(String),
    /// The port.
    #[error("listening on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

struct Shared {
    mapping: Mapping,
    intake: Intake,
    path: String,
    /// SHA-256 of the token: digests are compared, so that time tells nothing about the token.
    token: digest::Digest,
}

impl HttpIntake {
    /// Reads the token and binds the port.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(config: Config, mapping: Mapping, intake: Intake) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(config.listen));
        }
        if !config.path.starts_with('/') || config.path.contains(['{', '}', '*']) {
            return Err(StartError::Path(config.path));
        }
        let token = read_token(&config.token_file)?;
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let path = config.path.clone();
        let shared = Arc::new(Shared { mapping, intake, path, token });
        let router = Router::new()
            .route(&config.path, post(take))
            .route("/healthz", get(health))
            .layer(DefaultBodyLimit::max(config.body_bytes_max))
            .with_state(shared);
        Ok(Self { listener, router, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes requests until stopped; those under way are answered.
    ///
    /// # Errors
    /// The listener's.
    pub async fn serve(self, stop: CancellationToken) -> io::Result<()> {
        axum::serve(self.listener, self.router).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

fn read_token(path: &Path) -> Result<digest::Digest, StartError> {
    let failed = |source| StartError::Token { path: path.to_path_buf(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    match text.trim() {
        token if token.len() >= 16 => Ok(digest::digest(&digest::SHA256, token.as_bytes())),
        _ => {
            Err(failed(io::Error::new(io::ErrorKind::InvalidData, "the token has fewer than 16 characters")))
        }
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !shared.knows(&headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    let body = match body {
        Ok(body) => body,
        // 413 where it is too large.
        Err(rejection) => return rejection.status().into_response(),
    };
    match shared.take(&body).await {
        Ok(offer @ (Offer::New | Offer::Changed | Offer::Unchanged)) => {
            (StatusCode::ACCEPTED, Json(json!({ "offer": word(offer) }))).into_response()
        }
        Ok(Offer::Conflict) => {
            refusal(StatusCode::CONFLICT, "version", "this version was posted with other content")
        }
        Ok(Offer::Stale) => refusal(StatusCode::CONFLICT, "version", "a newer version is known"),
        Err(OfferError::Record(error)) => {
            let origin = Origin { file: &shared.path, line: 1 };
            if let Err(error) = shared.intake.set_aside(origin, &error, &body).await {
                return unavailable(&error);
            }
            refusal(StatusCode::BAD_REQUEST, &error.field, &error.reason)
        }
        Err(OfferError::Spool(SpoolError::Full(_))) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")]).into_response()
        }
        Err(OfferError::Spool(SpoolError::TooLarge(_))) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(OfferError::Spool(error)) => unavailable(&error),
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> StatusCode {
    let full = shared.intake.spool.waiting() >= shared.intake.spool.events_max();
    if full { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

impl Shared {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
        digest::digest(&digest::SHA256, token.trim().as_bytes()).as_ref() == self.token.as_ref()
    }

    async fn take(&self, body: &[u8]) -> Result<Offer, OfferError> {
        let document: Value = serde_json::from_slice(body).map_err(|error| {
            let reason = format!("is not JSON, line {} column {}", error.line(), error.column());
            RecordError::new("body", reason)
        })?;
        let mapped = self.mapping.map(Record::Json(&document))?;
        let mut batch = self.intake.batch();
        let offer = batch.offer(&self.mapping, mapped, Origin { file: &self.path, line: 1 })?;
        batch.commit().await?;
        Ok(offer)
    }
}

fn word(offer: Offer) -> &'static str {
    match offer {
        Offer::New => "new",
        Offer::Changed => "changed",
        Offer::Unchanged => "unchanged",
        Offer::Stale => "stale",
        Offer::Conflict => "conflict",
    }
}

fn refusal(status: StatusCode, field: &str, reason: &str) -> Response {
    (status, Json(json!({ "field": field, "reason": reason }))).into_response()
}

fn unavailable(error: &SpoolError) -> Response {
    tracing::error!(%error, "the spool does not take what was posted");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

#[cfg(test)]
mod tests;
