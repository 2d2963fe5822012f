//! Names lead to persons: the keys of `simpul-identity`, each as a keyed hash. At rest no name stands in clear (PII-1), and
//! which one it was is read out of the sealed payload of the event that told it.

use simpul_identity::{Name, keys};

use crate::{
    event::gist::Claim,
    key::{self, Blind, Id},
    overlay::Overlay,
    row::{Named, Node},
};

/// Bytes of a person's row that one name takes.
const NOTE_BYTES: usize = 8;
/// Names of one person that are noted; whoever has been written in more ways is found by these.
const NAMES_MAX: usize = 16;

/// Hash of a name's key.
pub(crate) fn name_key(blind: &Blind, key: &str) -> Id {
    blind.id("person/name", key)
}

/// Makes a person findable by the name of a claim, once per name and birth date.
pub(super) fn note(store: &mut Overlay<'_>, person: &Id, node: &mut Node, claim: &Claim, position: u64) {
    if claim.name.trim().is_empty() || node.names.len() >= NAMES_MAX * NOTE_BYTES {
        return;
    }
    let blind = store.blind();
    let whole = blind.id("person/named", &format!("{}\n{}", claim.name, claim.birth_date));
    let noted = &whole[..NOTE_BYTES];
    if node.names.chunks_exact(NOTE_BYTES).any(|known| known == noted) {
        return;
    }
    node.names.extend_from_slice(noted);
    for key in keys(&Name::of(&claim.name), &claim.birth_date) {
        store.put_row(&key::named(&name_key(blind, &key), person), &Named { position });
    }
}
