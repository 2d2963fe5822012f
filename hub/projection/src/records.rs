//! Source records: the newest snapshot of a stream stands for the record, earlier ones keep their positions.

use simpul_types::View;

use crate::{
    error::StateError,
    event::{Event, gist::Content},
    key,
    overlay::Overlay,
    projection::{Outcome, Projection},
    row::{Record, Snapshot},
};

/// The record read model; placements and their evidence are records and nothing more.
pub(crate) struct Records;

impl Projection for Records {
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError> {
        let (Some(id), Some(kind)) = (outcome.record, event.content.kind()) else { return Ok(()) };
        let mut persons = outcome.persons.concat();
        if let (Content::Entry(_), true, Some(before)) = (&event.content, persons.is_empty(), &outcome.before)
        {
            // What follows in a stream speaks of whom its beginning spoke of.
            persons.clone_from(&before.newest.persons);
        }
        let newest = Snapshot {
            position: event.position.get(),
            source: event.source.as_str().into(),
            observed_at: event.occurred_at,
            persons,
            case: outcome.case.map(|id| id.to_vec()).unwrap_or_default(),
            licence: outcome.licence.map(|id| id.to_vec()).unwrap_or_default(),
        };
        let mut versions = 1;
        if let Some(before) = &outcome.before {
            let position = simpul_types::Position::new(before.newest.position);
            store.put_row(&key::earlier(&id, position), &before.newest);
            versions += before.versions;
        }
        store.put_row(&key::record(&id), &Record { kind: kind as i32, versions, newest });
        match &event.content {
            Content::Placement => outcome.changes.push((View::Placement, id)),
            Content::Entry(entry) => {
                let view = entry.kind.view.parse().ok().filter(|view| *view != View::Case);
                outcome.changes.extend(view.map(|view| (view, id)));
                outcome.addressee.clone_from(&entry.addressee);
            }
            _ => {}
        }
        Ok(())
    }
}
