//! The accept loop: TCP, TLS handshake, caller, and on to tonic. A slow or broken client never holds up another.

use std::{io, sync::Arc, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{CallerError, Connection, caller},
    guests::Guests,
};

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Finished handshakes that wait for tonic, which takes them at once.
const READY_MAX: usize = 64;
/// Pause after the system refused a connection, for example for want of file descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// What the accept loop counts.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    accepted: Counter,
    refused: Counter,
    open: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("listener");
        registry.register("accepted", "Connections whose client was identified", self.accepted.clone());
        registry.register("refused", "Connections that failed before that", self.refused.clone());
        registry.register("handshakes_and_connections", "Connections held now", self.open.clone());
    }
}

/// Accepts until `stopping` is cancelled; the receiver ends then. `cut` ends the connections themselves.
pub(crate) fn accept(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    connections_max: usize,
    guests: Arc<Guests>,
    metrics: Metrics,
    stopping: CancellationToken,
    cut: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(READY_MAX);
    let room = Arc::new(Semaphore::new(connections_max));
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = next(&listener, &room) => accepted,
            };
            let Some((stream, permit)) = accepted else {
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            };
            metrics.open.set(i64::try_from(connections_max - room.available_permits()).unwrap_or(i64::MAX));
            let (acceptor, ready, metrics) = (acceptor.clone(), ready.clone(), metrics.clone());
            let (cut, guests) = (cut.clone(), Arc::clone(&guests));
            tokio::spawn(async move {
                match identify(&acceptor, stream, permit, &guests, &cut).await {
                    Ok(connection) => {
                        metrics.accepted.inc();
                        // Fails only when tonic has stopped.
                        let _ = ready.send(Ok(connection)).await;
                    }
                    Err(reason) => {
                        metrics.refused.inc();
                        tracing::debug!(reason, "connection refused");
                    }
                }
            });
        }
    });
    connections
}

async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "the system refused a connection");
            None
        }
    }
}

async fn identify(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    guests: &Arc<Guests>,
    cut: &CancellationToken,
) -> Result<Connection, String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    let stream = handshake.map_err(|_| "handshake timed out")?.map_err(|error| error.to_string())?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let caller = certificates.first().ok_or(CallerError::NoCertificate).and_then(|first| caller(first));
    let caller = caller.map_err(|error| error.to_string())?;
    let seat = guests.admit(&caller, cut).map_err(|error| error.to_string())?;
    Ok(Connection::new(stream, caller, seat, permit))
}
