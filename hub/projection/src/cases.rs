//! Which case a report, an intake or a screening belongs to.
//!
//! ```text
//! intake, screening ── case_ref ─────────────▶ case
//! police report ────── related_case_ref ─────▶ case        also when it comes later: the report moves with its history
//! police report ────── (none) ───────────────▶ a case of its own
//! any other event ──── case_ref, else lp_number ▶ case, if there is one; what follows in its stream stays there
//! LP number ─▶ report ─▶ its case
//! ```
//!
//! A report that has joined a case stays there when a later snapshot names none; another reference moves it.

use simpul_types::View;

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key::{self, Blind, Id},
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Case, Pointer, Record},
};

/// The case read model.
pub(crate) struct Cases;

/// Id of the case that agencies name so.
pub(crate) fn id(blind: &Blind, case_ref: &str) -> Id {
    blind.id("case", &key::normal(case_ref))
}

/// Id of a police report's number.
pub(crate) fn report_id(blind: &Blind, lp_number: &str) -> Id {
    blind.id("report", &key::normal(lp_number))
}

/// Id of the case that is a record's own.
fn own_id(blind: &Blind, record: &Id) -> Id {
    blind.id("case/own", &key::text(record))
}

/// The case that a police report belongs to now.
fn case_of_report(store: &mut Overlay<'_>, lp_number: &str) -> Result<Option<Id>, StateError> {
    if lp_number.trim().is_empty() {
        return Ok(None);
    }
    let number = report_id(store.blind(), lp_number);
    let pointer: Option<Pointer> = store.row(&key::report(&number))?;
    let Some(report) = pointer.and_then(|pointer| key::one(&pointer.record)) else { return Ok(None) };
    let record: Option<Record> = store.row(&key::record(&report))?;
    Ok(record.and_then(|record| key::one(&record.newest.case)))
}

impl Projection for Cases {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let Some(record) = outcome.record else { return Ok(()) };
        let case_ref = match &event.content {
            Content::Report { lp_number, related_case_ref } => {
                let number = report_id(store.blind(), lp_number);
                store.put_if_other(&key::report(&number), &Pointer::to(&record))?;
                related_case_ref
            }
            Content::Intake { case_ref } | Content::Screening { case_ref } => case_ref,
            Content::Entry(entry) => &entry.case_ref,
            _ => return Ok(()),
        };
        let before = outcome.before.as_ref().and_then(|before| key::one(&before.newest.case));
        let case = match (case_ref.trim(), before) {
            ("", Some(before)) => before,
            ("", None) if let Content::Entry(entry) = &event.content => {
                match case_of_report(store, &entry.lp_number)? {
                    Some(case) => case,
                    None => return Ok(()),
                }
            }
            ("", None) => own_id(store.blind(), &record),
            (named, _) => id(store.blind(), named),
        };
        if before != Some(case) {
            let key = key::case(&case);
            if !store.has(&key)? {
                let named = case_ref.trim();
                let own = if named.is_empty() { record.to_vec() } else { Vec::new() };
                store.put_row(&key, &Case { case_ref: named.into(), own, opened: event.position.get() });
            }
            store.put_if_other(&key::member(&case, &record), &Pointer::default())?;
        }
        outcome.case = Some(case);
        outcome.changes.push((View::Case, case));
        if let Some(left) = before.filter(|before| *before != case) {
            outcome.changes.push((View::Case, left));
        }
        Ok(())
    }
}
