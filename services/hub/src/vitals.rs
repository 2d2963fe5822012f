//! Keeps health, ours and gRPC's, behind what the parts say of themselves.

use std::time::Duration;

use simpul_admission::Admission;
use simpul_audit::Published;
use simpul_projection::ReadModels;
use simpul_publisher::Status;
use simpul_runtime::{Component, Health, Need};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::services;

/// How often the parts are asked.
const EVERY: Duration = Duration::from_millis(500);

/// The task that watches.
pub(crate) struct Vitals {
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

struct Watch {
    reporter: HealthReporter,
    admission: Admission,
    read_models: ReadModels,
    publisher: Status,
    checkpoints: [Published; 2],
    log: Component,
    projection: Component,
    publishing: Component,
    checkpoint: Component,
}

/// Starts watching. The log and the read models are required; NATS and witnesses are not.
pub(crate) fn watch(
    health: &Health,
    reporter: HealthReporter,
    admission: Admission,
    read_models: ReadModels,
    publisher: Status,
    checkpoints: [Published; 2],
) -> Vitals {
    let watch = Watch {
        reporter,
        admission,
        read_models,
        log: health.component("log", Need::Required),
        projection: health.component("projection", Need::Required),
        publishing: health.component("publisher", Need::Optional),
        checkpoint: health.component("checkpoint", Need::Optional),
        publisher,
        checkpoints,
    };
    watch.log.ready();
    watch.projection.ready();
    let stopping = CancellationToken::new();
    Vitals { task: tokio::spawn(watch.run(stopping.clone())), stopping }
}

impl Vitals {
    /// Tells callers that nothing is served any more, and ends.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        let _ = self.task.await;
    }
}

impl Watch {
    async fn run(self, stopping: CancellationToken) {
        let mut changed = self.publisher.subscribe();
        let mut poisoned = false;
        loop {
            changed.borrow_and_update();
            match self.publisher.degraded() {
                Some(reason) => self.publishing.degraded(reason),
                None => self.publishing.ready(),
            }
            match self.checkpoints.iter().find_map(Published::degraded) {
                Some(reason) => self.checkpoint.degraded(reason),
                None => self.checkpoint.ready(),
            }
            match self.read_models.health().failure {
                Some(reason) => self.projection.degraded(reason),
                None => self.projection.ready(),
            }
            if let Some(reason) = self.admission.stopped()
                && !poisoned
            {
                poisoned = true;
                tracing::error!(reason, "the log acknowledges nothing any more, restart the hub");
                self.log.failed(reason);
                self.set_all(ServingStatus::NotServing).await;
            }
            tokio::select! {
                () = stopping.cancelled() => break,
                // The sender lives as long as the publisher, which stops after this.
                _ = changed.changed() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        self.set_all(ServingStatus::NotServing).await;
    }

    async fn set_all(&self, status: ServingStatus) {
        for name in services::NAMES {
            self.reporter.set_service_status(*name, status).await;
        }
    }
}
