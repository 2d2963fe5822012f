//! Counters of the log.

use std::sync::{LazyLock, atomic::AtomicI64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

pub(crate) struct Metrics {
    pub(crate) frames: Counter,
    pub(crate) events: Counter,
    pub(crate) damages: Gauge<i64, AtomicI64>,
    pub(crate) scrub_bytes: Counter,
    pub(crate) scrub_passes: Counter,
    pub(crate) hashes_mended: Counter,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    frames: Counter::default(),
    events: Counter::default(),
    damages: Gauge::default(),
    scrub_bytes: Counter::default(),
    scrub_passes: Counter::default(),
    hashes_mended: Counter::default(),
});

pub(crate) fn get() -> &'static Metrics {
    &METRICS
}

/// Adds the log's counters to a registry.
pub fn register(registry: &mut Registry) {
    let log = registry.sub_registry_with_prefix("log");
    log.register("frames", "Group commits that were flushed", get().frames.clone());
    log.register("events", "Events that were flushed", get().events.clone());
    log.register("damages", "Damaged stretches of stored bytes that are known", get().damages.clone());
    log.register("scrub_bytes", "Bytes of sealed segments that were read again", get().scrub_bytes.clone());
    log.register("scrub_passes", "Passes through all sealed segments", get().scrub_passes.clone());
    log.register("hashes_mended", "Stored hashes that were written anew", get().hashes_mended.clone());
}
