//! The one loop that talks to the hub, under both front ends.
//!
//! ```text
//! groups ─▶ pending ─▶ assemble, sign ─▶ journal ─▶ window (in flight, in order) ─▶ outcome of the front
//!              ▲                                       │                               ├ receipt: verify, journal, reply
//!              └──────── events of refused submissions, less the offender ─────────────┴ rejection: see `refuse`
//! ```
//!
//! Rules that keep "nothing lost, nothing doubled":
//! 1. What is in the window keeps its bytes until its fate is known. A lost connection makes no fate known, so after it the
//!    whole window is sent again, the same bytes in the same order; the hub answers a known submission with its first
//!    receipt.
//! 2. After a rejection nothing is sent until the fates of everything behind it are known. Only then are events put into
//!    new submissions, under the numbers that the refused ones had.
//! 3. The journal knows of a submission before the hub does.

mod refuse;

pub(crate) use refuse::event_index;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use simpul_proto::v1::{
    self, GetConnectorStateRequest, SubmitOutcome, submission_service_client::SubmissionServiceClient,
};
use simpul_types::{Clock, IdSource, Receipt, Rejection, Statement, limits};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, transport::Channel};

use crate::{
    assemble::{Assembled, Signer},
    channel::connect_channel,
    client::{Accepted, Parts, SubmitError},
    config::{COALESCE_EVENTS_MIN, ClientConfig},
    receipt::{ReceiptError, ReceiptVerifier},
    spool::{self, SpoolError},
};

/// Events taken in ahead of the window: a few submissions' worth, so that the next one is always ready to be signed.
const PENDING_EVENTS_MAX: usize = 4 * limits::EVENTS_PER_SUBMISSION_MAX;
/// Statement, signature and framing of a submission, beside its events.
const SUBMISSION_OVERHEAD_BYTES: usize = 4_096;
/// So many events are worth a submission of their own; further ones follow while it is in flight.
const GATHER_EVENTS_MAX: usize = 128;
/// How long callers on their way back are waited for: after the last that came, and in all.
const GATHER_PAUSE_MAX: Duration = Duration::from_micros(50);
const GATHER_TIME_MAX: Duration = Duration::from_micros(500);
/// How long the hub may take to open a stream or to say where we stand.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a stop waits for outcomes; what has none by then is sent again by the next run.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Events that go together or not at all: one caller's, or one item of the spool. Holds personal data: no `Debug`.
pub(crate) struct Group {
    pub events: Vec<Assembled>,
    pub bytes: usize,
    /// Number in the spool; 0 for callers.
    pub item: u64,
    /// Once a submission of several groups was refused without naming one, each goes alone.
    pub alone: bool,
    pub reply: Option<oneshot::Sender<Result<Accepted, SubmitError>>>,
}

impl Group {
    pub(crate) fn new(events: Vec<Assembled>) -> Self {
        let bytes = events.iter().map(Assembled::bytes).sum();
        Self { events, bytes, item: 0, alone: false, reply: None }
    }

    fn answer(&mut self, answer: Result<Accepted, SubmitError>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has gone away does not take back what it submitted.
            let _ = reply.send(answer);
        }
    }
}

/// A signed submission whose fate is not known yet.
pub(crate) struct InFlight {
    pub wire: v1::Submission,
    pub submission_id: [u8; 16],
    pub first_sequence: u64,
    pub groups: Vec<Group>,
}

impl InFlight {
    /// `None` where the statement does not decode, which a stored one can only do after damage.
    pub(crate) fn new(wire: v1::Submission, groups: Vec<Group>) -> Option<Self> {
        let statement = Statement::decode(&wire.statement).ok()?;
        let submission_id = *statement.submission_id.as_bytes();
        Some(Self { wire, submission_id, first_sequence: statement.first_sequence, groups })
    }

    fn next_sequence(&self) -> u64 {
        self.first_sequence + self.wire.events.len() as u64
    }
}

/// Where submissions are kept until their fate is known.
pub(crate) enum Journal {
    /// Nowhere: the callers wait.
    Memory,
    /// On disk.
    Spool(spool::Journal),
}

impl Journal {
    fn is_durable(&self) -> bool {
        matches!(self, Self::Spool(_))
    }
}

/// A connection and where the hub says we stand.
pub(crate) struct Link {
    pub service: SubmissionServiceClient<Channel>,
    pub next_sequence: u64,
}

/// What ends the engine.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A receipt proves nothing: the hub or someone between is at fault, and a person must look.
    #[error("a receipt does not hold")]
    Receipt(#[source] ReceiptError),
    /// The spool could not be written.
    #[error("the spool")]
    Journal(#[source] SpoolError),
}

enum Interrupted {
    Lost(String),
    Fault(Fault),
}

impl From<Status> for Interrupted {
    fn from(status: Status) -> Self {
        Self::Lost(format!("{:?}: {}", status.code(), status.message()))
    }
}

impl From<SpoolError> for Interrupted {
    fn from(error: SpoolError) -> Self {
        Self::Fault(Fault::Journal(error))
    }
}

struct Stream {
    out: mpsc::Sender<v1::Submission>,
    outcomes: Streaming<SubmitOutcome>,
}

pub(crate) struct Engine {
    config: ClientConfig,
    signer: Signer,
    verifier: ReceiptVerifier,
    journal: Journal,
    groups: mpsc::Receiver<Group>,
    /// Whether more groups can come.
    open: bool,
    pending: VecDeque<Group>,
    pending_events: usize,
    window: VecDeque<InFlight>,
    next_sequence: u64,
    /// Events of the submission that was answered last: so many may be on their way back.
    answered_last: usize,
    backoff: Backoff,
    /// Times the front was refused for want of room, in a row.
    refused_in_a_row: u32,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    stop: CancellationToken,
}

impl Engine {
    pub(crate) fn new(
        config: ClientConfig,
        parts: Parts,
        journal: Journal,
        groups: mpsc::Receiver<Group>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            config,
            signer: parts.signer,
            verifier: parts.verifier,
            journal,
            groups,
            open: true,
            pending: VecDeque::new(),
            pending_events: 0,
            window: VecDeque::new(),
            next_sequence: 1,
            answered_last: 0,
            backoff: Backoff::default(),
            refused_in_a_row: 0,
            clock,
            ids,
            stop,
        }
    }

    /// Submissions that an earlier run built and never saw answered, in order.
    pub(crate) fn resume(&mut self, window: VecDeque<InFlight>) {
        self.next_sequence = window.back().map_or(1, InFlight::next_sequence);
        self.window = window;
    }

    /// Runs until it is stopped, or until nobody can submit any more and everything is answered.
    pub(crate) async fn run(mut self, first: Option<Link>) -> Result<(), Fault> {
        let mut link = first;
        loop {
            let connected = match link.take() {
                Some(link) => Ok(link),
                None => self.connect().await,
            };
            let ended = match connected {
                Ok(link) => self.session(link).await,
                Err(lost) => Err(lost),
            };
            match ended {
                Ok(()) => return Ok(()),
                Err(Interrupted::Fault(fault)) => {
                    self.fail(&fault);
                    return Err(fault);
                }
                Err(Interrupted::Lost(why)) => {
                    let wait = self.backoff.next();
                    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(why, wait_ms, in_flight = self.window.len(), "no connection to the hub");
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.stop.cancelled() => return Ok(()),
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<Link, Interrupted> {
        let lost = |error: &dyn std::error::Error| Interrupted::Lost(chain(error));
        let channel = tokio::select! {
            channel = connect_channel_with(&self.config) => channel.map_err(|error| lost(&error))?,
            () = self.stop.cancelled() => return Err(Interrupted::Lost("stopping".into())),
        };
        let mut service = SubmissionServiceClient::new(channel);
        let state = timeout(OPEN_TIMEOUT, service.get_connector_state(GetConnectorStateRequest {}));
        let state = state.await.map_err(|error| lost(&error))??.into_inner();
        Ok(Link { service, next_sequence: state.next_sequence })
    }

    async fn session(&mut self, mut link: Link) -> Result<(), Interrupted> {
        if self.window.is_empty() {
            self.next_sequence = link.next_sequence;
        }
        let mut stream = None;
        let mut stop_by = None;
        loop {
            self.take_in();
            self.gather().await;
            self.send(&mut link, &mut stream).await?;
            let stopping = self.stop.is_cancelled();
            if self.window.is_empty() && (stopping || (self.pending.is_empty() && !self.open)) {
                return Ok(());
            }
            let deadline = *stop_by.get_or_insert_with(|| Instant::now() + STOP_GRACE);
            if !stopping {
                stop_by = None;
            }
            let takes = !stopping && self.open && self.pending_events < PENDING_EVENTS_MAX;
            tokio::select! {
                biased;
                outcome = next_outcome(&mut stream), if !self.window.is_empty() => {
                    self.settle(outcome?, &mut stream).await?;
                }
                group = self.groups.recv(), if takes => self.push(group),
                () = self.stop.cancelled(), if !stopping => {}
                () = tokio::time::sleep_until(deadline), if stopping => return Ok(()),
            }
        }
    }

    /// Takes in what waits, so that it goes out together.
    fn take_in(&mut self) {
        while self.open && self.pending_events < PENDING_EVENTS_MAX {
            match self.groups.try_recv() {
                Ok(group) => self.push(Some(group)),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => self.push(None),
            }
        }
    }

    /// Where nothing is in flight and the first event is there, waits a moment for the rest: callers that were answered
    /// together come back one after the other, and the first of them alone would cost the others a whole round.
    async fn gather(&mut self) {
        if !self.window.is_empty() || self.pending.is_empty() {
            return;
        }
        let enough = self.answered_last.min(GATHER_EVENTS_MAX);
        let start = Instant::now();
        let mut last_came = start;
        while self.pending_events < enough {
            let before = self.pending_events;
            // A timer would be too coarse; the callers run meanwhile.
            tokio::task::yield_now().await;
            self.take_in();
            let now = Instant::now();
            if self.pending_events > before {
                last_came = now;
            } else if now - last_came > GATHER_PAUSE_MAX || now - start > GATHER_TIME_MAX {
                return;
            }
        }
    }

    fn push(&mut self, group: Option<Group>) {
        match group {
            Some(group) => {
                self.pending_events += group.events.len();
                self.pending.push_back(group);
            }
            None => self.open = false,
        }
    }

    /// Sends what may be sent: at once where nothing is in flight, else where enough waits to be worth a signature.
    async fn send(&mut self, link: &mut Link, stream: &mut Option<Stream>) -> Result<(), Interrupted> {
        if stream.is_none() && !self.window.is_empty() {
            *stream = Some(self.open_stream(link).await?);
        }
        while self.may_send() {
            let built = self.build();
            if let Journal::Spool(journal) = &self.journal {
                journal.built(&built).await?;
            }
            self.next_sequence = built.next_sequence();
            let wire = built.wire.clone();
            self.window.push_back(built);
            match stream {
                Some(stream) => stream.put(wire)?,
                // The window goes out with the stream's opening.
                None => *stream = Some(self.open_stream(link).await?),
            }
        }
        Ok(())
    }

    fn may_send(&self) -> bool {
        let room = self.window.len() < self.config.in_flight_max;
        let worth_it = self.window.is_empty() || self.pending_events >= COALESCE_EVENTS_MIN;
        !self.pending.is_empty() && room && worth_it && !self.stop.is_cancelled()
    }

    fn build(&mut self) -> InFlight {
        let (mut groups, mut events, mut bytes) = (Vec::new(), 0, SUBMISSION_OVERHEAD_BYTES);
        while let Some(group) = self.pending.front() {
            let fits = events + group.events.len() <= self.config.coalesce_events_max
                && bytes + group.bytes <= limits::SUBMISSION_BYTES_MAX;
            let alone = group.alone || groups.last().is_some_and(|last: &Group| last.alone);
            if !groups.is_empty() && (!fits || alone) {
                break;
            }
            events += group.events.len();
            bytes += group.bytes;
            groups.extend(self.pending.pop_front());
        }
        self.pending_events -= events;
        let wire = self.signer.submission(
            self.next_sequence,
            groups.iter().flat_map(|group| &group.events),
            self.clock.as_ref(),
            self.ids.as_ref(),
        );
        InFlight::new(wire, groups).expect("a statement just built decodes")
    }

    /// Opens a stream and sends the whole window on it, the same bytes in the same order.
    async fn open_stream(&self, link: &mut Link) -> Result<Stream, Interrupted> {
        let (out, queue) = mpsc::channel(self.config.in_flight_max.max(self.window.len()) + 1);
        for submission in &self.window {
            out.try_send(submission.wire.clone()).map_err(|_| Interrupted::Lost("stream closed".into()))?;
        }
        let opened = timeout(OPEN_TIMEOUT, link.service.submit_stream(ReceiverStream::new(queue))).await;
        let outcomes = opened.map_err(|_| Interrupted::Lost("the hub does not open a stream".into()))??;
        Ok(Stream { out, outcomes: outcomes.into_inner() })
    }

    async fn settle(
        &mut self,
        outcome: SubmitOutcome,
        stream: &mut Option<Stream>,
    ) -> Result<(), Interrupted> {
        let front =
            self.window.front().ok_or_else(|| Interrupted::Lost("an outcome nobody asked for".into()))?;
        match fate(front, outcome)? {
            Ok(receipt) => {
                let front = self.window.pop_front().expect("looked at above");
                self.answered_last = front.wire.events.len();
                self.accept(front, receipt).await
            }
            Err(rejection) => {
                let mut fates = vec![Err(rejection)];
                while fates.len() < self.window.len() {
                    let outcome = next_outcome(stream).await?;
                    fates.push(fate(&self.window[fates.len()], outcome)?);
                }
                self.refuse(fates, stream).await
            }
        }
    }

    async fn accept(&mut self, mut submission: InFlight, receipt: Receipt) -> Result<(), Interrupted> {
        let checked = self.verifier.check(&submission.wire, &receipt);
        if let Err(error) = checked {
            // Its fate is not known: it stays in the window, and in the spool.
            self.window.push_front(submission);
            return Err(Interrupted::Fault(Fault::Receipt(error)));
        }
        if let Journal::Spool(journal) = &self.journal {
            journal.accepted(&submission, &receipt, self.verifier.newest()).await?;
        }
        self.backoff.reset();
        self.refused_in_a_row = 0;
        let receipt = Arc::new(receipt);
        let mut position = receipt.first_position.get();
        for group in &mut submission.groups {
            let end = position + group.events.len() as u64;
            group.answer(Ok(Accepted {
                receipt: Arc::clone(&receipt),
                positions: position..end,
                event_ids: group.events.iter().map(|event| event.event_id).collect(),
            }));
            position = end;
        }
        Ok(())
    }

    /// Tells everyone who waits; later callers find the queue closed.
    fn fail(&mut self, fault: &Fault) {
        self.groups.close();
        self.take_in();
        let waiting = self.window.iter_mut().flat_map(|submission| &mut submission.groups);
        for group in waiting.chain(&mut self.pending) {
            group.answer(Err(SubmitError::from(fault)));
        }
    }
}

impl Stream {
    fn put(&self, wire: v1::Submission) -> Result<(), Interrupted> {
        self.out.try_send(wire).map_err(|_| Interrupted::Lost("the stream has ended".into()))
    }
}

async fn connect_channel_with(config: &ClientConfig) -> Result<Channel, crate::channel::ConnectError> {
    connect_channel(&config.tls_files()).await
}

async fn next_outcome(stream: &mut Option<Stream>) -> Result<SubmitOutcome, Interrupted> {
    let stream = stream.as_mut().ok_or_else(|| Interrupted::Lost("no stream".into()))?;
    let outcome = stream.outcomes.message().await?;
    outcome.ok_or_else(|| Interrupted::Lost("the hub has ended the stream".into()))
}

/// What an outcome says about the submission it must be about.
fn fate(submission: &InFlight, outcome: SubmitOutcome) -> Result<Result<Receipt, Rejection>, Interrupted> {
    let lost = |why: &str| Interrupted::Lost(why.into());
    if !outcome.submission_id.is_empty() && outcome.submission_id.as_ref() != submission.submission_id {
        return Err(lost("an outcome of another submission"));
    }
    match outcome.outcome {
        Some(v1::submit_outcome::Outcome::Receipt(receipt)) => match Receipt::from_wire(receipt) {
            Ok(receipt) => Ok(Ok(receipt)),
            Err(error) => Err(Interrupted::Fault(Fault::Receipt(error.into()))),
        },
        Some(v1::submit_outcome::Outcome::Rejection(rejection)) => Ok(Err(rejection.into())),
        None => Err(lost("an outcome that says nothing")),
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Waits that double, with jitter, so that the connectors of a restarted hub do not come all at once.
#[derive(Default)]
pub(crate) struct Backoff {
    step: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const STEPS: u32 = 7;

    /// 50–100 ms, 100–200 ms, … up to 6.4–12.8 s.
    pub(crate) fn next(&mut self) -> Duration {
        let full = Self::FIRST * 2_u32.pow(self.step);
        self.step = (self.step + 1).min(Self::STEPS);
        let jitter = u32::from(simpul_signing::random::<1>()[0]);
        full / 2 + full * jitter / 512
    }

    pub(crate) fn reset(&mut self) {
        self.step = 0;
    }
}
