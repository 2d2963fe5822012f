//! The streams of one agency, and where they stand.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    stream::{Config, RawMessageErrorKind, Source, StorageType, Stream},
};
use simpul_types::{AgencyCode, View};

use crate::{cloud_event, config::NatsConfig, names, publish::PublishError};

/// Where an agency's stream stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Stream sequence of its last message ever; 0 for a new stream.
    pub(crate) stream_sequence: u64,
    /// What the last message says about itself; `None` where the stream holds no message any more or never had one.
    pub(crate) last: Option<LastMessage>,
}

/// Headers of the newest message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LastMessage {
    pub(crate) sequence: u64,
    pub(crate) id: String,
}

/// Makes sure that the agency's streams are there, and tells where the stream of changes stands. The server's answer, not
/// our own number, says what it holds: it may have lost its disk.
pub(crate) async fn prepare(
    context: &Context,
    agency: &AgencyCode,
    config: &NatsConfig,
) -> Result<Standing, PublishError> {
    let failed = |what: &'static str| move |error| PublishError::Stream { what, source: error };
    let wanted = changes(agency, config);
    let stream = context.get_or_create_stream(wanted.clone()).await;
    let stream = stream.map_err(|error| failed("open the stream")(error.into()))?;
    let found = &stream.cached_info().config;
    if found.max_age != wanted.max_age || found.duplicate_window != wanted.duplicate_window {
        let updated = context.update_stream(wanted).await;
        updated.map_err(|error| failed("update the stream")(error.into()))?;
    }
    for view in View::ALL {
        let last = context.get_or_create_stream(last_values(agency, *view)).await;
        last.map_err(|error| failed("open a last-value stream")(error.into()))?;
    }
    standing(&stream).await
}

async fn standing(stream: &Stream) -> Result<Standing, PublishError> {
    let state = &stream.cached_info().state;
    let stream_sequence = state.last_sequence;
    if state.messages == 0 {
        return Ok(Standing { stream_sequence, last: None });
    }
    let raw = match stream.get_raw_message(stream_sequence).await {
        Ok(raw) => raw,
        // It left with its document, when that was erased (`purge.rs`).
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
            return Ok(Standing { stream_sequence, last: None });
        }
        Err(error) => {
            return Err(PublishError::Stream { what: "read the last message", source: error.into() });
        }
    };
    let header = |name| raw.headers.get(name).and_then(|value| cloud_event::decode(value.as_str()));
    let sequence = header(cloud_event::SEQUENCE).and_then(|digits| digits.parse().ok());
    match (sequence, header(cloud_event::ID)) {
        (Some(sequence), Some(id)) => {
            Ok(Standing { stream_sequence, last: Some(LastMessage { sequence, id }) })
        }
        _ => Err(PublishError::Foreign),
    }
}

/// Every change, for as long as the configuration says; consumers keep their own place in it.
fn changes(agency: &AgencyCode, config: &NatsConfig) -> Config {
    Config {
        name: names::stream(agency),
        subjects: vec![names::subjects(agency)],
        storage: StorageType::File,
        max_age: config.max_age,
        // The server refuses a window longer than the age.
        duplicate_window: match config.max_age {
            Duration::ZERO => config.duplicate_window,
            max_age => config.duplicate_window.min(max_age),
        },
        allow_direct: true,
        deny_delete: true,
        num_replicas: 1,
        ..Config::default()
    }
}

/// The newest message of every document. The server itself fills it from the stream of changes, so that it can never
/// disagree with it and costs the hub nothing.
fn last_values(agency: &AgencyCode, view: View) -> Config {
    Config {
        name: names::last_stream(agency, view),
        storage: StorageType::File,
        max_messages_per_subject: 1,
        sources: Some(vec![Source {
            name: names::stream(agency),
            filter_subject: Some(names::view_subjects(agency, view)),
            ..Source::default()
        }]),
        allow_direct: true,
        num_replicas: 1,
        ..Config::default()
    }
}
