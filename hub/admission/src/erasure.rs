//! Erasure at the gate: one event of the register a submission, judged by `hub/erasure` against what the log has committed. While
//! another is on its way the sender is asked to come again: an approval that is not committed yet must not count, and there are few.

use bytes::Bytes;
use simpul_erasure::{Entry, Event as Said, Refusal, Register, Rules};
use simpul_log::{Appender, ReadError, Reader};
use simpul_signing::sha256;
use simpul_types::{
    AgencyCode, Event, Header, KeyId, Leaf, Position, RejectReason, Rejection, StreamName, Submission,
    Timestamp, erasure,
};

/// The register as far as it was read.
pub(crate) struct Erasures {
    rules: Rules,
    register: Register,
    /// Events of the register that are in it.
    folded: usize,
}

/// Why the register cannot be read from the log.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The log.
    #[error("reading the register of erasures")]
    Read(#[from] ReadError),
    /// A leaf, header or payload.
    #[error("the event of the register at position {0} does not decode")]
    Decode(u64),
    /// An event that admission would not have let pass.
    #[error("the event of the register at position {0} does not follow")]
    Follow(u64, #[source] Refusal),
}

/// The register from the log alone, up to its acknowledged head. Reads the disk; blocking.
///
/// # Errors
/// [`RegisterError`], naming the position.
pub fn read_register(reader: &Reader) -> Result<Register, RegisterError> {
    let mut erasures = Erasures::new(Rules::default());
    erasures.catch_up(reader)?;
    Ok(erasures.register)
}

impl Erasures {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, register: Register::default(), folded: 0 }
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
        let entry = entry(appender.end(), &event.header_bytes, agency, key_id, now, said);
        self.register.judge(&entry, &self.rules).map_err(|refusal| {
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
        for position in reader.stream(&erasure::register()).into_iter().skip(self.folded) {
            let decode_error = || RegisterError::Decode(position.get());
            let stored = reader.leaf_of(position)?;
            let leaf = Leaf::decode(&stored.bytes).map_err(|_| decode_error())?;
            let event = stored.events.iter().find(|event| event.position == position);
            let event = event.ok_or_else(decode_error)?;
            let header = Header::decode(&event.header, "header").map_err(|_| decode_error())?;
            let payload = reader.open_payload(event)?.payload;
            let said = Said::decode(header.event_type.as_str(), &payload).map_err(|_| decode_error())?;
            let (agency, key_id) = (&leaf.statement.sender.agency, &leaf.key_id);
            let entry = entry(position, &event.header, agency, key_id, leaf.admitted_at, said);
            self.register.apply(entry).map_err(|refusal| RegisterError::Follow(position.get(), refusal))?;
            self.folded += 1;
        }
        Ok(())
    }
}

fn decode(event: &Event) -> Result<Said, String> {
    Said::decode(event.header.event_type.as_str(), &event.payload).map_err(|error| error.to_string())
}

fn entry(
    position: Position,
    header: &Bytes,
    agency: &AgencyCode,
    key_id: &KeyId,
    at: Timestamp,
    event: Said,
) -> Entry {
    Entry { position, digest: sha256(&[header]), agency: agency.clone(), key_id: key_id.clone(), at, event }
}
