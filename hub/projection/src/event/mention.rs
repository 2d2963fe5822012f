//! Whom an event speaks of, as keyed hashes. They are made where the payload is opened, so that folding sees nobody's
//! number and no name (PII-1), and two threads share the work.

use simpul_identity::{Name, keys};
use simpul_types::identity::{CardNumber, Mrz, Nik, Passport};

use super::gist::{Claim, Persons};
use crate::key::{Blind, Id};

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

/// One person that an event speaks of.
pub(crate) struct Mention {
    /// Strong identifiers, strongest first, each once.
    pub(crate) identifiers: Vec<(IdentifierKind, Id)>,
    /// The name it tells.
    pub(crate) spoken: Option<Spoken>,
}

/// A name, as keyed hashes.
pub(crate) struct Spoken {
    /// Of name and birth date as they are written.
    pub(crate) whole: Id,
    /// What persons of such a name are found by.
    pub(crate) keys: Vec<Id>,
}

/// Everybody a payload speaks of, in the order of its claims.
pub(super) fn mentions(blind: &Blind, persons: &Persons<'_>) -> Vec<Mention> {
    let mention = |claim: &Claim<'_>| {
        let mut identifiers = Identifiers { blind, found: Vec::with_capacity(4) };
        identifiers.claim(claim);
        identifiers.papers(&persons.papers);
        Mention { identifiers: identifiers.found, spoken: Spoken::of(blind, claim) }
    };
    persons.claims.iter().map(mention).collect()
}

/// Hash of a name's key.
pub(crate) fn name_key(blind: &Blind, key: &str) -> Id {
    blind.id("person/name", key)
}

impl Spoken {
    fn of(blind: &Blind, claim: &Claim<'_>) -> Option<Self> {
        if claim.name.trim().is_empty() {
            return None;
        }
        let whole = blind.id("person/named", &format!("{}\n{}", claim.name, claim.birth_date));
        let keys = keys(&Name::of(claim.name), claim.birth_date);
        Some(Self { whole, keys: keys.iter().map(|key| name_key(blind, key)).collect() })
    }
}

struct Identifiers<'a> {
    blind: &'a Blind,
    found: Vec<(IdentifierKind, Id)>,
}

impl Identifiers<'_> {
    fn add(&mut self, kind: IdentifierKind, value: &str) {
        let found = (kind, self.blind.id(kind.field(), value));
        if !self.found.contains(&found) {
            self.found.push(found);
        }
    }

    /// What the source says; a number of the wrong form links nothing.
    fn claim(&mut self, claim: &Claim<'_>) {
        if let Ok(nik) = Nik::parse(claim.nik) {
            self.add(IdentifierKind::Nik, nik.as_str());
        }
        if let Ok(passport) = Passport::parse(claim.passport) {
            self.add(IdentifierKind::Passport, passport.as_str());
        } else if let Ok(mrz) = Mrz::parse(claim.mrz)
            && let Ok(passport) = Passport::parse(mrz.document_number())
        {
            self.add(IdentifierKind::Passport, passport.as_str());
        }
        if let Ok(card) = CardNumber::parse(claim.card) {
            self.add(IdentifierKind::Card, card.as_str());
        }
    }

    /// Numbers of the passports and cards that the registry found good.
    fn papers(&mut self, papers: &[(IdentifierKind, &[u8])]) {
        for (kind, number) in papers {
            // What is no text is no number.
            let number = std::str::from_utf8(number).unwrap_or_default();
            match kind {
                IdentifierKind::Passport => {
                    if let Ok(passport) = Passport::parse(number) {
                        self.add(*kind, passport.as_str());
                    }
                }
                IdentifierKind::Card => {
                    if let Ok(card) = CardNumber::parse(number) {
                        self.add(*kind, card.as_str());
                    }
                }
                IdentifierKind::Nik | IdentifierKind::Reference => {}
            }
        }
        self.found.sort_by_key(|(kind, _)| *kind);
    }
}
