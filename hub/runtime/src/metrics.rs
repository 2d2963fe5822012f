//! The registry that `/metrics` shows: every crate registers its own families once, all under the prefix `simpul`.

use std::{
    fmt, fs,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::gauge::ConstGauge,
    registry::Registry,
};

/// Content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The registry of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry that holds the figures of the process itself: resident memory, open files, threads.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("simpul");
        registry.register_collector(Box::new(Process));
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Lets a crate register its families. Ids, agencies' references and anything personal MUST NOT be labels.
    pub fn register<R>(&self, register: impl FnOnce(&mut Registry) -> R) -> R {
        register(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// OpenMetrics text of everything registered.
    ///
    /// # Errors
    /// Where a collector fails.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(out)
    }
}

/// Figures of this process, read from `/proc/self` at each scrape; a figure that cannot be read is left out.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: Option<u64>| {
            let Some(value) = value.and_then(|value| i64::try_from(value).ok()) else { return Ok(()) };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        gauge(
            "process_resident_bytes",
            "Resident memory",
            status_figure(&status, "VmRSS:").map(|kib| kib * 1_024),
        )?;
        gauge("process_threads", "Threads", status_figure(&status, "Threads:"))?;
        gauge("process_open_files", "Open file descriptors", files)
    }
}

/// The number after `name` in the text of `/proc/self/status`.
fn status_figure(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn what_a_crate_registers_is_shown_beside_the_process_figures() {
        let metrics = Metrics::new();
        let counter: Counter = Counter::default();
        metrics.register(|registry| registry.register("leaves", "Leaves committed", counter.clone()));
        counter.inc_by(3);
        let text = metrics.render().unwrap();
        assert!(text.contains("simpul_leaves_total 3"), "{text}");
        assert!(text.contains("simpul_process_resident_bytes "), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
