//! Keeps health, ours and gRPC's, behind what the parts say of themselves.

use std::time::Duration;

use simpul_admission::Admission;
use simpul_audit::Published;
use simpul_log::{Condition, Reader};
use simpul_projection::ReadModels;
use simpul_publisher::Status;
use simpul_runtime::{Component, Health, Need};
use tokio::{sync::watch, task::JoinHandle};
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

/// The parts that are asked. The log and the read models are required; NATS, witnesses and the hub's own words are not.
pub(crate) struct Sources {
    pub(crate) admission: Admission,
    pub(crate) read_models: ReadModels,
    pub(crate) publisher: Status,
    pub(crate) checkpoints: [Published; 2],
    pub(crate) logs: [(&'static str, Reader); 2],
    /// Why nobody hears of answers that changed; `None` where the hub says nothing of its own.
    pub(crate) unsaid: Option<watch::Receiver<Option<String>>>,
}

struct Watch {
    reporter: HealthReporter,
    sources: Sources,
    stored: [Component; 2],
    projection: Component,
    publishing: Component,
    checkpoint: Component,
    own_words: Component,
}

/// Starts watching.
pub(crate) fn watch(health: &Health, reporter: HealthReporter, sources: Sources) -> Vitals {
    let watch = Watch {
        reporter,
        stored: sources.logs.each_ref().map(|(name, _)| health.component(*name, Need::Required)),
        projection: health.component("projection", Need::Required),
        publishing: health.component("publisher", Need::Optional),
        checkpoint: health.component("checkpoint", Need::Optional),
        own_words: health.component("own words", Need::Optional),
        sources,
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
        let mut changed = self.sources.publisher.subscribe();
        let mut poisoned = false;
        loop {
            changed.borrow_and_update();
            match self.sources.publisher.degraded() {
                Some(reason) => self.publishing.degraded(reason),
                None => self.publishing.ready(),
            }
            match self.sources.checkpoints.iter().find_map(Published::degraded) {
                Some(reason) => self.checkpoint.degraded(reason),
                None => self.checkpoint.ready(),
            }
            match self.sources.unsaid.as_ref().and_then(|unsaid| unsaid.borrow().clone()) {
                Some(reason) => self.own_words.degraded(reason),
                None => self.own_words.ready(),
            }
            match self.sources.read_models.health().failure {
                Some(reason) => self.projection.degraded(reason),
                None => self.projection.ready(),
            }
            for ((_, reader), component) in self.sources.logs.iter().zip(&self.stored) {
                match damage(&reader.condition()) {
                    Some(reason) => component.degraded(reason),
                    None => component.ready(),
                }
            }
            let read_only = self.sources.logs[0].1.condition().read_only.is_some();
            if let Some(reason) = self.sources.admission.stopped()
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
