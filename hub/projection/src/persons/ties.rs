//! What somebody has decided about two persons being one. The words of a pair stand under both persons, oldest first, so that
//! what was known at any position can be told.

use crate::{
    error::StateError,
    event::entry::Gist,
    key::{self, Id},
    overlay::Overlay,
    projection::Outcome,
    row::{Node, Said, Sameness, Tie},
};

/// Words kept of one pair; of more, the newest.
const WORDS_MAX: usize = 64;

/// Folds a word about two persons. One that names somebody whom the read models do not know, or one person twice, stands in
/// the log and in its own document, and changes nothing.
pub(super) fn fold(
    entry: &Gist,
    store: &mut Overlay<'_>,
    outcome: &mut Outcome,
    record: &Id,
    position: u64,
) -> Result<(), StateError> {
    let sameness = match entry.kind.name() {
        "simpul.identity.v1.PersonsLinked" => Sameness::Same,
        "simpul.identity.v1.PersonsUnlinked" => Sameness::Open,
        "simpul.identity.v1.PersonsDistinguished" => Sameness::Other,
        _ => return Ok(()),
    };
    let [one, other] = &entry.persons[..] else { return Ok(()) };
    let (Some(one), Some(other)) = (known(store, one)?, known(store, other)?) else { return Ok(()) };
    if one == other {
        return Ok(());
    }
    for (person, other) in [(one, other), (other, one)] {
        let mut tie: Tie = store.row(&key::tie(&person, &other))?.unwrap_or_default();
        tie.said.push(Said { position, sameness: sameness.into() });
        let surplus = tie.said.len().saturating_sub(WORDS_MAX);
        tie.said.drain(..surplus);
        store.put_row(&key::tie(&person, &other), &tie);
        let before: Node = store.row(&key::node(&person))?.unwrap_or_default();
        let mut node = Node { tied: true, ..before.clone() };
        super::speak_of(store, &person, &mut node, record)?;
        if node != before {
            store.put_row(&key::node(&person), &node);
        }
        outcome.persons.push(person);
    }
    Ok(())
}

/// The person that a reference names.
fn known(store: &Overlay<'_>, reference: &str) -> Result<Option<Id>, StateError> {
    let Some(id) = key::parse(reference) else { return Ok(None) };
    let node: Option<Node> = store.row(&key::node(&id))?;
    Ok(node.map(|node| key::one(&node.alias).unwrap_or(id)))
}
