//! Lists of what is looked for as a whole: cases that something is due in, shelters, their beds, units of agencies.
//!
//! | list | under | record |
//! |---|---|---|
//! | [`DUE`] | case | the case again: an offer, a clock or a hold stands in it, or once did |
//! | [`SHELTERS`] | shelter | the stream of its declarations |
//! | [`BEDS`] | shelter | the stream of a bed |
//! | [`UNITS`] | nothing | the stream of a unit |

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key::{self, Blind, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::Pointer,
};

/// Cases with an offer, a clock or a hold.
pub(crate) const DUE: u8 = 1;
/// Shelters by code.
pub(crate) const SHELTERS: u8 = 2;
/// Beds by shelter.
pub(crate) const BEDS: u8 = 3;
/// Units of agencies.
pub(crate) const UNITS: u8 = 4;
/// Of the lists that are under nothing.
pub(crate) const NOTHING: Id = [0; 16];

/// The lists.
pub(crate) struct Listed;

/// Id of a shelter's code.
pub(crate) fn shelter_id(blind: &Blind, code: &str) -> Id {
    blind.id("shelter", &key::normal(code))
}

impl Projection for Listed {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let (Content::Entry(entry), Some(record)) = (&event.content, outcome.record) else { return Ok(()) };
        let name = entry.kind.name();
        let shelter = |store: &Overlay<'_>| shelter_id(store.blind(), &entry.shelter_code);
        let row = match name {
            "simpul.shelter.v1.ShelterDeclared" => key::listed(SHELTERS, &shelter(store), &record),
            "simpul.shelter.v1.BedHeld" => key::listed(BEDS, &shelter(store), &record),
            "simpul.organisation.v1.UnitDeclared" => key::listed(UNITS, &NOTHING, &record),
            _ => Vec::new(),
        };
        if !row.is_empty() {
            store.put_if_other(&row, &Pointer::default())?;
        }
        let something_is_due = matches!(
            name,
            "simpul.nrm.v1.ReferralOffered" | "simpul.nrm.v1.ClockSet" | "simpul.shelter.v1.BedHeld"
        );
        if let Some(case) = outcome.case.filter(|_| something_is_due) {
            store.put_if_other(&key::listed(DUE, &case, &case), &Pointer::default())?;
        }
        Ok(())
    }
}
