//! An executed erasure on NATS: every message of a document that an erased event changed leaves the agency's streams, the last values
//! among them. What the document shows since is told with its next change, and whoever asks the hub sees it at once.
//!
//! The server is asked for the subject: the outbox knows which sequence told of an erased event, and not of which document. Purged
//! while nothing is in flight, so that nothing read before the keys died is stored behind it.

use std::collections::BTreeSet;

use async_nats::jetstream::{
    Context,
    stream::{RawMessageErrorKind, Stream},
};
use simpul_types::{AgencyCode, Position, View};

use crate::{names, outbox::Outbox, publish::PublishError};

/// Purges what executions from the outbox's number on have erased. `published` is the last sequence that the agency's stream holds,
/// at `stream_sequence`. Gives whether there was an execution.
pub(crate) async fn purge(
    context: &Context,
    outbox: &Outbox,
    agency: &AgencyCode,
    published: u64,
    stream_sequence: u64,
) -> Result<bool, PublishError> {
    let (reading, of) = (outbox.clone(), agency.clone());
    let read = tokio::task::spawn_blocking(move || reading.erased_since(&of, published));
    let Some((next, told)) = read.await.map_err(|_| PublishError::Panicked)?? else { return Ok(false) };
    // The stream's last message may go too, and then only our own number tells how far it came.
    outbox.flush()?;
    let failed = |what: &'static str| move |source| PublishError::Stream { what, source };
    let changes = context.get_stream(names::stream(agency)).await;
    let changes = changes.map_err(|error| failed("open the stream")(error.into()))?;
    let mut subjects: BTreeSet<(String, View)> = BTreeSet::new();
    for (sequence, view) in told {
        // Outbox and stream grow together, so their numbers are always equally far apart.
        let Some(at) = stream_sequence.checked_sub(published - sequence) else { continue };
        if let Some(subject) = subject_at(&changes, at).await? {
            subjects.insert((subject, view));
        }
    }
    for (subject, view) in &subjects {
        let last = context.get_stream(names::last_stream(agency, *view)).await;
        let last = last.map_err(|error| failed("open a last-value stream")(error.into()))?;
        for stream in [&changes, &last] {
            let purged = stream.purge().filter(subject.as_str()).await;
            purged.map_err(|error| failed("purge what was erased")(error.into()))?;
        }
    }
    outbox.set_purged(agency, next)?;
    tracing::info!(%agency, documents = subjects.len(), position = next.get(), "documents of erased events left the agency's streams");
    Ok(true)
}

/// `None` where the message has gone: by age, or with its document.
async fn subject_at(stream: &Stream, sequence: u64) -> Result<Option<String>, PublishError> {
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(message.subject.to_string())),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(PublishError::Stream { what: "read a message", source: error.into() }),
    }
}

/// Where to look for executions next, and the sequences that told of erased events, each with its view.
pub(crate) type Told = (Position, Vec<(u64, View)>);
