//! Notes for the reader that never change a verdict.

use simpul_types::identity::oddities;

use crate::facts::Facts;

/// Codes, each once, in the order they came up.
#[derive(Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    pub(crate) fn add(&mut self, code: &str) {
        if !self.0.iter().any(|known| known == code) {
            self.0.push(code.into());
        }
    }

    pub(crate) fn into_list(self) -> Vec<String> {
        self.0
    }
}

/// What is odd about who the person is said to be.
pub(crate) fn of_claims(facts: &Facts, warnings: &mut Warnings) {
    if facts.linked_persons > 0 {
        warnings.add("PERSONS_LINKED");
    }
    if facts.links_held > 0 {
        warnings.add("LINK_HELD");
    }
    let own = facts.placements.iter().filter_map(|episode| episode.placement.value.person.as_ref());
    let all = facts.claims.iter().map(|claim| &claim.value).chain(own);
    oddities(all).into_iter().for_each(|code| warnings.add(code));
}
