//! Licences by number. The newest snapshot of a source record stands for it; where it takes another number, the old
//! number no longer leads to it.

use simpul_types::View;

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key::{self, Blind, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::Pointer,
};

/// The licence read model.
pub(crate) struct Licences;

/// Id of a licence number.
pub(crate) fn id(blind: &Blind, number: &str) -> Id {
    blind.id("licence", &key::normal(number))
}

impl Projection for Licences {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let (Content::Licence { licence_no }, Some(record)) = (&event.content, outcome.record) else {
            return Ok(());
        };
        let number = id(store.blind(), licence_no);
        let before = outcome.before.as_ref().and_then(|before| key::one(&before.newest.licence));
        if let Some(old) = before.filter(|old| *old != number) {
            let holder: Option<Pointer> = store.row(&key::licence(&old))?;
            if holder == Some(Pointer::to(&record)) {
                store.delete(&key::licence(&old));
            }
        }
        store.put_if_other(&key::licence(&number), &Pointer::to(&record))?;
        outcome.licence = Some(number);
        outcome.changes.push((View::Licence, number));
        Ok(())
    }
}
