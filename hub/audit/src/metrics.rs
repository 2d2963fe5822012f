//! Counters of publishing.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// How one request to one witness ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Cosigned,
    Conflict,
    Refused,
    Nonsense,
    Away,
    Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    pub(crate) published: Counter,
}

static METRICS: LazyLock<Metrics> =
    LazyLock::new(|| Metrics { requests: Family::default(), published: Counter::default() });

pub(crate) fn get() -> &'static Metrics {
    &METRICS
}

impl Metrics {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.requests.get_or_create(&Labels { outcome }).inc();
    }
}

/// Adds them to a registry.
pub fn register(registry: &mut Registry) {
    let registry = registry.sub_registry_with_prefix("checkpoint");
    registry.register("published", "Checkpoints that were published", get().published.clone());
    registry.register("witness_requests", "Requests to witnesses, by how they ended", get().requests.clone());
}
