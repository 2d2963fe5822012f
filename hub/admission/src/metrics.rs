//! Figures of admission. Labels are closed lists, never ids.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use simpul_types::RejectReason;

/// Label set of a rejection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reason(pub(crate) &'static str);

impl EncodeLabelSet for Reason {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        use prometheus_client::encoding::EncodeLabel;
        ("reason", self.0).encode(encoder.encode_label())
    }
}

pub(crate) struct Metrics {
    pub(crate) submissions: Counter,
    pub(crate) events: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) rejections: Family<Reason, Counter>,
    pub(crate) strangers: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) judge_seconds: Histogram,
    pub(crate) gate_seconds: Histogram,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    submissions: Counter::default(),
    events: Counter::default(),
    duplicates: Counter::default(),
    rejections: Family::default(),
    strangers: Counter::default(),
    in_flight: Gauge::default(),
    judge_seconds: Histogram::new(exponential_buckets(20e-6, 2.0, 14)),
    gate_seconds: Histogram::new(exponential_buckets(1e-6, 2.0, 14)),
});

pub(crate) fn get() -> &'static Metrics {
    &METRICS
}

pub(crate) fn rejected(reason: RejectReason) {
    get().rejections.get_or_create(&Reason(reason.as_str_name())).inc();
}

/// Adds admission's figures to a registry.
pub fn register(registry: &mut Registry) {
    let admission = registry.sub_registry_with_prefix("admission");
    let metrics = get();
    admission.register("submissions", "Submissions admitted", metrics.submissions.clone());
    admission.register("events", "Events admitted", metrics.events.clone());
    admission.register(
        "duplicates",
        "Submissions answered with an earlier receipt",
        metrics.duplicates.clone(),
    );
    admission.register("rejections", "Submissions refused, by reason", metrics.rejections.clone());
    admission.register("strangers", "Submissions of undeclared agencies", metrics.strangers.clone());
    admission.register("in_flight", "Submissions between arrival and answer", metrics.in_flight.clone());
    admission.register("judge_seconds", "Time to judge one submission", metrics.judge_seconds.clone());
    admission.register(
        "gate_seconds",
        "Time at the gate, waiting for its lock included",
        metrics.gate_seconds.clone(),
    );
}
