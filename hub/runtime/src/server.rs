//! `/metrics`, `/healthz` and `/readyz` for whoever operates the process. Without authentication, so on loopback only.

use std::{io, net::SocketAddr};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    health::Health,
    metrics::{CONTENT_TYPE, Metrics},
};

/// Why the address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another machine could read it.
    #[error("{0} is not a loopback address; metrics are served on loopback only")]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {0}")]
    Bind(SocketAddr, #[source] io::Error),
}

/// Listens on a loopback address; port 0 lets the system choose, and the listener knows which.
///
/// # Errors
/// [`BindError`].
pub async fn bind_loopback(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|error| BindError::Bind(address, error))
}

/// Serves until `stopping` is cancelled.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    health: Health,
    stopping: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(show_metrics).with_state(metrics))
        .route("/healthz", get(show_live).with_state(health.clone()))
        .route("/readyz", get(show_ready).with_state(health));
    axum::serve(listener, routes).with_graceful_shutdown(stopping.cancelled_owned()).await
}

async fn show_metrics(State(metrics): State<Metrics>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn show_live(State(health): State<Health>) -> Response {
    let report = health.report();
    (status(report.live), Json(report)).into_response()
}

async fn show_ready(State(health): State<Health>) -> Response {
    let report = health.report();
    (status(report.ready), Json(report)).into_response()
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::health::Need;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_and_metrics_are_served_until_it_is_asked_to_stop() {
        let listener = bind_loopback("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, stopping) = (Health::new(), CancellationToken::new());
        let log = health.component("log", Need::Required);
        let serving = tokio::spawn(serve(listener, Metrics::new(), health, stopping.clone()));

        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(fetch(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        log.ready();
        let ready = fetch(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""name":"log""#), "{ready}");
        assert!(fetch(address, "/metrics").await.contains("simpul_process_threads"));
        log.failed("flush failed");
        assert!(fetch(address, "/healthz").await.starts_with("HTTP/1.1 503"));

        stopping.cancel();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_that_others_can_reach_is_refused() {
        let refused = bind_loopback("0.0.0.0:0".parse().unwrap()).await;
        assert!(matches!(refused, Err(BindError::NotLoopback(_))));
    }
}
