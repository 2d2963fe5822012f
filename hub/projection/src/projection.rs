//! What a projection is, and the ones there are, in the order in which they see an event.
//!
//! ```text
//! event ─▶ persons ─▶ licences ─▶ cases ─▶ records ─▶ indicators ─▶ lists ─▶ directory ─▶ feed of changes
//!             └──────────┴──────────┴── Outcome ──┘
//! ```
//!
//! Order matters: `records` writes down which persons, which licence and which case the ones before it found.

use simpul_types::View;

use crate::{
    cases::Cases,
    directory::Directory,
    error::StateError,
    event::Event,
    indicators::Indicators,
    key::{self, Blind, Id},
    licences::Licences,
    listed::Listed,
    overlay::Overlay,
    persons::Persons,
    records::Records,
    row::{Kind, Record},
};

/// A function from log prefix to rows, one event at a time.
///
/// `fold` MUST be a function of the event, the rows it reads and the outcome so far (PRJ-2): no clock, no randomness, no
/// order of a hash map. It MUST NOT fail because of what an event says; an event that does not decode never comes here.
pub trait Projection: Send {
    /// Folds one event.
    ///
    /// # Errors
    /// The store; the batch is then thrown away and folded again.
    fn fold(&self, event: &Event, store: &mut Overlay<'_>, outcome: &mut Outcome) -> Result<(), StateError>;
}

/// What the projections found out about an event so far.
#[derive(Default)]
pub struct Outcome {
    /// The source record the event is a snapshot of.
    pub(crate) record: Option<Id>,
    /// The record before this event.
    pub(crate) before: Option<Record>,
    /// Persons, in the order of the claims.
    pub(crate) persons: Vec<Id>,
    /// The licence number.
    pub(crate) licence: Option<Id>,
    /// The case.
    pub(crate) case: Option<Id>,
    /// Documents that changed, in order.
    pub(crate) changes: Vec<(View, Id)>,
    /// The one agency that they are for; empty where policy alone decides.
    pub(crate) addressee: String,
}

/// All projections, in order.
pub(crate) fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(Persons),
        Box::new(Licences),
        Box::new(Cases),
        Box::new(Records),
        Box::new(Indicators),
        Box::new(Listed),
        Box::new(Directory),
    ]
}

/// Id of a source record by kind and stream: one stream of two kinds of events is two records.
pub(crate) fn record_id(blind: &Blind, kind: Kind, stream: &str) -> Id {
    blind.id(&format!("record/{}", kind as i32), stream)
}

/// Folds one event through all projections.
pub(crate) fn fold(
    projections: &[Box<dyn Projection>],
    event: &Event,
    store: &mut Overlay<'_>,
) -> Result<Outcome, StateError> {
    let mut outcome = Outcome::default();
    if let Some(record) = event.record {
        outcome.before = store.row(&key::record(&record))?;
        outcome.record = Some(record);
    }
    for projection in projections {
        projection.fold(event, store, &mut outcome)?;
    }
    Ok(outcome)
}
