//! Log lines on standard error, as text for people or JSON for machines, filtered as the configuration says.
//!
//! PII-1: the lines hold what the code gives them, and the code gives them ids and counts only. The one way around that
//! is the message of a panic, which can hold any value, so the panic hook writes a panic's place, and its message only
//! where that is a literal.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    sync::LazyLock,
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The `[telemetry]` section that every process has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// `text` or `json`.
    pub format: Format,
    /// Directives of `tracing_subscriber::EnvFilter`, for example `info,simpul_log=debug`.
    pub filter: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { format: Format::Text, filter: "info,async_nats=warn,h2=error".into() }
    }
}

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("telemetry.filter is not a list of directives")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// It was started before.
    #[error("telemetry was started before")]
    Again(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts log lines on standard error and takes over the panic hook. Once per process.
///
/// # Errors
/// [`TelemetryError`].
pub fn init_telemetry(format: Format, filter: &str) -> Result<(), TelemetryError> {
    subscriber(format, filter, io::stderr().is_terminal(), io::stderr)?
        .try_init()
        .map_err(TelemetryError::Again)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    format: Format,
    filter: &str,
    color: bool,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(color).with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    Ok(match format {
        Format::Text => Box::new(registry.with(lines)),
        Format::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    })
}

/// Panics since the start.
static PANICS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Shows how many panics there were.
pub fn register_panics(registry: &mut Registry) {
    registry.register("panics", "Panics, each contained in its task", PANICS.clone());
}

fn log_panic(info: &PanicHookInfo<'_>) {
    PANICS.inc();
    // A `String` was formatted from values, and nobody knows which; a literal was written by one of us.
    let message = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(message, place, thread, "panic");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, filter: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_objects_with_their_fields() {
        let text = written(Format::Json, "info", || {
            tracing::info!(leaf = 7, "committed");
            tracing::debug!("not shown");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&line["leaf"], &line["message"], &line["level"]),
            (&7.into(), &"committed".into(), &"INFO".into())
        );
    }

    #[test]
    fn the_filter_picks_lines_and_a_wrong_one_is_refused() {
        let text = written(Format::Text, "simpul_runtime=debug,warn", || tracing::debug!("shown"));
        assert!(text.contains("shown") && text.lines().count() == 1, "{text}");
        assert!(subscriber(Format::Text, "info,=[[", false, io::stderr).is_err());
    }

    #[test]
    fn pii_1_a_panic_is_logged_with_its_place_and_without_formatted_values() {
        let before = panic::take_hook();
        let text = written(Format::Text, "info", || {
            panic::set_hook(Box::new(log_panic));
            let secret = "3174015203900001";
            let _ = panic::catch_unwind(|| panic!("cannot read {secret}"));
            let _ = panic::catch_unwind(|| panic!("a literal"));
        });
        panic::set_hook(before);
        assert!(!text.contains("3174015203900001"), "{text}");
        assert!(text.contains("telemetry.rs") && text.contains("a literal"), "{text}");
    }
}
