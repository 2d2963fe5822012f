//! The read models as everybody else sees them. Calls block on the store and the log for microseconds; from async code
//! use them as they are for one look-up and `spawn_blocking` for a walk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use data_encoding::HEXLOWER;
use prometheus_client::registry::Registry;
use simpul_log::{Head, ReadError, Reader};
use simpul_proto::registry;
use simpul_types::Position;
use tokio::sync::watch;

use crate::{
    error::StateError,
    event::IdentifierKind,
    metrics::Metrics,
    row::Tracking,
    state::{State, StateDigest},
};

mod changes;
mod directory;
mod documents;
mod find;
mod indicators;
mod known;
mod mechanism;
mod open;
mod payloads;
mod people;
mod shelters;
mod subject;
mod ties;
mod touched;

pub use changes::{Change, ViewOfChange};
pub use directory::{DirectoryAgency, DirectoryKey, DirectoryRows};
pub use documents::CaseFile;
pub use find::{Candidate, Found};
pub use mechanism::{CaseId, CaseInMechanism, TaskForce};
pub use payloads::Told;
pub use people::{ConflictNote, Person, PersonId, RecordNote};
pub use shelters::ShelterStanding;
pub use subject::Subject;
pub use ties::{TieNote, TieState};
pub use touched::Touched;

/// Opened licences kept in memory: few, small, without personal data, and asked for with every placement.
const LICENCES_KEPT: usize = 4_096;

/// Everything below this is everything.
const NOW: Position = Position::new(u64::MAX);

/// The read models. Cheap to clone.
#[derive(Clone)]
pub struct ReadModels {
    pub(crate) shared: Arc<Shared>,
}

/// How the projection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Position of the next event to fold.
    pub position: Position,
    /// Position after the last event of the log.
    pub log_end: Position,
    /// Events whose payload could not be read; [`ReadModels::gaps`] lists them.
    pub gaps: u64,
    /// Why the last batch failed; it is folded again until it succeeds.
    pub failure: Option<String>,
}

/// An event that could not be folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapNote {
    /// Where it stands.
    pub position: Position,
    /// Its type; empty where the header does not say.
    pub event_type: String,
    /// Why.
    pub reason: String,
}

pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) reader: Reader,
    position: watch::Sender<Position>,
    health: Mutex<(u64, Option<String>)>,
    /// The damaged record that the next batch cannot be read for.
    lost: Mutex<Option<String>>,
    metrics: Metrics,
    licences: Mutex<HashMap<u64, Arc<registry::LicenceRecorded>>>,
}

impl Shared {
    pub(crate) fn new(state: State, reader: Reader, tracking: &Tracking) -> Self {
        let (position, _) = watch::channel(Position::new(tracking.position));
        let metrics = Metrics::default();
        metrics.position.set(tracking.position);
        metrics.gaps.set(tracking.gaps);
        let (health, lost) = (Mutex::new((tracking.gaps, None)), Mutex::default());
        Self { state, reader, position, health, lost, metrics, licences: Mutex::new(HashMap::new()) }
    }

    fn health(&self) -> MutexGuard<'_, (u64, Option<String>)> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn licences(&self) -> MutexGuard<'_, HashMap<u64, Arc<registry::LicenceRecorded>>> {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is in the store.
    pub(crate) fn advanced(&self, position: Position, events: usize, gaps: u64) {
        if gaps > 0 {
            tracing::error!(gaps, position = position.get(), "events became gaps in the read models");
            self.health().0 += gaps;
            self.metrics.gaps.inc_by(gaps);
        }
        self.metrics.events.inc_by(events as u64);
        self.metrics.batches.inc();
        self.metrics.position.set(position.get());
        self.metrics.log_end.set(self.reader.head().end.get());
        self.position.send_replace(position);
    }

    /// A batch was thrown away.
    pub(crate) fn failed(&self, error: &StateError) {
        self.metrics.failures.inc();
        let mut health = self.health();
        if health.1.is_none() {
            tracing::error!(error = error as &dyn std::error::Error, "read models stand still and try again");
        }
        health.1 = Some(chain(error));
        let lost = matches!(error, StateError::Log(ReadError::Corrupt { .. })).then(|| chain(error));
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    }

    /// What was opened before an erasure is not kept.
    pub(crate) fn forget_opened(&self) {
        self.licences().clear();
    }

    /// The thread is gone; only a restart helps.
    pub(crate) fn died(&self) {
        self.health().1 = Some("the projection thread panicked".into());
        tracing::error!("the projection thread panicked");
    }

    pub(crate) fn recovered(&self) {
        if self.health().1.take().is_some() {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
            tracing::info!("read models go on");
        }
    }
}

impl ReadModels {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether the read models can follow the log; who answers from them asks this first.
    ///
    /// # Errors
    /// [`StateError::Lost`] where a damaged record keeps what comes behind it out of them.
    pub fn complete(&self) -> Result<(), StateError> {
        match self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(what) => Err(StateError::Lost(what.clone())),
            None => Ok(()),
        }
    }

    /// Position of the next event to fold: everything below it is in the read models.
    pub fn position(&self) -> Position {
        *self.shared.position.borrow()
    }

    /// The same, live.
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.shared.position.subscribe()
    }

    /// Waits until everything below `position` is in the read models; false where `timeout` is over before.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> bool {
        if self.position() >= position {
            return true;
        }
        let _waiting = self.shared.state.pace().wait();
        let mut positions = self.subscribe();
        let reached = positions.wait_for(|reached| *reached >= position);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// The acknowledged head of the log behind the read models.
    pub fn head(&self) -> Arc<Head> {
        self.shared.reader.head()
    }

    /// The log behind the read models.
    pub fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    /// How the projection is.
    pub fn health(&self) -> Health {
        let (gaps, failure) = self.shared.health().clone();
        Health { position: self.position(), log_end: self.head().end, gaps, failure }
    }

    /// Events that could not be folded, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store.
    pub fn gaps(&self, limit: usize) -> Result<Vec<GapNote>, StateError> {
        let rows = self.shared.state.scan(crate::key::GAPS).take(limit);
        rows.map(|item| {
            let (key, bytes) = item?;
            let gap: crate::row::Gap = crate::row::decode(&bytes)?;
            let position = crate::key::position_at(&key, 1).ok_or(StateError::Row)?;
            Ok(GapNote { position, event_type: gap.event_type, reason: gap.reason })
        })
        .collect()
    }

    /// Registers the projection's metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// Keyed hash of an identifier in its normal form, hex: binds an answer to a question without naming the person.
    pub fn subject_ref(&self, kind: IdentifierKind, normalized: &str) -> String {
        HEXLOWER.encode(&self.shared.state.blind.0.blind(kind.field(), normalized))
    }

    /// Digest over all rows in clear, with the position it was taken at. The projection goes on meanwhile; blocking, and as
    /// long as reading all rows.
    ///
    /// # Errors
    /// The store.
    pub fn digest(&self) -> Result<StateDigest, StateError> {
        self.digest_while(&|| true)
    }

    /// The same, given up as soon as `go_on` says no.
    ///
    /// # Errors
    /// [`StateError::Stopped`] then; the store.
    pub fn digest_while(&self, go_on: &dyn Fn() -> bool) -> Result<StateDigest, StateError> {
        self.shared.state.digest(go_on)
    }

    /// Forgets changes below `below`: the hook for whoever consumes the feed and keeps its own copy. A leaf's changes go
    /// together. Returns from where on the feed is kept.
    ///
    /// # Errors
    /// The store.
    pub fn trim_changes(&self, below: Position) -> Result<Position, StateError> {
        self.shared.state.trim_changes(below)
    }
}

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
