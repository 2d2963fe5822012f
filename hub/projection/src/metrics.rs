//! What the projection tells of itself. No ids as labels.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// Counters and gauges of the projection.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) events: Counter,
    pub(crate) batches: Counter,
    pub(crate) failures: Counter,
    pub(crate) gaps: Gauge<u64, AtomicU64>,
    pub(crate) position: Gauge<u64, AtomicU64>,
    pub(crate) log_end: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("projection");
        registry.register("events", "Events folded into the read models", self.events.clone());
        registry.register("batches", "Batches committed", self.batches.clone());
        registry.register("failures", "Batches thrown away and folded again", self.failures.clone());
        registry.register("gaps", "Events whose payload could not be read", self.gaps.clone());
        registry.register("position", "Position of the next event to fold", self.position.clone());
        registry.register("log_end", "Position after the last event of the log", self.log_end.clone());
    }
}
