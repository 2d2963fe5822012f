//! Named tasks under watch: one that panics or ends before it was asked to is an ERROR line and a mark in health, never
//! a silence.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::health::{Component, Health, Need};

/// Starts and watches the long-running tasks of a process. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    health: Health,
    stopping: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Supervisor {
    /// Tasks may end once `stopping` is cancelled; before that it is a fault.
    pub fn new(health: Health, stopping: CancellationToken) -> Self {
        Self { health, stopping, tracker: TaskTracker::new(), running: Arc::default() }
    }

    /// The token that asks every task to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Runs a task under watch. It is a component of health under its name, ready from the start; the handle given back
    /// lets the task say more.
    pub fn spawn<F>(&self, name: &'static str, need: Need, task: F) -> Component
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.watch(name, need, tokio::spawn(task))
    }

    /// Watches a task, or a blocking one, that was started elsewhere.
    pub fn watch(&self, name: &'static str, need: Need, handle: JoinHandle<()>) -> Component {
        let component = self.health.component(name, need);
        component.ready();
        *self.lock().entry(name).or_default() += 1;
        let this = self.clone();
        let voice = component.clone();
        self.tracker.spawn(async move {
            let ended = handle.await;
            this.ended(name);
            match ended {
                Ok(()) if this.stopping.is_cancelled() => tracing::debug!(task = name, "task ended"),
                Ok(()) => {
                    tracing::error!(task = name, "task ended unexpectedly");
                    voice.failed("ended unexpectedly");
                }
                // The panic hook has said where; this says whose it was.
                Err(error) if error.is_panic() => {
                    tracing::error!(task = name, "task panicked");
                    voice.failed("panicked");
                }
                Err(_) => tracing::debug!(task = name, "task was aborted"),
            }
        });
        component
    }

    /// Waits until every task has ended, at most `grace`. Gives the names of those that have not.
    pub async fn join(&self, grace: Duration) -> Vec<&'static str> {
        self.tracker.close();
        let _ = tokio::time::timeout(grace, self.tracker.wait()).await;
        self.lock().keys().copied().collect()
    }

    fn ended(&self, name: &'static str) {
        let mut running = self.lock();
        if let Some(count) = running.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                running.remove(name);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_task_that_ends_early_or_panics_is_reported() {
        let health = Health::new();
        let tasks = Supervisor::new(health.clone(), CancellationToken::new());
        tasks.spawn("publisher", Need::Optional, async {});
        tasks.spawn("projection", Need::Required, async { panic!("a seeded fault") });
        assert_eq!(tasks.join(GRACE).await, Vec::<&str>::new());

        let report = health.report();
        let reasons: Vec<_> = report
            .components
            .iter()
            .map(|component| (component.name.as_str(), component.reason.as_str()))
            .collect();
        assert_eq!(reasons, [("projection", "panicked"), ("publisher", "ended unexpectedly")]);
        assert!(!report.live);
    }

    #[tokio::test]
    async fn a_task_that_ends_when_asked_is_no_fault_and_a_slow_one_is_named() {
        let health = Health::new();
        let tasks = Supervisor::new(health.clone(), CancellationToken::new());
        let stopping = tasks.stopping().clone();
        tasks.spawn("quick", Need::Required, async move { stopping.cancelled().await });
        tasks.spawn("slow", Need::Required, std::future::pending());
        tasks.stopping().cancel();
        assert_eq!(tasks.join(Duration::from_millis(50)).await, ["slow"]);
        assert!(health.report().live);
    }
}
