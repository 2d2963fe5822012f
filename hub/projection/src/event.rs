//! An event as a projection sees it: where it stands, who sent it, and its payload decoded by the name of its type.

use bytes::Bytes;
use prost::Message;
use simpul_log::{KeyError, ReadError, Reader, StoredEvent};
use simpul_proto::{embassy, police, registry, v1};
use simpul_types::{AgencyCode, Header, Position};

use crate::{key::Id, row::Kind};

pub(crate) mod entry;
pub(crate) mod gist;
pub(crate) mod mention;
mod wire;

pub use mention::IdentifierKind;

/// One event, ready to be folded. May hold personal data: no `Debug`.
pub struct Event {
    /// Where it stands.
    pub(crate) position: Position,
    /// Agency that submitted it.
    pub(crate) source: AgencyCode,
    /// `occurred_at` of its header, µs.
    pub(crate) occurred_at: i64,
    /// The source record it is a snapshot of.
    pub(crate) record: Option<Id>,
    /// Whom it speaks of, in the order of its claims.
    pub(crate) mentions: Vec<mention::Mention>,
    /// What else it says.
    pub(crate) content: gist::Content,
}

/// A decoded payload. Holds personal data: no `Debug`.
#[allow(missing_docs, reason = "each variant is the message of its name")]
pub enum Payload {
    Placement(Box<registry::PlacementRecorded>),
    Licence(Box<registry::LicenceRecorded>),
    Report(Box<police::CaseUpdated>),
    Intake(Box<embassy::IntakeRecorded>),
    Screening(Box<embassy::ScreeningSubmitted>),
    /// Any event of the directory, which no document shows.
    Directory,
    /// Any type that the options of the contract describe.
    Entry(Box<entry::Entry>),
}

/// Why an event became a gap. Never holds a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The leaf does not decode.
    #[error("leaf does not decode")]
    Leaf,
    /// The header does not decode.
    #[error("header does not decode")]
    Header,
    /// Not in the catalogue of event types.
    #[error("unknown event type")]
    Type,
    /// The payload is not a message of its type.
    #[error("payload does not decode")]
    Payload,
    /// The data key is gone or does not match.
    #[error("data key does not open the payload")]
    Key,
    /// Its key is dead: folded as if it said nothing, which is no gap.
    #[error("erased")]
    Erased,
}

impl Payload {
    /// Decodes a payload by the name of its type.
    ///
    /// # Errors
    /// [`Unreadable::Type`] or [`Unreadable::Payload`].
    pub fn decode(event_type: &str, bytes: Bytes) -> Result<Self, Unreadable> {
        fn message<M: Message + Default>(bytes: Bytes) -> Result<M, Unreadable> {
            M::decode(bytes).map_err(|_| Unreadable::Payload)
        }
        match event_type {
            "simpul.registry.v1.PlacementRecorded" => message(bytes).map(|m| Self::Placement(Box::new(m))),
            "simpul.registry.v1.LicenceRecorded" => message(bytes).map(|m| Self::Licence(Box::new(m))),
            "simpul.police.v1.CaseUpdated" => message(bytes).map(|m| Self::Report(Box::new(m))),
            "simpul.embassy.v1.IntakeRecorded" => message(bytes).map(|m| Self::Intake(Box::new(m))),
            "simpul.embassy.v1.ScreeningSubmitted" => message(bytes).map(|m| Self::Screening(Box::new(m))),
            directory if directory.starts_with("simpul.directory.v1.") => Ok(Self::Directory),
            _ => entry::Entry::decode(event_type, &bytes).map(|entry| Self::Entry(Box::new(entry))),
        }
    }

    /// Kind of source record that it is a snapshot of.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Placement(_) => Some(Kind::Placement),
            Self::Licence(_) => Some(Kind::Licence),
            Self::Report(_) => Some(Kind::Report),
            Self::Intake(_) => Some(Kind::Intake),
            Self::Screening(_) => Some(Kind::Screening),
            Self::Entry(_) => Some(Kind::Entry),
            _ => None,
        }
    }

    /// Whether each of [`Self::claims`] is about somebody who is suspect or recruiter there, and nothing else.
    pub(crate) fn accused(&self) -> Vec<bool> {
        use police::CaseRole::{Recruiter, Suspect};
        let only_accused = |one: &police::CasePerson| {
            !one.roles.is_empty() && one.roles().all(|role| matches!(role, Suspect | Recruiter))
        };
        match self {
            Self::Report(report) => {
                report.persons.iter().filter(|one| one.person.is_some()).map(only_accused).collect()
            }
            Self::Entry(entry) => entry.accused.clone(),
            _ => vec![false; self.claims().len()],
        }
    }

    /// What it says about persons; the order is that of [`crate::row::Snapshot::persons`].
    pub(crate) fn claims(&self) -> Vec<&v1::PersonClaim> {
        match self {
            Self::Placement(placement) => placement.person.iter().collect(),
            Self::Intake(intake) => intake.person.iter().collect(),
            Self::Screening(screening) => screening.person.iter().collect(),
            Self::Report(report) => report.persons.iter().filter_map(|one| one.person.as_ref()).collect(),
            Self::Entry(entry) => entry.claims.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether a payload does not open for good: its key is destroyed, or it is not the payload that was sealed.
pub(crate) fn is_sealed(error: &ReadError) -> bool {
    matches!(error, ReadError::Sealed(_) | ReadError::Key(KeyError::Slot(_) | KeyError::Erased { .. }))
}

/// Header and payload of a stored event, whole; `None` where it does not decode or open, for example because its key is
/// destroyed.
///
/// # Errors
/// The disk.
pub(crate) fn open(reader: &Reader, stored: &StoredEvent) -> Result<Option<(Header, Payload)>, ReadError> {
    let Ok(header) = Header::decode(&stored.header, "header") else { return Ok(None) };
    let opened = match reader.open_payload(stored) {
        Ok(opened) => opened,
        Err(error) if is_sealed(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let payload = Payload::decode(header.event_type.as_str(), opened.payload);
    Ok(payload.ok().map(|payload| (header, payload)))
}
