//! Erasure at the gate: one event of the register a submission, judged by `hub/erasure` against what the log has committed. While
//! another is on its way the sender is asked to come again: an approval that is not committed yet must not count, and there are few.

use simpul_audit::{Erasures, RegisterError};
use simpul_erasure::{Entry, Event as Said, Rules};
use simpul_log::{Appender, Reader};
use simpul_signing::sha256;
use simpul_types::{Event, RejectReason, Rejection, StreamName, Submission, Timestamp, erasure};

/// The register, and the least that the hub asks of a request.
pub(crate) struct Gatekeeper {
    rules: Rules,
    read: Erasures,
}

impl Gatekeeper {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, read: Erasures::default() }
    }

    /// Judges a submission; the streams that it erases, where it is an execution.
    pub(crate) fn check(
        &mut self,
        appender: &Appender,
        reader: &Reader,
        submission: &Submission,
        now: Timestamp,
    ) -> Result<Option<Vec<StreamName>>, Rejection> {
        let is_erasure = |event: &Event| event.header.event_type.as_str().starts_with(erasure::EVENT_PACKAGE);
        if !submission.events.iter().any(is_erasure) {
            return Ok(None);
        }
        let [event] = &submission.events[..] else {
            let message = "an erasure event is the only one of its submission";
            return Err(Rejection::new(RejectReason::InvalidPayload, message).at("events"));
        };
        let committed = reader.stream(&erasure::register()).len() as u64;
        if appender.stream_version(&erasure::register()) != committed {
            let message = "another erasure event is on its way; send the same bytes again later";
            return Err(Rejection::new(RejectReason::QueueFull, message));
        }
        self.catch_up(reader).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the register of erasures cannot be read"
            );
            let message = "the register of erasures cannot be read; the hub's operator is told where";
            Rejection::new(RejectReason::BrokenChain, message)
        })?;
        let said = decode(event)
            .map_err(|rule| Rejection::new(RejectReason::InvalidPayload, rule).at("events[0].payload"))?;
        let (agency, key_id) = (&submission.statement.sender.agency, &submission.key_id);
        let entry = Entry {
            position: appender.end(),
            digest: sha256(&[&event.header_bytes]),
            agency: agency.clone(),
            key_id: key_id.clone(),
            at: now,
            event: said,
        };
        self.read.register().judge(&entry, &self.rules).map_err(|refusal| {
            let reason =
                if refusal.is_of_state() { RejectReason::OutOfOrder } else { RejectReason::PolicyDenied };
            Rejection::new(reason, refusal.to_string()).at("events[0].payload")
        })?;
        match entry.event {
            Said::Requested { streams, .. } => {
                let empty = streams.iter().position(|stream| appender.stream_version(stream) == 0);
                match empty {
                    Some(index) => {
                        Err(Rejection::new(RejectReason::InvalidPayload, "the stream has no events")
                            .at(format!("events[0].payload.streams[{index}]")))
                    }
                    None => Ok(None),
                }
            }
            Said::Executed { streams, .. } => Ok(Some(streams)),
            _ => Ok(None),
        }
    }

    /// Reads what was committed since; a handful of events but for the first time.
    pub(crate) fn catch_up(&mut self, reader: &Reader) -> Result<(), RegisterError> {
        self.read.catch_up(reader)
    }
}

fn decode(event: &Event) -> Result<Said, String> {
    Said::decode(event.header.event_type.as_str(), &event.payload).map_err(|error| error.to_string())
}
