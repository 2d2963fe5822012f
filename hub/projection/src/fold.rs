//! Folds leaves into a batch. The same code runs live and when a state is rebuilt for comparison (PRJ-2).

use simpul_signing::sha256;
use simpul_types::Position;

use crate::{
    ahead::OpenedLeaf,
    error::StateError,
    event::Unreadable,
    feed::LeafChanges,
    key,
    overlay::Overlay,
    projection::{self, Projection},
    row::{Gap, Heard, Tracking},
    state::State,
};

/// Folds leaves; holds no state of its own between batches.
pub(crate) struct Folder {
    projections: Vec<Box<dyn Projection>>,
}

/// Writes of a batch that is not committed.
pub(crate) struct Batch<'a> {
    state: &'a State,
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
        Ok(Self { state, overlay: state.overlay(), tracking, events: 0, gaps: 0 })
    }

    /// Position after the last event folded.
    pub(crate) fn position(&self) -> Position {
        Position::new(self.tracking.position)
    }

    /// Commits rows and tracking position together (PRJ-1) and goes on empty; on an error the batch is of no more use.
    pub(crate) fn commit(&mut self) -> Result<Position, StateError> {
        self.state.commit(self.overlay.take_writes(), &self.tracking)?;
        self.overlay = self.state.overlay();
        (self.events, self.gaps) = (0, 0);
        Ok(self.position())
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { projections: projection::all() }
    }

    /// Folds one leaf.
    pub(crate) fn leaf(&self, leaf: OpenedLeaf, batch: &mut Batch<'_>) -> Result<(), StateError> {
        let mut changes = LeafChanges::new(leaf.first_position);
        if let Some((agency, admitted_at)) = leaf.heard.filter(|_| !leaf.events.is_empty()) {
            let row = Heard { admitted_at: admitted_at.as_us() };
            batch.overlay.put_row(&key::heard(agency.as_str()), &row);
        }
        for (position, opened) in leaf.events {
            // Assert: the log hands out every position once and in order; a hole here would be a wrong state for ever.
            assert_eq!(position.get(), batch.tracking.position, "PRJ-2: positions are folded without a hole");
            let outcome = match opened {
                Ok(event) => projection::fold(&self.projections, &event, &mut batch.overlay)?,
                // Its key is dead, whether the execution is folded already or comes later (`erase.rs`).
                Err(fault) if fault.why == Unreadable::Erased => projection::Outcome::default(),
                Err(fault) => {
                    let gap = Gap { event_type: fault.event_type, reason: fault.why.to_string() };
                    batch.overlay.put_row(&key::gap(position), &gap);
                    batch.tracking.gaps += 1;
                    batch.gaps += 1;
                    projection::Outcome::default()
                }
            };
            changes.add(position, &outcome);
            batch.tracking.position += 1;
            batch.events += 1;
        }
        changes.write(&mut batch.overlay);
        batch.tracking.leaf = sha256(&[&leaf.bytes]).to_vec();
        Ok(())
    }
}
