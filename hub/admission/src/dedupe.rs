//! Stage 5: is it new, and does it follow on what the log holds? Under one short lock together with the
//! Appender's `enqueue`, so that nothing comes between the question and the place in the log. Nothing here
//! waits for the disk but `order`, once for a stream that it has not met since the start.
//!
//! ```text
//! submission id known ─▶ Known       the first receipt, or SUBMISSION_ID_REUSED     (LOG-4, settled in `replay`)
//! an event id known   ─▶ Replayed    the first receipt, EVENT_ID_REUSED or SEQUENCE_FORK
//! sequence            ─▶ SEQUENCE_GAP, SEQUENCE_FORK
//! what may follow what ─▶ OUT_OF_ORDER               (`order`)
//! stream versions     ─▶ WRONG_EXPECTED_VERSION
//! erasure             ─▶ OUT_OF_ORDER, POLICY_DENIED; an execution makes its streams' keys dead (`erasure`)
//! quotas of agreements ─▶ QUOTA_EXCEEDED              (`quota`)
//! otherwise           ─▶ New         enqueued
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use simpul_erasure::Rules;
use simpul_log::{AppendError, Appender, Assigned, Draft, Reader, Ticket};
use simpul_policy::{Directory, DirectoryError, Word};
use simpul_types::{
    Event, ExpectedVersion, Leaf, LeafIndex, Position, RejectReason, Rejection, StreamName, Submission,
    Timestamp,
};

use crate::{
    erasure::Gatekeeper,
    order::{self, Order},
    quota::{self, Submitted},
    validate::Validated,
};

/// The one way into the log.
pub(crate) struct Gate(Mutex<State>);

struct State {
    /// `None` once the hub drains.
    appender: Option<Appender>,
    /// The directory with every directory event that was enqueued, committed or not: what the next one builds
    /// on.
    ahead: Arc<Directory>,
    order: Order,
    erasures: Gatekeeper,
    submitted: Submitted,
    reader: Reader,
}

/// What the gate found.
pub(crate) enum Passed {
    /// It has its place in the log.
    New {
        /// Resolves after the flush.
        ticket: Ticket,
        /// The directory from then on, where it changes it.
        directory: Option<Arc<Directory>>,
    },
    /// Its submission id has a leaf.
    Known {
        /// Which.
        leaf: LeafIndex,
        /// Judged, not enqueued.
        validated: Validated,
    },
    /// One of its events is in the log.
    Replayed {
        /// Index of the first such event in the submission.
        index: usize,
        /// Where it stands.
        position: Position,
        /// What the connector's sequence expects, where the submission lies before it.
        fork: Option<u64>,
        /// Judged, not enqueued.
        validated: Validated,
    },
}

impl Gate {
    pub(crate) fn new(
        appender: Appender,
        reader: Reader,
        directory: Arc<Directory>,
        rules: Rules,
        now: Timestamp,
    ) -> Self {
        let mut erasures = Gatekeeper::new(rules);
        // Where it fails, it is tried again, and told, when somebody wants to erase.
        erasures.catch_up(&reader).ok();
        // Damage is named elsewhere; stopping the hub for a quota would be worse than answering it anew.
        let submitted = Submitted::count(&reader, &directory, now).unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "today's submissions could not be counted; quotas begin anew");
            Submitted::default()
        });
        Self(Mutex::new(State {
            appender: Some(appender),
            ahead: directory,
            order: Order::default(),
            erasures,
            submitted,
            reader,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sequence that a connector's next submission begins with.
    pub(crate) fn next_sequence(&self, chain: &str) -> Option<u64> {
        self.lock().appender.as_ref().map(|appender| appender.chain_next(chain).unwrap_or(1))
    }

    /// Why the log acknowledges nothing any more, if so.
    pub(crate) fn stopped(&self) -> Option<AppendError> {
        match &self.lock().appender {
            Some(appender) => appender.poisoned().map(AppendError::Poisoned),
            None => Some(AppendError::Closed),
        }
    }

    /// Takes the Appender out; everything after is refused with DRAINING.
    pub(crate) fn take(&self) -> Option<Appender> {
        self.lock().appender.take()
    }

    /// Gives a submission its place, or says why it has none. `current` is asked for under the lock, so that
    /// leaves never go back in the directory they were judged under.
    pub(crate) fn pass(
        &self,
        mut validated: Validated,
        current: impl FnOnce() -> Arc<Directory>,
        now: Timestamp,
    ) -> Result<Passed, Rejection> {
        let mut state = self.lock();
        let State { appender, ahead, order, erasures, submitted, reader } = &mut *state;
        let appender = appender.as_mut().ok_or_else(draining)?;
        let statement = &validated.submission().statement;
        if let Some(leaf) = appender.find_submission(&statement.submission_id) {
            return Ok(Passed::Known { leaf, validated });
        }
        let next = appender.chain_next(validated.chain()).unwrap_or(1);
        let first = statement.first_sequence;
        if first > next {
            let message = "events of this connector before this one are missing";
            return Err(Rejection::new(RejectReason::SequenceGap, message)
                .at("statement.first_sequence")
                .expecting(next));
        }
        let fork = (first < next).then_some(next);
        let known = |event: &Event| appender.find_event(&event.header.event_id);
        let events = &validated.submission().events;
        if let Some((index, position)) =
            events.iter().enumerate().find_map(|(index, event)| Some((index, known(event)?)))
        {
            return Ok(Passed::Replayed { index, position, fork, validated });
        }
        if let Some(next) = fork {
            return Err(forked(next));
        }
        let agency = &statement.sender.agency;
        order.check(appender, reader, agency, events)?;
        check_versions(order, appender, reader, events)?;
        let erased = erasures.check(appender, reader, validated.submission(), now)?;
        let directory = if validated.is_directory() {
            Some(Arc::new(apply(ahead, appender.end(), validated.submission(), now)?))
        } else {
            None
        };
        let current = current();
        if current.position() != validated.directory_position() {
            validated.judge_again(&current, now)?;
        }
        let Submission { statement, events, .. } = validated.submission();
        let takes = quota::takes(&current, &statement.sender.agency, events, now);
        submitted.take(&takes, now)?;
        let (agency, first) = (validated.submission().statement.sender.agency.clone(), appender.end());
        let ordered = order::ordered(&validated.submission().events);
        let ticket = match erased {
            Some(streams) => appender.enqueue_erasing(draft(validated), &streams),
            None => appender.enqueue(draft(validated)),
        };
        let ticket = ticket.map_err(|error| {
            submitted.give_back(&takes);
            refused(error)
        })?;
        order.note(reader, first, &agency, &ordered);
        if let Some(directory) = &directory {
            *ahead = Arc::clone(directory);
        }
        Ok(Passed::New { ticket, directory })
    }
}

/// Streams' versions, counting the events of the submission itself.
fn check_versions(
    order: &Order,
    appender: &Appender,
    reader: &Reader,
    events: &[Event],
) -> Result<(), Rejection> {
    if events.iter().all(|event| event.header.expected == ExpectedVersion::Any) {
        return Ok(());
    }
    let mut versions: HashMap<&StreamName, u64> = HashMap::new();
    for (index, Event { header, .. }) in events.iter().enumerate() {
        let stream = &header.stream;
        let version = versions.entry(stream).or_insert_with(|| appender.stream_version(stream));
        if !header.expected.holds(*version) {
            let mut message = "the stream is not at the expected version".to_owned();
            if let Some(faster) = order.newest_in_words(appender, reader, header) {
                message = format!("{message}; {faster}");
            }
            return Err(Rejection::new(RejectReason::WrongExpectedVersion, message)
                .at(format!("events[{index}].header.expected"))
                .expecting(*version));
        }
        *version += 1;
    }
    Ok(())
}

/// The directory after these events. They are judged one after the other, as the fold will meet them.
fn apply(
    ahead: &Directory,
    first: Position,
    submission: &Submission,
    now: Timestamp,
) -> Result<Directory, Rejection> {
    let mut directory = ahead.clone();
    for (index, Event { header, payload, .. }) in submission.events.iter().enumerate() {
        let (event_type, position) = (header.event_type.as_str(), first.plus(index as u64));
        let word = Word { event_type, payload, position, key_id: &submission.key_id };
        directory = directory.judge(&word, now).map_err(|error| {
            let (reason, message) = match &error {
                DirectoryError::Policy(error) => (RejectReason::InvalidPayload, format!("cedar: {error}")),
                DirectoryError::Control(control) => (control.reason(), error.to_string()),
                other => (RejectReason::InvalidPayload, other.to_string()),
            };
            Rejection::new(reason, message).at(format!("events[{index}].payload"))
        })?;
    }
    Ok(directory)
}

fn draft(validated: Validated) -> Draft {
    let (chain, directory_position) = (Arc::clone(validated.chain()), validated.directory_position());
    let (submission, records) = validated.into_records();
    let Submission { statement_bytes, statement, signature, key_id, .. } = submission;
    let next = statement.first_sequence + u64::from(statement.event_count);
    let submission_id = statement.submission_id;
    let leaf = move |assigned: &Assigned| -> Bytes {
        Leaf {
            statement_bytes,
            statement,
            signature,
            key_id,
            first_position: assigned.first_position,
            admitted_at: assigned.admitted_at,
            directory_position,
            sealed_root: assigned.sealed_root,
        }
        .encode()
    };
    Draft { submission_id: Some(submission_id), chain: Some((chain, next)), records, leaf: Box::new(leaf) }
}

pub(crate) fn forked(next: u64) -> Rejection {
    Rejection::new(RejectReason::SequenceFork, "other events of this connector stand at this sequence")
        .at("statement.first_sequence")
        .expecting(next)
}

pub(crate) fn draining() -> Rejection {
    Rejection::new(RejectReason::Draining, "the hub is stopping; send the same bytes again later")
}

/// The log's want of room or health as a rejection.
pub(crate) fn refused(error: AppendError) -> Rejection {
    match error {
        AppendError::Full => {
            Rejection::new(RejectReason::QueueFull, "the queue is full; send the same bytes again later")
        }
        AppendError::DiskFull => {
            Rejection::new(RejectReason::DiskFull, "the hub's disk is full; nothing was stored")
        }
        AppendError::Closed => draining(),
        // What failed is for the hub's operator, whom the log's own error line tells.
        AppendError::Poisoned(_) => {
            let message = "the log takes nothing until the hub's operator has mended it; send the same bytes again later";
            Rejection::new(RejectReason::LogPoisoned, message)
        }
    }
}
