//! One way to stop: the first SIGINT or SIGTERM asks every part to finish, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that a second signal ended: 128 + SIGINT, as shells report it.
const EXIT_FORCED: i32 = 130;

/// Listens from now on. The token is cancelled by the first signal; the second ends the process without waiting for
/// anything, which is safe because nothing unflushed was ever acknowledged (LOG-2).
///
/// MUST be called inside a tokio runtime.
///
/// # Errors
/// Where the system refuses a signal handler.
pub fn shutdown_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stopping = CancellationToken::new();
    let token = stopping.clone();
    tokio::spawn(async move {
        let name = next(&mut interrupt, &mut terminate).await;
        tracing::info!(signal = name, "stopping");
        token.cancel();
        let name = next(&mut interrupt, &mut terminate).await;
        tracing::warn!(signal = name, "second signal, leaving at once");
        std::process::exit(EXIT_FORCED);
    });
    Ok(stopping)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
