//! Names lead to persons: the keys of `simpul-identity`, each as a keyed hash. At rest no name stands in clear (PII-1), and
//! which one it was is read out of the sealed payload of the event that told it.

use crate::{
    event::mention::Spoken,
    key::{self, Id},
    overlay::Overlay,
    row::{Named, Node},
};

/// Bytes of a person's row that one name takes.
const NOTE_BYTES: usize = 8;
/// Names of one person that are noted; whoever has been written in more ways is found by these.
const NAMES_MAX: usize = 16;

/// Makes a person findable by a name, once per name and birth date.
pub(super) fn note(store: &mut Overlay<'_>, person: &Id, node: &mut Node, spoken: &Spoken, position: u64) {
    let noted = &spoken.whole[..NOTE_BYTES];
    if node.names.len() >= NAMES_MAX * NOTE_BYTES
        || node.names.chunks_exact(NOTE_BYTES).any(|known| known == noted)
    {
        return;
    }
    node.names.extend_from_slice(noted);
    for key in &spoken.keys {
        store.put_row(&key::named(key, person), &Named { position });
    }
}
