//! Break-glass: a case that no agreement opens is shown to an agency that has said, in a signed event, why it must see it now. The event
//! goes to oversight like any other publication, before or beside the look; it opens one case, to its own agency, for some hours from its
//! admission, and stands there until oversight has reviewed it. Policy still says which classes it opens.

use std::time::Duration;

use prost::Message;
use simpul_log::{Reader, StoredEvent};
use simpul_proto::coordination::{EmergencyAccessReviewed, EmergencyAccessTaken, EmergencyFinding};
use simpul_types::{AgencyCode, Header, Leaf, Position, Timestamp};

use crate::Parts;

/// The purpose that is worth nothing without such an event.
pub(crate) const PURPOSE: &str = "EMERGENCY";

/// Type of the event.
const TAKEN: &str = "simpul.coordination.v1.EmergencyAccessTaken";
/// Type of what oversight says of it, in the same stream.
const REVIEWED: &str = "simpul.coordination.v1.EmergencyAccessReviewed";

/// Longest time that one event opens a case for; who needs longer says so again, or concludes an agreement.
const HOURS_MAX: u32 = 24;

/// Why the event named opens nothing. What another agency's event says is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shut {
    #[error("an EmergencyAccessTaken that this agency submitted, by its position")]
    NotOne,
    #[error("an EmergencyAccessTaken for this case")]
    OtherCase,
    #[error("an EmergencyAccessTaken whose hours are not over; take access again")]
    Over,
    #[error("an EmergencyAccessTaken that oversight has not found to be unjustified")]
    Unjustified,
}

/// What such an event says.
struct Taken {
    of_case: String,
    from: Timestamp,
    hours: u32,
    /// Oversight said so.
    unjustified: bool,
}

/// Whether the event at this position opens this case to this agency at this time. Blocking.
pub(crate) fn opens(
    parts: &Parts,
    position: Position,
    agency: &AgencyCode,
    case_ref: &str,
    at: Timestamp,
) -> Result<(), Shut> {
    read(parts, position, agency).ok_or(Shut::NotOne)?.opens(case_ref, at)
}

fn read(parts: &Parts, position: Position, agency: &AgencyCode) -> Option<Taken> {
    let reader = parts.read_models.reader();
    let stored = reader.leaf_of(position).ok()?;
    let leaf = Leaf::decode(&stored.bytes).ok()?;
    let event = stored.events.iter().find(|event| event.position == position)?;
    let header = Header::decode(&event.header, "header").ok()?;
    if leaf.statement.sender.agency != *agency || header.event_type.as_str() != TAKEN {
        return None;
    }
    let taken = EmergencyAccessTaken::decode(reader.open_payload(event).ok()?.payload).ok()?;
    let mut later = reader.stream(&header.stream).into_iter().filter(|later| *later > position);
    // What was said of it and cannot be read is not taken for approval.
    let unjustified =
        later.any(|later| reader.event(later).map_or(true, |event| is_unjustified(reader, &event)));
    Some(Taken { of_case: taken.of_case, from: leaf.admitted_at, hours: taken.hours, unjustified })
}

fn is_unjustified(reader: &Reader, event: &StoredEvent) -> bool {
    let reviewed =
        Header::decode(&event.header, "header").is_ok_and(|header| header.event_type.as_str() == REVIEWED);
    let payload = || EmergencyAccessReviewed::decode(reader.open_payload(event).ok()?.payload).ok();
    reviewed && payload().is_none_or(|review| review.finding() == EmergencyFinding::NotJustified)
}

impl Taken {
    fn opens(&self, case_ref: &str, at: Timestamp) -> Result<(), Shut> {
        if self.unjustified {
            return Err(Shut::Unjustified);
        }
        if !self.of_case.trim().eq_ignore_ascii_case(case_ref.trim()) {
            return Err(Shut::OtherCase);
        }
        let open = Duration::from_secs(u64::from(self.hours.min(HOURS_MAX)) * 3_600);
        let since = at.as_us().checked_sub(self.from.as_us()).and_then(|us| u64::try_from(us).ok());
        // A clock that is behind the admission shows nothing either.
        let open = since.is_some_and(|us| Duration::from_micros(us) < open);
        open.then_some(()).ok_or(Shut::Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    #[test]
    fn it_opens_its_own_case_for_its_hours_and_at_most_for_a_day() {
        let at = |hours: i64, us: i64| Timestamp::from_us(1_000 + hours * HOUR_US + us);
        let taken = |hours| Taken { of_case: "C-1".into(), from: at(0, 0), hours, unjustified: false };
        assert_eq!(taken(2).opens(" C-1", at(0, 0)), Ok(()));
        assert_eq!(taken(2).opens("C-2", at(0, 0)), Err(Shut::OtherCase));
        assert_eq!(
            (taken(2).opens("C-1", at(2, -1)), taken(2).opens("C-1", at(2, 0))),
            (Ok(()), Err(Shut::Over))
        );
        assert_eq!(
            (taken(99).opens("C-1", at(24, -1)), taken(99).opens("C-1", at(24, 0))),
            (Ok(()), Err(Shut::Over))
        );
        assert_eq!(taken(0).opens("C-1", at(0, 0)), Err(Shut::Over));
        assert_eq!(taken(2).opens("C-1", at(0, -1)), Err(Shut::Over), "a clock set back");
    }
}
