//! Who is said to be one person with whom, and which of those words are held.
//!
//! ```text
//! A ══ B ══ C      said: A is B, B is C; all three are read together
//! A ══ B ══ C ≠ A  C is distinguished from A: asked of A, the word about C is held
//! A ══ B           A victim, B suspect of one case: held, however sure somebody was
//! ```

use std::collections::BTreeMap;

use simpul_types::Position;

use super::{PersonId, Shared, people::HISTORY_MAX};
use crate::{
    error::StateError,
    key,
    row::{Kind, Node, Sameness, Tie},
};

/// Persons that are read together at most. Links are decisions of people; a longer chain is a mistake, and what lies behind
/// it is held.
const LINKED_MAX: usize = 16;

/// Whom a person was said to be one with, or not: the newest word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TieNote {
    /// The other person.
    pub other: PersonId,
    /// What holds.
    pub state: TieState,
    /// The event.
    pub position: Position,
}

/// What the newest word about two persons says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieState {
    /// They are one and are read together.
    Linked,
    /// Somebody says that they are one; it has no effect.
    Held,
    /// Somebody said so once.
    Unlinked,
    /// They are two.
    Distinguished,
}

impl TieState {
    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "LINKED",
            Self::Held => "HELD",
            Self::Unlinked => "UNLINKED",
            Self::Distinguished => "DISTINGUISHED",
        }
    }
}

/// A person with those who are read as the same one.
pub(super) struct One {
    /// The person asked for first.
    pub(super) persons: Vec<PersonId>,
    /// Whose link is held.
    pub(super) held: Vec<PersonId>,
}

/// In which cases a person is accused only (`true`) or not.
type Sides = BTreeMap<Vec<u8>, bool>;

impl Shared {
    /// The person and all who are linked to it by words below `until`, by the order of those words, without those that are held.
    pub(super) fn said_to_be_one(&self, person: &PersonId, until: Position) -> Result<One, StateError> {
        let mut one = One { persons: vec![*person], held: Vec::new() };
        let tied: Option<Node> = self.state.row(&key::node(&person.0))?;
        if !tied.is_some_and(|node| node.tied) {
            return Ok(one);
        }
        let mut sides = vec![self.sides(person, until)?];
        let mut next = 0;
        while let Some(at) = one.persons.get(next).copied() {
            let mut words = self.words(&at, until)?;
            words.retain(|(_, _, sameness)| *sameness == Sameness::Same);
            words.sort_by_key(|(_, position, _)| *position);
            for (other, ..) in words {
                if one.persons.contains(&other) || one.held.contains(&other) {
                    continue;
                }
                let theirs = self.sides(&other, until)?;
                let clash = sides.iter().any(|known| {
                    known.iter().any(|(case, accused)| theirs.get(case).is_some_and(|side| side != accused))
                });
                if clash
                    || one.persons.len() >= LINKED_MAX
                    || self.distinguished(&other, &one.persons, until)?
                {
                    one.held.push(other);
                } else {
                    one.persons.push(other);
                    sides.push(theirs);
                }
            }
            next += 1;
        }
        Ok(one)
    }

    /// Every newest word about the person below `until`.
    pub(super) fn ties(&self, person: &PersonId, until: Position) -> Result<Vec<TieNote>, StateError> {
        let one = self.said_to_be_one(person, until)?;
        let words = self.words(person, until)?;
        Ok(words
            .into_iter()
            .map(|(other, position, sameness)| {
                let state = match sameness {
                    Sameness::Same if one.persons.contains(&other) => TieState::Linked,
                    Sameness::Same => TieState::Held,
                    Sameness::Open => TieState::Unlinked,
                    Sameness::Other => TieState::Distinguished,
                };
                TieNote { other, state, position }
            })
            .collect())
    }

    fn words(
        &self,
        person: &PersonId,
        until: Position,
    ) -> Result<Vec<(PersonId, Position, Sameness)>, StateError> {
        let mut words = Vec::new();
        for item in self.state.scan(&key::ties(&person.0)) {
            let (key, bytes) = item?;
            let other = key.get(17..).and_then(key::one).ok_or(StateError::Row)?;
            let tie: Tie = crate::row::decode(&bytes)?;
            if let Some(said) = tie.then(until.get()) {
                words.push((PersonId(other), Position::new(said.position), said.sameness()));
            }
        }
        Ok(words)
    }

    fn distinguished(
        &self,
        person: &PersonId,
        from: &[PersonId],
        until: Position,
    ) -> Result<bool, StateError> {
        let words = self.words(person, until)?;
        Ok(words.iter().any(|(other, _, sameness)| *sameness == Sameness::Other && from.contains(other)))
    }

    /// On which side a person stands in each case. Who is both victim and suspect there is not accused only: one person may
    /// well be both, but two persons of two sides are not made one by a link.
    fn sides(&self, person: &PersonId, until: Position) -> Result<Sides, StateError> {
        let mut sides = Sides::new();
        for record in self.records_of(person)? {
            let Some((kind, newest)) = self.snapshot_at(&record, until)? else { continue };
            let history = match kind {
                // Each event of such a stream may speak of others.
                Kind::Entry => self.history(&record, until, HISTORY_MAX)?,
                _ => vec![newest.at()],
            };
            for position in history {
                let Some((_, snapshot)) = self.snapshot_at(&record, position.plus(1))? else { continue };
                let Some((_, payload)) = self.open_at(position)? else { continue };
                for (id, accused) in key::unpack(&snapshot.persons).zip(payload.accused()) {
                    if id == person.0 && !snapshot.case.is_empty() {
                        *sides.entry(snapshot.case.clone()).or_insert(true) &= accused;
                    }
                }
            }
        }
        Ok(sides)
    }
}
