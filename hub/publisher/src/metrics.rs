//! What the publisher counts.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// Counters of the publisher; register them once.
#[derive(Clone, Default)]
pub struct Metrics {
    /// Changes that went through derivation.
    pub(crate) derived: Counter,
    /// Messages that JetStream acknowledged.
    pub(crate) published: Counter,
    /// Sessions with one agency's stream that failed and were begun again.
    pub(crate) failures: Counter,
    /// Documents that were too large for NATS and were announced without a body.
    pub(crate) oversized: Counter,
    /// 1 while NATS is connected.
    pub(crate) connected: Gauge,
    /// Messages of all agencies that NATS has not acknowledged.
    pub(crate) pending: Gauge,
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("publisher");
        registry.register("changes", "Changes derived into outboxes", self.derived.clone());
        registry.register("messages", "Messages acknowledged by JetStream", self.published.clone());
        registry.register("failures", "Publishing sessions that failed", self.failures.clone());
        registry.register("oversized", "Documents announced without a body", self.oversized.clone());
        registry.register("connected", "1 while NATS is connected", self.connected.clone());
        registry.register("pending", "Messages that wait for NATS", self.pending.clone());
    }
}
