//! Stage 3: may this agency submit these event types for these purposes?

use simpul_policy::{Action, Ask, Directory};
use simpul_proto::catalogue;
use simpul_types::{
    AgencyCode, Event, EventType, Position, Purpose, RejectReason, Rejection, Submission, Timestamp,
};

use crate::verify::Verified;

/// A submission that policy lets its sender submit. Holds personal data: no `Debug`.
pub(crate) struct Authorized {
    submission: Submission,
    directory_position: Position,
}

impl Authorized {
    pub(crate) fn into_parts(self) -> (Submission, Position) {
        (self.submission, self.directory_position)
    }
}

impl Verified {
    /// # Errors
    /// UNKNOWN_TYPE, POLICY_DENIED, naming the first event they hold for.
    pub(crate) fn authorize(self, directory: &Directory, now: Timestamp) -> Result<Authorized, Rejection> {
        let submission = self.into_submission();
        decide(directory, &submission.statement.sender.agency, &submission.events, now)?;
        Ok(Authorized { submission, directory_position: directory.position() })
    }
}

/// Asks once per run of events of the same type and purpose.
pub(crate) fn decide(
    directory: &Directory,
    agency: &AgencyCode,
    events: &[Event],
    now: Timestamp,
) -> Result<(), Rejection> {
    let mut allowed: Option<(&EventType, &Purpose)> = None;
    for (index, Event { header, .. }) in events.iter().enumerate() {
        let (event_type, purpose) = (&header.event_type, &header.purpose);
        if allowed == Some((event_type, purpose)) {
            continue;
        }
        // A policy speaks of types that the catalogue has, so that is asked first.
        if !catalogue::knows(event_type.as_str()) {
            return Err(Rejection::new(RejectReason::UnknownType, "not in the catalogue of event types")
                .at(format!("events[{index}].header.type")));
        }
        let ask = ask(agency, event_type, purpose, now);
        if !directory.decide_shared(&ask).allowed {
            let want = directory.want(&ask);
            let message = format!("{want} lets this agency submit this type for this purpose");
            return Err(Rejection::new(RejectReason::PolicyDenied, message)
                .at(format!("events[{index}].header.type")));
        }
        allowed = Some((event_type, purpose));
    }
    Ok(())
}

/// May this agency submit this type for this purpose?
pub(crate) fn ask<'a>(
    agency: &'a AgencyCode,
    event_type: &'a EventType,
    purpose: &'a Purpose,
    at: Timestamp,
) -> Ask<'a> {
    let (action, resource) = (Action::Submit, event_type.as_str());
    Ask {
        agency,
        official: None,
        action,
        resource,
        field_class: None,
        purpose: Some(purpose),
        provider: None,
        at,
    }
}
