//! Starting and stopping. The publisher has threads of its own, which run when nobody waits for the processor: what goes
//! to NATS is derived from the log and never takes time from those who wait for a receipt or an answer.

use std::{sync::Arc, time::Duration};

use simpul_log::Reader;
use simpul_projection::ReadModels;
use simpul_types::background::run_when_idle;
use tokio::{
    runtime::{self, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Config, ConfigError, Metrics, Outbox, OutboxError, Status, Visibility,
    feed::{Feed, HubFeed},
    publish::Publisher,
};

/// How long to wait before deriving is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why the publisher did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What is configured cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The outbox could not be opened.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The system gave no threads.
    #[error("threads of the publisher")]
    Threads(#[source] std::io::Error),
}

/// A running publisher. Dropping it stops it without waiting.
pub struct Handle {
    outbox: Outbox,
    status: Status,
    metrics: Metrics,
    tasks: Vec<JoinHandle<()>>,
    stopping: Option<DropGuard>,
    threads: Option<Runtime>,
}

/// Starts on a hub's read models and log.
///
/// # Errors
/// [`StartError`].
pub fn start(
    config: Config,
    read_models: ReadModels,
    reader: Reader,
    visibility: Arc<dyn Visibility>,
) -> Result<Handle, StartError> {
    start_on(config, Arc::new(HubFeed { read_models, reader }), visibility)
}

/// Starts on any feed of changes.
///
/// # Errors
/// [`StartError`].
pub fn start_on(
    config: Config,
    feed: Arc<dyn Feed>,
    visibility: Arc<dyn Visibility>,
) -> Result<Handle, StartError> {
    if let Some(nats) = &config.nats {
        nats.check()?;
    }
    let outbox = Outbox::open(&config.dir, config.cache_bytes, feed, visibility)?;
    let threads = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("publisher")
        .on_thread_start(|| run_when_idle(true))
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let (status, metrics) = (Status::new(config.nats.is_some()), Metrics::default());
    let stopping = CancellationToken::new();
    let deriving = Deriving {
        outbox: outbox.clone(),
        batch_changes_max: config.batch_changes_max.max(1),
        status: status.clone(),
        metrics: metrics.clone(),
        stopping: stopping.clone(),
    };
    let mut tasks = vec![threads.spawn(deriving.run())];
    if let Some(nats) = config.nats {
        let publisher = Publisher {
            outbox: outbox.clone(),
            origin: config.origin,
            config: nats,
            status: status.clone(),
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        };
        tasks.push(threads.spawn(Arc::new(publisher).run()));
    }
    let (stopping, threads) = (Some(stopping.drop_guard()), Some(threads));
    Ok(Handle { outbox, status, metrics, tasks, stopping, threads })
}

impl Handle {
    /// The outboxes; work with NATS away or not configured.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// How publishing is going.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits for what is in flight, then writes everything to the disk. What was not published goes out after the next
    /// start.
    pub async fn stop(mut self) {
        drop(self.stopping.take());
        for task in self.tasks.drain(..) {
            if task.await.is_err() {
                tracing::error!("a task of the publisher panicked");
            }
        }
        let outbox = self.outbox.clone();
        let flushed = tokio::task::spawn_blocking(move || outbox.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the outbox could not be flushed; what is missing is derived again");
        }
    }
}

impl Drop for Handle {
    /// A runtime must not be waited for inside another.
    fn drop(&mut self) {
        drop(self.stopping.take());
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Keeps the outboxes behind the read models.
struct Deriving {
    outbox: Outbox,
    batch_changes_max: usize,
    status: Status,
    metrics: Metrics,
    stopping: CancellationToken,
}

impl Deriving {
    async fn run(self) {
        let this = Arc::new(self);
        let mut changes = this.outbox.feed().subscribe();
        while !this.stopping.is_cancelled() {
            changes.borrow_and_update();
            let worker = this.clone();
            let derived = tokio::task::spawn_blocking(move || worker.catch_up()).await;
            let trouble = match derived {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                // The panic hook has said where; there is no sound way on without a restart.
                Err(_) => {
                    this.say(Some("deriving panicked".into()));
                    return;
                }
            };
            let failed = trouble.is_some();
            this.say(trouble);
            tokio::select! {
                () = this.stopping.cancelled() => break,
                () = tokio::time::sleep(RETRY_AFTER), if failed => {}
                changed = changes.changed(), if !failed => if changed.is_err() {
                    // The read models have stopped: nothing more will come.
                    this.stopping.cancelled().await;
                },
            }
        }
    }

    fn catch_up(&self) -> Result<(), OutboxError> {
        while !self.stopping.is_cancelled() {
            let count = self.outbox.derive(self.batch_changes_max)?;
            if count == 0 {
                break;
            }
            self.metrics.derived.inc_by(count as u64);
        }
        Ok(())
    }

    fn say(&self, trouble: Option<String>) {
        let reason = trouble.clone();
        if self.status.set_deriving(trouble) {
            match reason {
                Some(reason) => tracing::error!(reason, "the outbox has stopped"),
                None => tracing::info!("the outbox goes on"),
            }
        }
    }
}
