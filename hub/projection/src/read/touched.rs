//! Whom an event concerns, for those who answer again when something changes.

use std::collections::BTreeSet;

use simpul_types::Position;

use super::{NOW, PersonId, ReadModels};
use crate::{
    error::StateError,
    event::{IdentifierKind, gist},
    key, licences,
    row::Node,
};

/// Whom an event concerns. Ids are keyed hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Persons, with those who are said to be the same ones.
    pub persons: Vec<PersonId>,
    /// Identifiers that it tells, whoever they lead to.
    pub identifiers: Vec<[u8; 16]>,
    /// The licence whose record it is.
    pub licence: Option<[u8; 16]>,
}

impl ReadModels {
    /// Whom the event at a position concerns, as the read models have it now. Empty where it does not open.
    ///
    /// # Errors
    /// The store or the log.
    pub fn touched(&self, position: Position) -> Result<Touched, StateError> {
        let shared = &self.shared;
        let stored = shared.reader.event(position)?;
        let opened = gist::open(&shared.reader, &shared.state.blind, &stored)?.ok();
        let Some((record, opened)) = opened.and_then(|opened| Some((opened.record?, opened))) else {
            return Ok(Touched::default());
        };
        let Some((_, snapshot)) = shared.snapshot_at(&record, position.plus(1))? else {
            return Ok(Touched::default());
        };
        let mut touched = Touched { licence: key::one(&snapshot.licence), ..Touched::default() };
        for person in key::unpack(&snapshot.persons).map(PersonId) {
            for one in shared.said_to_be_one(&person, NOW)?.persons {
                if !touched.persons.contains(&one) {
                    touched.persons.push(one);
                }
            }
        }
        touched.identifiers = opened.identifiers().collect();
        Ok(touched)
    }

    /// The id under which an identifier in its normal form is known, whether or not it leads to anybody.
    pub fn identifier_id(&self, kind: IdentifierKind, normalized: &str) -> [u8; 16] {
        self.shared.state.blind.id(kind.field(), normalized)
    }

    /// Whom a question is about, whether or not it leads to anybody: an identifier's id, or the person that a reference names.
    pub fn subject_id(&self, kind: IdentifierKind, normalized: &str) -> [u8; 16] {
        let named = (kind == IdentifierKind::Reference).then(|| key::parse(normalized)).flatten();
        named.unwrap_or_else(|| self.identifier_id(kind, normalized))
    }

    /// Every id under which somebody may have looked for a person: the identifier asked for, whom it leads to, those who are said to
    /// be the same person, and every identifier that a record of theirs ever told.
    ///
    /// # Errors
    /// The store or the log.
    pub fn subject_ids(
        &self,
        kind: IdentifierKind,
        normalized: &str,
    ) -> Result<BTreeSet<[u8; 16]>, StateError> {
        let mut ids = BTreeSet::from([self.subject_id(kind, normalized)]);
        let Some(person) = self.person_by(kind, normalized)? else { return Ok(ids) };
        for person in self.shared.said_to_be_one(&person, NOW)?.persons {
            ids.insert(person.0);
            for record in self.shared.records_of(&person)? {
                for position in self.shared.history(&record, NOW, usize::MAX)? {
                    let stored = self.shared.reader.event(position)?;
                    let opened = gist::open(&self.shared.reader, &self.shared.state.blind, &stored)?;
                    // An event may tell of several persons; only what leads to this one is hers.
                    for id in opened.iter().flat_map(|opened| opened.identifiers()) {
                        if self.person_of_identifier(&id)? == Some(person) {
                            ids.insert(id);
                        }
                    }
                }
            }
        }
        Ok(ids)
    }

    /// Who an identifier leads to, by its id.
    ///
    /// # Errors
    /// The store.
    pub fn person_of_identifier(&self, id: &[u8; 16]) -> Result<Option<PersonId>, StateError> {
        let node: Option<Node> = self.shared.state.row(&key::node(id))?;
        Ok(node.map(|node| PersonId(key::one(&node.alias).unwrap_or(*id))))
    }

    /// The id of a licence by its number, as [`Touched::licence`] has it.
    pub fn licence_id(&self, number: &str) -> [u8; 16] {
        licences::id(&self.shared.state.blind, number)
    }
}
