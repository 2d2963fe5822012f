//! What the service tells of itself. No ids, agencies or purposes as labels.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Outcome of a check: a verdict kind, `NO_RECORD`, `DENIED` or `FAILED`; closed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone)]
pub(crate) struct Metrics {
    checks: Family<Outcome, Counter>,
    seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // 100 µs to 1.6 s.
        Self { checks: Family::default(), seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)) }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("legality");
        registry.register("checks", "Checks by outcome", self.checks.clone());
        registry.register("check_seconds", "From question to signed answer", self.seconds.clone());
    }

    pub(crate) fn count(&self, outcome: &'static str) {
        self.checks.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn observe(&self, seconds: f64) {
        self.seconds.observe(seconds);
    }
}
