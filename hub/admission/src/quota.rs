//! How many events were submitted today under agreements that limit them. The count is derived: a hub that starts counts the leaves of
//! the day, by the agreements that are in force now.
//!
//! A day is one of UTC. Answers under the same agreement are counted apart (`simpul_audit::Quotas`): what an agency brings takes nothing
//! from what it may ask.

use std::collections::HashMap;

use simpul_log::{ReadError, Reader};
use simpul_policy::{Action, Agreement, Directory};
use simpul_types::{
    AgencyCode, Event, Header, Leaf, LeafIndex, Position, RejectReason, Rejection, Timestamp,
};

use crate::authorize::ask;

const US_A_DAY: i64 = 86_400_000_000;
/// Leaves are dated in order but for clocks that were set back a little.
const SLACK_US: i64 = 60_000_000;

/// Events of the day, by agreement.
#[derive(Default)]
pub(crate) struct Submitted {
    number: i64,
    taken: HashMap<String, u64>,
}

/// Events that a submission takes from an agreement, and what that allows in a day.
pub(crate) struct Take {
    agreement: String,
    events: u64,
    events_a_day: u64,
}

impl Submitted {
    /// Counts what the log has of the day; reads it only where an agreement limits submissions.
    ///
    /// # Errors
    /// A leaf of the day that cannot be read.
    pub(crate) fn count(reader: &Reader, directory: &Directory, now: Timestamp) -> Result<Self, ReadError> {
        let mut submitted = Self { number: day(now), taken: HashMap::new() };
        let limiting: Vec<&Agreement> = directory
            .agreements()
            .filter(|agreement| agreement.answers_a_day.is_some() && agreement.in_force(now))
            .filter(|agreement| agreement.actions.has(&Action::Submit))
            .collect();
        if limiting.is_empty() {
            return Ok(submitted);
        }
        let mut scan = reader.scan(first_since(reader, submitted.number.saturating_mul(US_A_DAY))?);
        while let Some(frame) = scan.next_frame()? {
            for stored in frame {
                // One that does not decode was never admitted by this code.
                let Ok(leaf) = Leaf::decode(&stored.bytes) else { continue };
                let agency = &leaf.statement.sender.agency;
                if day(leaf.admitted_at) != submitted.number {
                    continue;
                }
                for event in &stored.events {
                    let of = limiting.iter().filter(|agreement| {
                        agreement.consumer == *agency && agreement.position < event.position
                    });
                    let Ok(header) = Header::decode(&event.header, "header") else { continue };
                    let ask = ask(agency, &header.event_type, &header.purpose, now);
                    for agreement in of.filter(|agreement| directory.covers(agreement, &ask).is_ok()) {
                        *submitted.taken.entry(agreement.reference.clone()).or_default() += 1;
                    }
                }
            }
        }
        Ok(submitted)
    }

    /// Takes a submission from its agreements, whole or not at all.
    ///
    /// # Errors
    /// QUOTA_EXCEEDED, naming the first agreement that has not so many left.
    pub(crate) fn take(&mut self, takes: &[Take], now: Timestamp) -> Result<(), Rejection> {
        // A clock that is set back does not open the day again.
        if day(now) > self.number {
            *self = Self { number: day(now), taken: HashMap::new() };
        }
        for Take { agreement, events, events_a_day } in takes {
            let left = events_a_day.saturating_sub(self.taken.get(agreement).copied().unwrap_or(0));
            if left < *events {
                let message = format!(
                    "agreement {agreement} allows {events_a_day} events a day and has {left} left; send the same bytes again after midnight UTC"
                );
                return Err(Rejection::new(RejectReason::QuotaExceeded, message).at("events"));
            }
        }
        for Take { agreement, events, .. } in takes {
            *self.taken.entry(agreement.clone()).or_default() += events;
        }
        Ok(())
    }

    /// It was not enqueued after all.
    pub(crate) fn give_back(&mut self, takes: &[Take]) {
        for Take { agreement, events, .. } in takes {
            if let Some(taken) = self.taken.get_mut(agreement) {
                *taken = taken.saturating_sub(*events);
            }
        }
    }
}

/// What events take from agreements that limit them; nothing where each is free of a limit.
pub(crate) fn takes(
    directory: &Directory,
    agency: &AgencyCode,
    events: &[Event],
    now: Timestamp,
) -> Vec<Take> {
    let mut takes: Vec<Take> = Vec::new();
    for run in events.chunk_by(|left, right| {
        (&left.header.event_type, &left.header.purpose) == (&right.header.event_type, &right.header.purpose)
    }) {
        let header = &run[0].header;
        let decision = directory.decide_shared(&ask(agency, &header.event_type, &header.purpose, now));
        for (agreement, most) in &decision.quotas {
            let events = run.len() as u64;
            match takes.iter_mut().find(|take| take.agreement == *agreement) {
                Some(take) => take.events += events,
                None => {
                    takes.push(Take { agreement: agreement.clone(), events, events_a_day: u64::from(*most) })
                }
            }
        }
    }
    takes
}

/// Position of a leaf before which nothing was admitted since that time.
fn first_since(reader: &Reader, since_us: i64) -> Result<Position, ReadError> {
    let leaf = |index: u64| reader.leaf(LeafIndex::new(index));
    let before = |index: u64| -> Result<bool, ReadError> {
        let decoded = Leaf::decode(&leaf(index)?.bytes);
        Ok(decoded.is_ok_and(|leaf| leaf.admitted_at.as_us() < since_us - SLACK_US))
    };
    let size = reader.head().size.get();
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? { low = middle + 1 } else { high = middle }
    }
    if low == size { Ok(reader.head().end) } else { Ok(leaf(low)?.first_position) }
}

fn day(at: Timestamp) -> i64 {
    at.as_us().div_euclid(US_A_DAY)
}
