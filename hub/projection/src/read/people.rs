//! Persons: who an identifier leads to, what sources say of them, and the facts that legality is judged by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::civil::Date;
use simpul_legality::{Facts, PlacementFacts, Sourced, StayFact};
use simpul_proto::v1::PersonClaim;
use simpul_types::{AgencyCode, Position, Timestamp};

use super::{NOW, ReadModels, Shared, TieNote, open::Standing};
use crate::{
    error::StateError,
    event::{IdentifierKind, Payload, gist},
    key::{self, Id},
    row::{Conflict, Heard, Node},
};

/// A person of the read models: an opaque id that names nobody and means nothing outside this hub.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(pub(crate) Id);

impl PersonId {
    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From its 16 bytes, as an index of another crate kept them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key::text(&self.0))
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonId({self})")
    }
}

/// One person. Holds personal data: no `Debug`.
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// What each source record says now, oldest first.
    pub claims: Vec<Sourced<PersonClaim>>,
    /// The records that speak of the person now.
    pub records: Vec<RecordNote>,
    /// Other persons that identifiers of one event led to as well.
    pub conflicts: Vec<ConflictNote>,
    /// With whom the person was said to be one, or not.
    pub ties: Vec<TieNote>,
}

impl Person {
    /// Which kinds of identifiers any claim tells, strongest first.
    pub fn identifier_kinds(&self) -> BTreeSet<IdentifierKind> {
        let mut kinds = BTreeSet::new();
        for claim in self.claims.iter().map(|claim| &claim.value) {
            let told = [
                (IdentifierKind::Nik, !claim.nik.is_empty()),
                (IdentifierKind::Passport, !claim.passport.is_empty() || !claim.mrz.is_empty()),
                (IdentifierKind::Card, !claim.card.is_empty()),
            ];
            kinds.extend(told.into_iter().filter(|(_, told)| *told).map(|(kind, _)| kind));
        }
        kinds
    }
}

/// A source record that speaks of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordNote {
    /// Opaque reference; for a placement, that of its document.
    pub reference: String,
    /// Opaque reference of its case, where it has one.
    pub case: Option<String>,
    /// Positions of its snapshots: the newest 32, oldest first.
    pub positions: Vec<Position>,
}

/// Identifiers of one event led to two persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictNote {
    /// The other person.
    pub other: PersonId,
    /// The first event.
    pub first: Position,
    /// The last event.
    pub last: Position,
    /// Number of events.
    pub times: u64,
}

/// Positions of a record that are shown.
pub(super) const HISTORY_MAX: usize = 32;

impl ReadModels {
    /// Who an identifier in its normal form leads to.
    ///
    /// # Errors
    /// The store.
    pub fn person_by(&self, kind: IdentifierKind, normalized: &str) -> Result<Option<PersonId>, StateError> {
        let id = match kind {
            IdentifierKind::Reference => key::parse(normalized),
            _ => Some(self.shared.state.blind.id(kind.field(), normalized)),
        };
        let Some(id) = id else { return Ok(None) };
        let node: Option<Node> = self.shared.state.row(&key::node(&id))?;
        Ok(node.map(|node| PersonId(key::one(&node.alias).unwrap_or(id))))
    }

    /// Who an identifier in its normal form led to by what stood below `until`: a person of whom some event there tells it.
    ///
    /// # Errors
    /// The store or the log.
    pub fn person_by_then(
        &self,
        kind: IdentifierKind,
        normalized: &str,
        until: Position,
    ) -> Result<Option<PersonId>, StateError> {
        let Some(person) = self.person_by(kind, normalized)? else { return Ok(None) };
        if kind == IdentifierKind::Reference {
            return Ok((!self.shared.speaking_of(&person, until)?.is_empty()).then_some(person));
        }
        let id = self.shared.state.blind.id(kind.field(), normalized);
        for record in self.shared.records_of(&person)? {
            for position in self.shared.history(&record, until, usize::MAX)? {
                let stored = self.shared.reader.event(position)?;
                if let Ok(opened) = gist::open(&self.shared.reader, &self.shared.state.blind, &stored)?
                    && opened.identifiers().any(|told| told == id)
                {
                    return Ok(Some(person));
                }
            }
        }
        Ok(None)
    }

    /// Everything known about a person's placement, and about those who are said to be the same one: claims, placements with
    /// their licences, stays. Not found where no record speaks of the person now.
    ///
    /// # Errors
    /// The store or the log.
    pub fn facts(&self, person: &PersonId) -> Result<Facts, StateError> {
        self.facts_then(person, NOW)
    }

    /// The same by what stood below `until`. A licence number that went over to another record later is found with
    /// nobody.
    ///
    /// # Errors
    /// The store or the log.
    pub fn facts_then(&self, person: &PersonId, until: Position) -> Result<Facts, StateError> {
        let mut facts = Facts::default();
        let one = self.shared.said_to_be_one(person, until)?;
        (facts.linked_persons, facts.links_held) = (one.persons.len() - 1, one.held.len());
        for standing in self.shared.speaking_of_any(&one.persons, until)? {
            let Standing { record, snapshot, payload } = standing;
            for person in &one.persons {
                for claim in claims_of(person, &snapshot.persons, &payload) {
                    facts.claims.push(snapshot.sourced(claim.clone())?);
                }
            }
            match payload {
                Payload::Placement(placement) => facts.placements.push(PlacementFacts {
                    reference: key::text(&record),
                    placer: self.shared.licence(&placement.placer_licence_no, until)?,
                    permit: self.shared.licence(&placement.recruitment_permit_no, until)?,
                    placement: snapshot.sourced(*placement)?,
                }),
                Payload::Intake(intake) => {
                    let contact_date = intake.contact_date.parse::<Date>().ok();
                    let category = intake.stay_category();
                    let country = intake.location_country;
                    facts.stays.push(snapshot.sourced(StayFact { category, contact_date, country })?);
                }
                _ => {}
            }
        }
        facts.found = !facts.claims.is_empty();
        // When a source was last heard of is kept for now alone.
        if until == NOW {
            facts.heard = self.shared.heard(&facts)?;
        }
        Ok(facts)
    }

    /// One person with claims, records and conflicts; `None` where there is no such person.
    ///
    /// # Errors
    /// The store or the log.
    pub fn person(&self, person: &PersonId) -> Result<Option<Person>, StateError> {
        let state = &self.shared.state;
        if state.row::<Node>(&key::node(&person.0))?.is_none() {
            return Ok(None);
        }
        let ties = self.shared.ties(person, NOW)?;
        let mut out =
            Person { id: *person, claims: Vec::new(), records: Vec::new(), conflicts: Vec::new(), ties };
        for Standing { record, snapshot, payload } in self.shared.speaking_of(person, NOW)? {
            for claim in claims_of(person, &snapshot.persons, &payload) {
                out.claims.push(snapshot.sourced(claim.clone())?);
            }
            let positions = self.shared.history(&record, snapshot.at().plus(1), HISTORY_MAX)?;
            let case = key::one(&snapshot.case).map(|case| key::text(&case));
            out.records.push(RecordNote { reference: key::text(&record), case, positions });
        }
        for item in state.scan(&key::conflicts(&person.0)) {
            let (key, bytes) = item?;
            let row: Conflict = crate::row::decode(&bytes)?;
            let other = key.get(17..).and_then(key::one).ok_or(StateError::Row)?;
            let (first, last) = (Position::new(row.first), Position::new(row.last));
            out.conflicts.push(ConflictNote { other: PersonId(other), first, last, times: row.times });
        }
        Ok(Some(out))
    }
}

/// The claims of a payload that are about this person.
fn claims_of<'a>(
    person: &'a PersonId,
    persons: &'a [u8],
    payload: &'a Payload,
) -> impl Iterator<Item = &'a PersonClaim> {
    let claims = payload.claims().into_iter().zip(key::unpack(persons));
    claims.filter(|(_, id)| *id == person.0).map(|(claim, _)| claim)
}

impl Shared {
    /// When the sources of these facts were last heard of.
    fn heard(&self, facts: &Facts) -> Result<BTreeMap<AgencyCode, Timestamp>, StateError> {
        let mut sources: BTreeSet<&AgencyCode> = facts.claims.iter().map(|claim| &claim.source).collect();
        for episode in &facts.placements {
            sources.insert(&episode.placement.source);
            sources.extend([&episode.placer, &episode.permit].into_iter().flatten().map(|one| &one.source));
        }
        let mut heard = BTreeMap::new();
        for source in sources {
            if let Some(row) = self.state.row::<Heard>(&key::heard(source.as_str()))? {
                heard.insert(source.clone(), Timestamp::from_us(row.admitted_at));
            }
        }
        Ok(heard)
    }

    /// Records that ever spoke of the person.
    pub(super) fn records_of(&self, person: &PersonId) -> Result<Vec<Id>, StateError> {
        let Some(node) = self.state.row::<Node>(&key::node(&person.0))? else { return Ok(Vec::new()) };
        let mut records: Vec<Id> = key::unpack(&node.records).collect();
        if node.more {
            for item in self.state.scan(&key::person_records(&person.0)) {
                records.extend(item?.0.get(17..).and_then(key::one));
            }
        }
        Ok(records)
    }

    /// Records that speak of any of these persons below `until`, each once, in log order.
    fn speaking_of_any(&self, persons: &[PersonId], until: Position) -> Result<Vec<Standing>, StateError> {
        let [first, others @ ..] = persons else { return Ok(Vec::new()) };
        let mut standing = self.speaking_of(first, until)?;
        for other in others {
            for further in self.speaking_of(other, until)? {
                if standing.iter().all(|known| known.record != further.record) {
                    standing.push(further);
                }
            }
        }
        standing.sort_by_key(|standing| standing.snapshot.position);
        Ok(standing)
    }

    /// Records whose newest snapshot below `until` speaks of the person, in log order.
    pub(super) fn speaking_of(
        &self,
        person: &PersonId,
        until: Position,
    ) -> Result<Vec<Standing>, StateError> {
        let mut standing = Vec::new();
        for record in self.records_of(person)? {
            let Some((_, snapshot)) = self.snapshot_at(&record, until)? else { continue };
            if !key::unpack(&snapshot.persons).any(|id| id == person.0) {
                continue;
            }
            if let Some((_, payload)) = self.open_at(snapshot.at())? {
                standing.push(Standing { record, snapshot, payload });
            }
        }
        standing.sort_by_key(|standing| standing.snapshot.position);
        Ok(standing)
    }
}
