//! Which agency sees which classes of which view, as the directory stood at a position.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use simpul_types::{AgencyCode, FieldClass, Position, View};

use crate::FeedError;

/// Where the publisher learns what agencies may see.
///
/// `at` MUST answer by the directory that the event at `position` was judged under, and MUST answer the same for ever: the
/// outbox is a function of the log prefix (PUB-1), so a rebuild asks again and has to get the same messages. Where it
/// cannot know, it MUST say so and not guess. It SHOULD be cheap; it is asked once per change, mostly in order.
/// `Position::new(u64::MAX)` asks for the newest state.
pub trait Visibility: Send + Sync + 'static {
    /// What every agency sees at `position`. Blocking I/O.
    ///
    /// # Errors
    /// Where the directory of that position cannot be read.
    fn at(&self, position: Position) -> Result<Arc<Sight>, FeedError>;
}

/// What every agency sees, in one state of the directory. Agencies that see nothing are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight(BTreeMap<AgencyCode, BTreeMap<View, Seen>>);

/// What an agency sees of a view, by whose data it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Of anybody's.
    anybody: ClassSet,
    /// Of those with whom it is otherwise.
    named: BTreeMap<AgencyCode, ClassSet>,
}

impl Seen {
    /// What is seen of any document; `None` where it depends on whose data the document shows.
    pub(crate) fn of_anybody(&self) -> Option<ClassSet> {
        self.named.is_empty().then_some(self.anybody)
    }

    /// What is seen of a document that shows data of these agencies: no more than of each of them.
    pub(crate) fn of<'a>(&self, providers: impl IntoIterator<Item = &'a AgencyCode>) -> ClassSet {
        let of_each = providers.into_iter().map(|one| self.named.get(one).copied().unwrap_or(self.anybody));
        of_each.reduce(ClassSet::and).unwrap_or(self.anybody)
    }
}

impl Sight {
    /// From triples; empty sets are dropped.
    pub fn new<C>(seen: impl IntoIterator<Item = (AgencyCode, View, C)>) -> Self
    where
        C: IntoIterator<Item = FieldClass>,
    {
        let mut agencies: BTreeMap<AgencyCode, BTreeMap<View, Seen>> = BTreeMap::new();
        for (agency, view, classes) in seen {
            let classes: ClassSet = classes.into_iter().collect();
            if !classes.is_empty() {
                let seen = Seen { anybody: classes, named: BTreeMap::new() };
                agencies.entry(agency).or_default().insert(view, seen);
            }
        }
        Self(agencies)
    }

    /// Agencies that see anything, in order of their codes.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.0.keys()
    }

    /// Says what an agency sees of the data of one; nothing changes where that is what it sees of anybody's.
    pub fn of_provider<C>(&mut self, agency: &AgencyCode, view: View, provider: &AgencyCode, classes: C)
    where
        C: IntoIterator<Item = FieldClass>,
    {
        let classes: ClassSet = classes.into_iter().collect();
        let known = self.0.get(agency).and_then(|views| views.get(&view));
        if known.map_or(ClassSet::default(), |seen| seen.anybody) != classes {
            let views = self.0.entry(agency.clone()).or_default();
            views.entry(view).or_default().named.insert(provider.clone(), classes);
        }
    }

    /// What each agency sees of a view, in order of their codes.
    pub(crate) fn of(&self, view: View) -> impl Iterator<Item = (&AgencyCode, &Seen)> {
        self.0.iter().filter_map(move |(agency, views)| Some((agency, views.get(&view)?)))
    }
}

/// A set of field classes in 16 bits; bit n stands for the n-th of [`FieldClass::ALL`]. Stored in the outbox, so the
/// order of that list is part of its layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassSet(u16);

impl ClassSet {
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its members.
    pub(crate) fn members(self) -> BTreeSet<FieldClass> {
        FieldClass::ALL.iter().copied().filter(|class| self.0 & bit(*class) != 0).collect()
    }
}

impl FromIterator<FieldClass> for ClassSet {
    fn from_iter<I: IntoIterator<Item = FieldClass>>(classes: I) -> Self {
        Self(classes.into_iter().fold(0, |bits, class| bits | bit(class)))
    }
}

fn bit(class: FieldClass) -> u16 {
    let index = FieldClass::ALL.iter().position(|known| *known == class);
    1 << index.expect("ALL lists every class")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_own_bit() {
        let all: ClassSet = FieldClass::ALL.iter().copied().collect();
        assert_eq!(all.bits().count_ones() as usize, FieldClass::ALL.len());
        assert_eq!(FieldClass::ALL.len(), 8, "a new class goes to the end: bits are stored");
    }

    #[test]
    fn an_agency_that_sees_nothing_is_not_there() {
        let agency: AgencyCode = "kp2mi".parse().expect("valid");
        assert_eq!(Sight::new([(agency, View::Case, [])]), Sight::default());
    }
}
