//! The way of a submission through the stages, and who owns what: the gate owns the Appender, the directory
//! is a snapshot that everybody reads and only committed directory events replace.

use std::{
    panic,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use simpul_audit::AccessLog;
use simpul_log::{AppendError, Appender, Reader, Ticket};
use simpul_policy::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Directory};
use simpul_proto::v1;
use simpul_types::{
    Caller, Clock, LeafIndex, Position, Receipt, RejectReason, Rejection, Sender, SubmissionId,
};
use tokio::{
    sync::Semaphore,
    task::{self, AbortHandle, JoinHandle},
};

use crate::{
    Config, Lane,
    decode::Decoded,
    dedupe::{self, Gate, Passed},
    lane::Turn,
    metrics,
    refuse::{self, Strangers},
    replay,
    validate::Validated,
};

/// Admission of one hub. Cheap to clone.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    config: Config,
    gate: Gate,
    reader: Reader,
    directory: Arc<ArcSwap<Directory>>,
    access: Arc<AccessLog>,
    clock: Arc<dyn Clock>,
    room: Semaphore,
    judges: Semaphore,
    strangers: Strangers,
    draining: AtomicBool,
    windows: AbortHandle,
}

/// The hub's word on one submission.
pub struct Outcome {
    /// The submission this is about; `None` where it could not be decoded.
    pub submission_id: Option<SubmissionId>,
    /// Receipt or rejection.
    pub result: Result<Receipt, Rejection>,
}

impl Outcome {
    /// The wire form, rejection included, as a stream carries it.
    pub fn to_wire(&self) -> v1::SubmitOutcome {
        use v1::submit_outcome::Outcome as Wire;
        let outcome = match &self.result {
            Ok(receipt) => Wire::Receipt(receipt.to_wire()),
            Err(rejection) => Wire::Rejection(rejection.to_wire()),
        };
        let submission_id = self.submission_id.map(|id| Bytes::copy_from_slice(id.as_bytes()));
        v1::SubmitOutcome { outcome: Some(outcome), submission_id: submission_id.unwrap_or_default() }
    }
}

/// What a submission that passed the gate waits for.
pub(crate) enum Awaited {
    /// Its own flush.
    Flush(Ticket),
    /// Its own flush, and the directory that it makes.
    Directory(JoinHandle<Result<Receipt, AppendError>>),
    /// The leaf of the same submission id.
    Known { leaf: LeafIndex, validated: Validated },
    /// The leaf of one of its events.
    Replayed { index: usize, position: Position, fork: Option<u64>, validated: Validated },
}

/// A submission's time in the hub, for the gauge.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        metrics::get().in_flight.inc();
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::get().in_flight.dec();
    }
}

impl Admission {
    /// Starts admission on an open log. `directory` is what [`crate::fold_directory`] made of it. Called
    /// within a tokio runtime.
    pub fn start(
        config: Config,
        appender: Appender,
        reader: Reader,
        directory: Directory,
        access: Arc<AccessLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let directory = Arc::new(directory);
        let inner = Arc::new_cyclic(|inner: &Weak<Inner>| Inner {
            gate: Gate::new(appender, reader.clone(), Arc::clone(&directory), config.erasure, clock.now()),
            reader,
            directory: Arc::new(ArcSwap::new(directory)),
            access,
            clock,
            room: Semaphore::new(config.submissions_max),
            judges: Semaphore::new(config.judges_max),
            strangers: Strangers::default(),
            draining: AtomicBool::new(false),
            windows: tokio::spawn(tell_of_strangers(inner.clone(), config.clone())).abort_handle(),
            config,
        });
        Self(inner)
    }

    /// Judges and admits one submission; returns after the flush that covers it, or with the reason why not.
    ///
    /// # Errors
    /// The [`Rejection`], which has left an access entry where the caller's agency is declared.
    pub async fn submit(&self, caller: &Caller, wire: v1::Submission) -> Result<Receipt, Rejection> {
        self.outcome(caller, wire).await.result
    }

    /// As [`Self::submit`], with the submission's id beside the result.
    pub async fn outcome(&self, caller: &Caller, wire: v1::Submission) -> Outcome {
        self.run(caller, wire, None).await
    }

    /// A lane for one stream of a caller, which keeps the order.
    pub fn lane(&self, caller: Caller) -> Lane {
        Lane::new(self.clone(), caller)
    }

    /// Admits the directory authority's first submission, which no connection brings; does nothing but answer
    /// with its receipt where it was admitted before.
    ///
    /// # Errors
    /// The [`Rejection`]; SEQUENCE_FORK and SUBMISSION_ID_REUSED mean that the log is of another realm.
    pub async fn bootstrap(&self, wire: v1::Submission) -> Result<Receipt, Rejection> {
        let sender = Sender {
            agency: AUTHORITY_AGENCY.parse().expect("a valid agency code"),
            connector: AUTHORITY_CONNECTOR.parse().expect("a valid connector name"),
        };
        self.submit(&Caller { sender, certificate: "".into() }, wire).await
    }

    /// Number that the next submission of a connector begins with.
    ///
    /// # Errors
    /// DRAINING.
    pub fn next_sequence(&self, sender: &Sender) -> Result<u64, Rejection> {
        self.0.gate.next_sequence(&sender.to_string()).ok_or_else(dedupe::draining)
    }

    /// The present directory, shared: it moves on when directory events are committed.
    pub fn directory(&self) -> Arc<ArcSwap<Directory>> {
        Arc::clone(&self.0.directory)
    }

    /// Why nothing is acknowledged any more, if so; for health.
    pub fn stopped(&self) -> Option<String> {
        self.0.gate.stopped().map(|error| error.to_string())
    }

    /// Refuses new submissions with DRAINING; those that passed the gate are answered.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Drains, writes what is queued, and stops the writer.
    pub async fn close(self) {
        self.drain();
        self.0.windows.abort();
        self.0.strangers.tell();
        if let Some(appender) = self.0.gate.take() {
            // Joining the writer's threads blocks; what is queued is flushed meanwhile.
            task::spawn_blocking(move || appender.close()).await.ok();
        }
    }

    pub(crate) async fn run(&self, caller: &Caller, wire: v1::Submission, turn: Option<Turn>) -> Outcome {
        let _in_flight = InFlight::new();
        let (submission_id, result) = self.way(caller, wire, turn).await;
        let result = match result {
            Ok(receipt) => {
                let metrics = metrics::get();
                if receipt.duplicate {
                    metrics.duplicates.inc();
                } else {
                    metrics.submissions.inc();
                    metrics.events.inc_by(u64::from(receipt.event_count));
                }
                Ok(receipt)
            }
            Err(rejection) => Err(self.refused(caller, submission_id, rejection).await),
        };
        Outcome { submission_id, result }
    }

    async fn way(
        &self,
        caller: &Caller,
        wire: v1::Submission,
        mut turn: Option<Turn>,
    ) -> (Option<SubmissionId>, Result<Receipt, Rejection>) {
        let Ok(_room) = self.0.room.try_acquire() else {
            let message = "too many submissions at once; send the same bytes again later";
            return (None, Err(Rejection::new(RejectReason::QueueFull, message)));
        };
        let (submission_id, judged) = self.judge(caller, wire).await;
        if let Some(turn) = &mut turn {
            turn.come().await;
        }
        let passed = judged.and_then(|validated| self.pass(validated));
        if let Some(turn) = turn {
            drop(turn);
            // Whoever waits first for a flush drives it: let the rest of the lane pass the gate before, so
            // that one flush covers them all.
            task::yield_now().await;
        }
        let result = match passed {
            Ok(awaited) => self.settle(awaited).await,
            Err(rejection) => Err(rejection),
        };
        (submission_id, result)
    }

    /// Stages 1 to 4, apart from the runtime's threads where there is much to judge.
    async fn judge(
        &self,
        caller: &Caller,
        wire: v1::Submission,
    ) -> (Option<SubmissionId>, Result<Validated, Rejection>) {
        if self.0.draining.load(Ordering::Acquire) {
            return (None, Err(dedupe::draining()));
        }
        if wire.events.len() < self.0.config.apart_events_min {
            return self.0.judge(caller, wire);
        }
        let Ok(_judge) = self.0.judges.acquire().await else { return (None, Err(dedupe::draining())) };
        let (inner, caller) = (Arc::clone(&self.0), caller.clone());
        match task::spawn_blocking(move || inner.judge(&caller, wire)).await {
            Ok(judged) => judged,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Err(_) => (None, Err(dedupe::draining())),
        }
    }

    /// Stages 1 to 4 where the caller is.
    #[cfg(test)]
    pub(crate) fn judge_now(&self, caller: &Caller, wire: v1::Submission) -> Result<Validated, Rejection> {
        self.0.judge(caller, wire).1
    }

    /// Stage 5.
    pub(crate) fn pass(&self, validated: Validated) -> Result<Awaited, Rejection> {
        let started = Instant::now();
        let passed = self.0.gate.pass(validated, || self.0.directory.load_full(), self.0.clock.now());
        metrics::get().gate_seconds.observe(started.elapsed().as_secs_f64());
        Ok(match passed? {
            Passed::New { ticket, directory: None } => Awaited::Flush(ticket),
            Passed::New { ticket, directory: Some(directory) } => {
                Awaited::Directory(self.replace_directory(ticket, directory))
            }
            Passed::Known { leaf, validated } => Awaited::Known { leaf, validated },
            Passed::Replayed { index, position, fork, validated } => {
                Awaited::Replayed { index, position, fork, validated }
            }
        })
    }

    /// Puts the new directory in place once it is committed. On a task of its own, begun before anything can
    /// be given up: the events are in the log even if the caller goes away.
    fn replace_directory(
        &self,
        ticket: Ticket,
        directory: Arc<Directory>,
    ) -> JoinHandle<Result<Receipt, AppendError>> {
        let shared = Arc::clone(&self.0.directory);
        tokio::spawn(async move {
            let receipt = ticket.await?;
            // Commits are in order, the tasks that hear of them need not be.
            shared.rcu(|present| {
                let newer = present.position() < directory.position();
                Arc::clone(if newer { &directory } else { present })
            });
            tracing::info!(directory_position = directory.position().get(), "directory changed");
            Ok(receipt)
        })
    }

    async fn settle(&self, awaited: Awaited) -> Result<Receipt, Rejection> {
        let (gate, reader) = (&self.0.gate, &self.0.reader);
        match awaited {
            Awaited::Flush(ticket) => ticket.await.map_err(dedupe::refused),
            Awaited::Directory(commit) => match commit.await {
                Ok(receipt) => receipt.map_err(dedupe::refused),
                Err(_) => Err(dedupe::draining()),
            },
            Awaited::Known { leaf, validated } => replay::known(gate, reader, leaf, &validated).await,
            Awaited::Replayed { index, position, fork, validated } => {
                replay::replayed(gate, reader, index, position, fork, &validated).await
            }
        }
    }

    async fn refused(
        &self,
        caller: &Caller,
        submission_id: Option<SubmissionId>,
        rejection: Rejection,
    ) -> Rejection {
        metrics::rejected(rejection.reason);
        let directory = self.0.directory.load_full();
        if directory.agency(&caller.sender.agency).is_none() {
            metrics::get().strangers.inc();
            self.0.strangers.count();
            return rejection;
        }
        if !refuse::is_decision(rejection.reason) {
            return rejection;
        }
        let Inner { access, reader, .. } = &*self.0;
        refuse::record(access, reader, &directory, caller, submission_id, rejection).await
    }
}

impl Inner {
    fn judge(
        &self,
        caller: &Caller,
        wire: v1::Submission,
    ) -> (Option<SubmissionId>, Result<Validated, Rejection>) {
        let started = Instant::now();
        let directory = self.directory.load();
        let now = self.clock.now();
        let decoded = match Decoded::decode(wire) {
            Ok(decoded) => decoded,
            Err(rejection) => return (None, Err(rejection)),
        };
        let submission_id = decoded.submission_id();
        let judged = decoded
            .verify(caller, &directory, now)
            .and_then(|verified| verified.authorize(&directory, now))
            .and_then(|authorized| authorized.validate(now));
        metrics::get().judge_seconds.observe(started.elapsed().as_secs_f64());
        (Some(submission_id), judged)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.windows.abort();
    }
}

/// Ends a window of counting strangers every so often, as long as admission lives.
async fn tell_of_strangers(inner: Weak<Inner>, config: Config) {
    loop {
        tokio::time::sleep(config.unknown_window).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.strangers.tell();
    }
}
