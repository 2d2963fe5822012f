//! Stage 4: is the content possible? Times, streams, and the rules of each payload's message.

use std::{collections::HashSet, sync::Arc};

use simpul_log::RecordDraft;
use simpul_policy::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Directory, EVENT_PACKAGE};
use simpul_types::{
    Event, Header, Position, RejectReason, Rejection, Sender, Submission, Timestamp, erasure, limits,
};

use crate::{authorize, authorize::Authorized, payload, verify};

/// A submission that only the log's present state can still refuse. Holds personal data: no `Debug`.
pub(crate) struct Validated {
    submission: Submission,
    /// Key of the connector's sequence in the log.
    chain: Arc<str>,
    directory_position: Position,
}

impl Validated {
    pub(crate) fn submission(&self) -> &Submission {
        &self.submission
    }

    pub(crate) fn chain(&self) -> &Arc<str> {
        &self.chain
    }

    pub(crate) fn directory_position(&self) -> Position {
        self.directory_position
    }

    /// Whether it changes the directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.submission.statement.sender.agency.as_str() == AUTHORITY_AGENCY
    }

    /// Judges again what the directory decides, under one that has changed meanwhile. The signature stays
    /// verified.
    ///
    /// # Errors
    /// UNKNOWN_KEY, POLICY_DENIED.
    pub(crate) fn judge_again(&mut self, directory: &Directory, now: Timestamp) -> Result<(), Rejection> {
        let Submission { statement, key_id, events, .. } = &self.submission;
        verify::registered(directory, &statement.sender, key_id, now)?;
        authorize::decide(directory, &statement.sender.agency, events, now)?;
        self.directory_position = directory.position();
        Ok(())
    }

    /// What the log takes of the events; what the leaf needs stays. Nothing is copied.
    pub(crate) fn into_records(self) -> (Submission, Vec<RecordDraft>) {
        let mut submission = self.submission;
        let events = std::mem::take(&mut submission.events);
        let record = |event: Event| {
            let Event { header_bytes, header, salt, payload } = event;
            RecordDraft {
                event_id: Some(header.event_id),
                stream: header.stream,
                header: header_bytes,
                salt,
                payload,
            }
        };
        (submission, events.into_iter().map(record).collect())
    }
}

impl Authorized {
    /// # Errors
    /// FUTURE_DATED, EVENT_ID_REUSED within the submission, POLICY_DENIED of the directory's streams,
    /// INVALID_PAYLOAD.
    pub(crate) fn validate(self, now: Timestamp) -> Result<Validated, Rejection> {
        let (submission, directory_position) = self.into_parts();
        let latest = Timestamp::from_us(now.as_us().saturating_add(limits::CLOCK_AHEAD_US_MAX));
        if submission.statement.created_at > latest {
            return Err(future_dated("statement.created_at_us".into()));
        }
        let sender = &submission.statement.sender;
        let several = submission.events.len() > 1;
        let room = if several { submission.events.len() } else { 0 };
        let mut ids = HashSet::with_capacity_and_hasher(room, foldhash::fast::RandomState::default());
        for (index, Event { header, payload, .. }) in submission.events.iter().enumerate() {
            if header.occurred_at > latest {
                return Err(future_dated(format!("events[{index}].header.occurred_at_us")));
            }
            if several && !ids.insert(header.event_id) {
                return Err(Rejection::new(RejectReason::EventIdReused, "twice in this submission")
                    .at(format!("events[{index}].header.event_id")));
            }
            check_directory_stream(sender, header, index)?;
            check_register_stream(header, index)?;
            let event_type = header.event_type.as_str();
            let checked = payload::check(event_type, payload)
                .and_then(|()| payload::check_stream(event_type, payload, &header.stream));
            checked.map_err(|fault| {
                let path = if fault.path.is_empty() { String::new() } else { format!(".{}", fault.path) };
                Rejection::new(RejectReason::InvalidPayload, fault.rule)
                    .at(format!("events[{index}].payload{path}"))
            })?;
        }
        let chain = sender.to_string().into();
        Ok(Validated { submission, chain, directory_position })
    }
}

fn future_dated(field: String) -> Rejection {
    let message = "more than 5 minutes ahead of the hub's clock";
    Rejection::new(RejectReason::FutureDated, message).at(field)
}

/// Directory events stand in directory streams, and only the authority writes them, whatever a policy says.
fn check_directory_stream(sender: &Sender, header: &Header, index: usize) -> Result<(), Rejection> {
    let authority =
        sender.agency.as_str() == AUTHORITY_AGENCY && sender.connector.as_str() == AUTHORITY_CONNECTOR;
    let of_directory = header.event_type.as_str().starts_with(EVENT_PACKAGE);
    let in_directory = header.stream.source() == AUTHORITY_AGENCY;
    if of_directory == in_directory && (authority || !in_directory) {
        return Ok(());
    }
    let message = "streams `directory/…` hold directory events, written by the directory authority";
    Err(Rejection::new(RejectReason::PolicyDenied, message).at(format!("events[{index}].header.stream")))
}

/// Erasure events stand in their one register, and nothing else does: the log looks for executions there alone.
fn check_register_stream(header: &Header, index: usize) -> Result<(), Rejection> {
    let of_register = header.event_type.as_str().starts_with(erasure::EVENT_PACKAGE);
    let in_register = header.stream.as_str() == erasure::REGISTER;
    if of_register == in_register && in_register == (header.stream.source() == erasure::SOURCE) {
        return Ok(());
    }
    let message = "the stream `erasure/register` holds erasure events, and no other stream does";
    Err(Rejection::new(RejectReason::InvalidPayload, message).at(format!("events[{index}].header.stream")))
}
