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

mod names;
mod ties;

use crate::{
    error::StateError,
    event::{Event, IdentifierKind, gist, mention::Mention},
    key::{self, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Conflict, Node, Pointer},
};

/// Records that stand in the person's own row; further ones get rows, so that the row stays small.
const RECORDS_INLINE_MAX: usize = 4;

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
        let of_one = !matches!(event.content, gist::Content::Report { .. });
        for (n, mention) in event.mentions.iter().enumerate() {
            // An unnamed person was made by an earlier event of the same record, or there is none.
            let may_be_unnamed = mention.identifiers.is_empty() || (of_one && outcome.before.is_some());
            let blind = store.blind();
            let unnamed = may_be_unnamed
                .then_some(|| blind.id("person/unnamed", &format!("{}/{n}", key::text(&record))));
            outcome.persons.push(attach(store, mention, unnamed, &record, event.position.get())?);
        }
        Ok(())
    }
}

/// Finds or makes the person that an event speaks of, links the identifiers, notes the record that speaks of the person and the
/// name it tells. `unnamed` makes the id of the record's unnamed person, where there may be one.
fn attach(
    store: &mut Overlay<'_>,
    mention: &Mention,
    unnamed: Option<impl Fn() -> Id>,
    record: &Id,
    position: u64,
) -> Result<Id, StateError> {
    let identifiers = &mention.identifiers;
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
            None if hits.is_empty() => known(store, &unnamed)?.unwrap_or(nik),
            None => nik,
        },
        (None, None) => match hits.first() {
            Some(person) => *person,
            None => known(store, &unnamed)?
                .or(identifiers.first().map(|(_, id)| *id))
                .or_else(|| unnamed.map(|unnamed| unnamed()))
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
    speak_of(store, &person, &mut node, record)?;
    if let Some(spoken) = &mention.spoken {
        names::note(store, &person, &mut node, spoken, position);
    }
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
fn known(store: &Overlay<'_>, unnamed: &Option<impl Fn() -> Id>) -> Result<Option<Id>, StateError> {
    let Some(unnamed) = unnamed.as_ref().map(|unnamed| unnamed()) else { return Ok(None) };
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
