//! What the hub knows about one person, as the read models hand it over. The payload messages themselves are used, so
//! that nothing is lost on the way; every fact says where in the log it stands, who supplied it and when it was observed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use simpul_proto::{embassy::StayCategory, registry, v1};
use simpul_types::{AgencyCode, Position, Timestamp};

/// A fact and where it comes from.
#[derive(Clone, PartialEq)]
pub struct Sourced<T> {
    /// The fact.
    pub value: T,
    /// Position of the event that carries it.
    pub position: Position,
    /// Agency that submitted it.
    pub source: AgencyCode,
    /// When the source observed it (`occurred_at` of the event).
    pub observed_at: Timestamp,
}

/// Everything known about one person.
#[derive(Clone, Default, PartialEq)]
pub struct Facts {
    /// Whether anybody has recorded the person at all.
    pub found: bool,
    /// What each source says about who the person is.
    pub claims: Vec<Sourced<v1::PersonClaim>>,
    /// Placements, in any order.
    pub placements: Vec<PlacementFacts>,
    /// How missions found the person staying abroad, in any order.
    pub stays: Vec<Sourced<StayFact>>,
    /// Other persons of the read models whom somebody has said to be this one; their facts are among these.
    pub linked_persons: usize,
    /// Such words that have no effect, because they would make a victim and a suspect of one case one person, or contradict
    /// another word.
    pub links_held: usize,
    /// When the hub last received anything from each source, whomever it was about. A source that is not named here is not
    /// judged by it.
    pub heard: BTreeMap<AgencyCode, Timestamp>,
}

/// One placement with the licences its record names.
#[derive(Clone, PartialEq)]
pub struct PlacementFacts {
    /// Opaque reference of the placement.
    pub reference: String,
    /// The newest record of it.
    pub placement: Sourced<registry::PlacementRecorded>,
    /// The licence (SIP3MI) that `placer_licence_no` names. `None`: no such licence is on record.
    pub placer: Option<Sourced<registry::LicenceRecorded>>,
    /// The permit (SIP2MI) that `recruitment_permit_no` names. `None`: no such permit is on record.
    pub permit: Option<Sourced<registry::LicenceRecorded>>,
}

/// How a mission found the person staying abroad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayFact {
    /// Worker, student, official, …
    pub category: StayCategory,
    /// Day of the contact. `None`: not a date.
    pub contact_date: Option<Date>,
    /// Where the person was met, ISO 3166-1 alpha-3; empty where not recorded.
    pub country: String,
}
