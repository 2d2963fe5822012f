//! Who an event speaks of. Persons are linked by strong identifiers only and are never merged.
//!
//! | the claim | goes to |
//! |---|---|
//! | its NIK is known | the NIK's person |
//! | its NIK is new, passport or card lead to a person without a NIK | that person, who now has it |
//! | its NIK is new, passport or card lead to a person with another NIK | a new person; a conflict stands on both |
//! | no NIK | the passport's person, else the card's, else a new one |
//! | no identifier | the unnamed person of its source record |
//!
//! What a person decides about who is who (`simpul.identity.v1`) is kept beside the persons ([`ties`]) and changes none of
//! them: it is read, and can be taken back. Names lead to persons by keyed hashes of [`names`].
//!
//! Whenever further identifiers of the same claim lead to somebody else, they keep leading there, and a conflict stands
//! on both persons.

use simpul_proto::registry::{EvidenceKind, EvidenceResult};
use simpul_types::identity::{CardNumber, Mrz, Nik, Passport};

mod names;
mod ties;

pub(crate) use names::name_key;

use crate::{
    error::StateError,
    event::{Event, gist},
    key::{self, Blind, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Conflict, Node, Pointer},
};

/// Records that stand in the person's own row; further ones get rows, so that the row stays small.
const RECORDS_INLINE_MAX: usize = 4;

/// Kinds of strong identifiers, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// The population number, lifelong.
    Nik,
    /// A passport number.
    Passport,
    /// The number of a worker's card.
    Card,
    /// The hub's own reference of a person, as a search gave it.
    Reference,
}

impl IdentifierKind {
    /// Its field in blind hashes.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Nik => "person/nik",
            Self::Passport => "person/passport",
            Self::Card => "person/card",
            Self::Reference => "person/reference",
        }
    }
}

/// The person read model.
pub(crate) struct Persons;

impl Projection for Persons {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let Some(record) = outcome.record else { return Ok(()) };
        if let gist::Content::Entry(entry) = &event.content
            && !entry.persons.is_empty()
        {
            ties::fold(entry, store, outcome, &record, event.position.get())?;
        }
        let of_one = !matches!(event.content, gist::Content::Report(_));
        for (n, claim) in event.content.claims().enumerate() {
            let mut identifiers = Identifiers::new(store.blind());
            identifiers.claim(claim);
            if let gist::Content::Placement(placement) = &event.content {
                identifiers.evidence(placement);
            }
            let none = identifiers.found.is_empty();
            // An unnamed person was made by an earlier event of the same record, or there is none.
            let unnamed = if none || (of_one && outcome.before.is_some()) {
                Some(store.blind().id("person/unnamed", &format!("{}/{n}", key::text(&record))))
            } else {
                None
            };
            let told = Told { claim, record: &record, position: event.position.get() };
            let person = attach(store, &identifiers.found, unnamed, &told)?;
            outcome.persons.push(person);
        }
        Ok(())
    }
}

/// The strong identifiers of one claim, strongest first, each once.
struct Identifiers<'a> {
    blind: &'a Blind,
    seen: Vec<(IdentifierKind, String)>,
    found: Vec<(IdentifierKind, Id)>,
}

impl<'a> Identifiers<'a> {
    fn new(blind: &'a Blind) -> Self {
        Self { blind, seen: Vec::new(), found: Vec::new() }
    }

    fn add(&mut self, kind: IdentifierKind, value: &str) {
        if !self.seen.iter().any(|(k, v)| *k == kind && v == value) {
            self.seen.push((kind, value.to_owned()));
            self.found.push((kind, self.blind.id(kind.field(), value)));
        }
    }

    /// What the source says; a number of the wrong form links nothing.
    fn claim(&mut self, claim: &gist::Claim) {
        if let Ok(nik) = Nik::parse(&claim.nik) {
            self.add(IdentifierKind::Nik, nik.as_str());
        }
        if let Ok(passport) = Passport::parse(&claim.passport) {
            self.add(IdentifierKind::Passport, passport.as_str());
        } else if let Ok(mrz) = Mrz::parse(&claim.mrz)
            && let Ok(passport) = Passport::parse(mrz.document_number())
        {
            self.add(IdentifierKind::Passport, passport.as_str());
        }
        if let Ok(card) = CardNumber::parse(&claim.card) {
            self.add(IdentifierKind::Card, card.as_str());
        }
    }

    /// Numbers of the passports and cards that the registry found good.
    fn evidence(&mut self, placement: &gist::Placement) {
        for evidence in &placement.evidence {
            if matches!(evidence.result(), EvidenceResult::Invalid) {
                continue;
            }
            match evidence.kind() {
                EvidenceKind::Passport => {
                    if let Ok(passport) = Passport::parse(text(&evidence.number)) {
                        self.add(IdentifierKind::Passport, passport.as_str());
                    }
                }
                EvidenceKind::WorkerCard => {
                    if let Ok(card) = CardNumber::parse(text(&evidence.number)) {
                        self.add(IdentifierKind::Card, card.as_str());
                    }
                }
                _ => {}
            }
        }
        self.found.sort_by_key(|(kind, _)| *kind);
    }
}

/// Whether an event tells the identifier with this id of one of its persons.
pub(crate) fn tells(blind: &Blind, content: &gist::Content, id: &Id) -> bool {
    identifiers(blind, content).contains(id)
}

/// Every identifier that an event tells, of all of its persons.
pub(crate) fn identifiers(blind: &Blind, content: &gist::Content) -> Vec<Id> {
    let told = content.claims().flat_map(|claim| {
        let mut identifiers = Identifiers::new(blind);
        identifiers.claim(claim);
        if let gist::Content::Placement(placement) = content {
            identifiers.evidence(placement);
        }
        identifiers.found.into_iter().map(|(_, id)| id)
    });
    told.collect()
}

/// A number as text; what is no text is no number.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A claim, and where it stands.
struct Told<'a> {
    claim: &'a gist::Claim,
    record: &'a Id,
    position: u64,
}

/// Finds or makes the person of a claim, links its identifiers, notes the record that speaks of it and the name it tells.
fn attach(
    store: &mut Overlay<'_>,
    identifiers: &[(IdentifierKind, Id)],
    unnamed: Option<Id>,
    told: &Told<'_>,
) -> Result<Id, StateError> {
    let position = told.position;
    let nik = identifiers.iter().find(|(kind, _)| *kind == IdentifierKind::Nik).map(|(_, id)| *id);
    let mut unlinked = Vec::new();
    let mut hits: Vec<Id> = Vec::new();
    let mut by_nik = None;
    let mut seen = Vec::with_capacity(identifiers.len());
    for (kind, id) in identifiers {
        let node = store.row::<Node>(&key::node(id))?;
        let alias = node.as_ref().map(|node| key::one(&node.alias));
        seen.push((*id, node));
        match alias {
            None => unlinked.push(*id),
            Some(alias) => {
                let person = alias.unwrap_or(*id);
                if *kind == IdentifierKind::Nik && by_nik.is_none() {
                    by_nik = Some(person);
                }
                if !hits.contains(&person) {
                    hits.push(person);
                }
            }
        }
    }
    let person = match (by_nik, nik) {
        (Some(person), _) => person,
        (None, Some(nik)) => match without_nik(store, &hits)? {
            Some(person) => person,
            None if hits.is_empty() => known(store, unnamed)?.unwrap_or(nik),
            None => nik,
        },
        (None, None) => match hits.first() {
            Some(person) => *person,
            None => known(store, unnamed)?
                .or(identifiers.first().map(|(_, id)| *id))
                .or(unnamed)
                .expect("a claim without identifiers has an unnamed person"),
        },
    };
    let before = match seen.into_iter().find(|(id, _)| *id == person) {
        Some((_, node)) => node,
        None => store.row::<Node>(&key::node(&person))?,
    };
    let mut node = before.clone().unwrap_or_default();
    node.has_nik |= nik.is_some();
    node.linked |= !identifiers.is_empty();
    speak_of(store, &person, &mut node, told.record)?;
    names::note(store, &person, &mut node, told.claim, position);
    if before.as_ref() != Some(&node) {
        store.put_row(&key::node(&person), &node);
    }
    for id in unlinked.into_iter().filter(|id| *id != person) {
        store.put_row(&key::node(&id), &Node::alias_of(&person));
    }
    for other in hits.into_iter().filter(|other| *other != person) {
        conflict(store, &person, &other, position)?;
        conflict(store, &other, &person, position)?;
    }
    Ok(person)
}

/// The first of them whose NIK is not known yet.
fn without_nik(store: &Overlay<'_>, persons: &[Id]) -> Result<Option<Id>, StateError> {
    for person in persons {
        let node: Node = store.row(&key::node(person))?.unwrap_or_default();
        if !node.has_nik {
            return Ok(Some(*person));
        }
    }
    Ok(None)
}

/// The unnamed person of the record, where an earlier snapshot made one and no identifier leads to it yet.
fn known(store: &Overlay<'_>, unnamed: Option<Id>) -> Result<Option<Id>, StateError> {
    let Some(unnamed) = unnamed else { return Ok(None) };
    let node: Option<Node> = store.row(&key::node(&unnamed))?;
    Ok(node.filter(|node| !node.linked).map(|_| unnamed))
}

fn conflict(store: &mut Overlay<'_>, person: &Id, other: &Id, position: u64) -> Result<(), StateError> {
    let key = key::conflict(person, other);
    let mut row: Conflict =
        store.row(&key)?.unwrap_or(Conflict { first: position, last: position, times: 0 });
    row.last = position;
    row.times += 1;
    store.put_row(&key, &row);
    Ok(())
}

/// Notes that a record speaks of the person. It stays noted when a later snapshot names somebody else: who the record
/// speaks of now, its newest snapshot says.
fn speak_of(store: &mut Overlay<'_>, person: &Id, node: &mut Node, record: &Id) -> Result<(), StateError> {
    if key::unpack(&node.records).any(|known| known == *record) {
        return Ok(());
    }
    if node.records.len() < RECORDS_INLINE_MAX * 16 {
        node.records.extend_from_slice(record);
        return Ok(());
    }
    node.more = true;
    store.put_if_other(&key::person_record(person, record), &Pointer::default())
}
