//! Keeps health, ours and gRPC's, behind what the parts say of themselves.

use std::time::Duration;

use simpul_admission::Admission;
use simpul_audit::Published;
use simpul_log::{Condition, Reader};
use simpul_projection::ReadModels;
use simpul_publisher::Status;
use simpul_runtime::{Component, Health, Need};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::services;

/// How often the parts are asked.
const EVERY: Duration = Duration::from_millis(500);

const SUBMISSIONS: &str = "simpul.v1.SubmissionService";
/// Damages named in a health reason; the rest is counted.
const NAMED_MAX: usize = 3;

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
    logs: [(&'static str, Reader); 2],
    stored: [Component; 2],
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
    logs: [(&'static str, Reader); 2],
) -> Vitals {
    let watch = Watch {
        reporter,
        admission,
        read_models,
        stored: logs.each_ref().map(|(name, _)| health.component(*name, Need::Required)),
        logs,
        projection: health.component("projection", Need::Required),
        publishing: health.component("publisher", Need::Optional),
        checkpoint: health.component("checkpoint", Need::Optional),
        publisher,
        checkpoints,
    };
    watch.stored.iter().for_each(Component::ready);
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
            for ((_, reader), component) in self.logs.iter().zip(&self.stored) {
                match damage(&reader.condition()) {
                    Some(reason) => component.degraded(reason),
                    None => component.ready(),
                }
            }
            let read_only = self.logs[0].1.condition().read_only.is_some();
            if let Some(reason) = self.admission.stopped()
                && !poisoned
            {
                poisoned = true;
                if read_only {
                    // Everything that is not damaged is still served.
                    self.reporter.set_service_status(SUBMISSIONS, ServingStatus::NotServing).await;
                } else {
                    tracing::error!(reason, "the log acknowledges nothing any more, restart the hub");
                    self.stored[0].failed(reason);
                    self.set_all(ServingStatus::NotServing).await;
                }
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

/// What is damaged, as health says it; `None` where nothing is.
fn damage(condition: &Condition) -> Option<String> {
    let Condition { damages, read_only, .. } = condition;
    if damages.is_empty() && read_only.is_none() {
        return None;
    }
    let mut reason: Vec<String> = damages.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if damages.len() > NAMED_MAX {
        reason.push(format!("and {} more", damages.len() - NAMED_MAX));
    }
    reason.extend(read_only.as_ref().map(|why| format!("read-only: {why}")));
    Some(format!("damaged: {}", reason.join("; ")))
}
