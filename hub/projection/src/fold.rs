//! Folds leaves into a batch. The same code runs live and when a state is rebuilt for comparison (PRJ-2).

use simpul_log::{Reader, StoredLeaf};
use simpul_signing::sha256;
use simpul_types::{AgencyCode, Leaf, Position};

use crate::{
    error::StateError,
    event::{self, Event, Fault, Unreadable},
    feed::LeafChanges,
    key,
    overlay::Overlay,
    projection::{self, Projection},
    row::{Gap, Tracking},
    state::State,
};

/// Folds leaves; holds no state of its own between batches.
pub(crate) struct Folder {
    reader: Reader,
    projections: Vec<Box<dyn Projection>>,
}

/// Writes of a batch that is not committed.
pub(crate) struct Batch<'a> {
    overlay: Overlay<'a>,
    tracking: Tracking,
    /// Events folded, gaps included.
    pub(crate) events: usize,
    /// Events that became gaps.
    pub(crate) gaps: u64,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(state: &'a State) -> Result<Self, StateError> {
        let tracking = state.tracking()?;
        Ok(Self { overlay: state.overlay(), tracking, events: 0, gaps: 0 })
    }

    /// Position after the last event folded.
    pub(crate) fn position(&self) -> Position {
        Position::new(self.tracking.position)
    }

    /// Commits rows and tracking position together (PRJ-1).
    pub(crate) fn commit(self, state: &State) -> Result<Position, StateError> {
        let position = self.position();
        state.commit(self.overlay.into_writes(), &self.tracking)?;
        Ok(position)
    }
}

impl Folder {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, projections: projection::all() }
    }

    /// Folds one leaf, up to a position.
    pub(crate) fn leaf(
        &self,
        leaf: &StoredLeaf,
        until: Position,
        batch: &mut Batch<'_>,
    ) -> Result<(), StateError> {
        let source = Leaf::decode(&leaf.bytes).ok().map(|leaf| leaf.statement.sender.agency);
        let mut changes = LeafChanges::new(leaf.first_position);
        for stored in leaf.events.iter().filter(|stored| stored.position < until) {
            // Assert: the log hands out every position once and in order; a hole here would be a wrong state for ever.
            assert_eq!(
                stored.position.get(),
                batch.tracking.position,
                "PRJ-2: positions are folded without a hole"
            );
            let outcome = match self.read(stored, source.as_ref())? {
                Ok(event) => projection::fold(&self.projections, &event, &mut batch.overlay)?,
                Err(fault) => {
                    let gap = Gap { event_type: fault.event_type, reason: fault.why.to_string() };
                    batch.overlay.put_row(key::gap(stored.position), &gap);
                    batch.tracking.gaps += 1;
                    batch.gaps += 1;
                    projection::Outcome::default()
                }
            };
            changes.add(stored.position, outcome.record, &outcome.changes);
            batch.tracking.position += 1;
            batch.events += 1;
        }
        changes.write(&mut batch.overlay);
        batch.tracking.leaf = sha256(&[&leaf.bytes]).to_vec();
        Ok(())
    }

    fn read(
        &self,
        stored: &simpul_log::StoredEvent,
        source: Option<&AgencyCode>,
    ) -> Result<Result<Event, Fault>, StateError> {
        let Some(source) = source else {
            return Ok(Err(Fault { event_type: String::new(), why: Unreadable::Leaf }));
        };
        let opened = event::open(&self.reader, stored)?;
        Ok(opened.map(|(header, payload)| Event {
            position: stored.position,
            source: source.clone(),
            header,
            payload,
        }))
    }
}
