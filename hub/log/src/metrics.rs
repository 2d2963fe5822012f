//! Counters of the log.

use std::sync::LazyLock;

use prometheus_client::{metrics::counter::Counter, registry::Registry};

pub(crate) struct Metrics {
    pub(crate) frames: Counter,
    pub(crate) events: Counter,
}

static METRICS: LazyLock<Metrics> =
    LazyLock::new(|| Metrics { frames: Counter::default(), events: Counter::default() });

pub(crate) fn get() -> &'static Metrics {
    &METRICS
}

/// Adds the log's counters to a registry.
pub fn register(registry: &mut Registry) {
    let log = registry.sub_registry_with_prefix("log");
    log.register("frames", "Group commits that were flushed", get().frames.clone());
    log.register("events", "Events that were flushed", get().events.clone());
}
