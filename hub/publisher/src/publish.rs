//! From the outboxes to JetStream: one connection, one task per agency, several publishes in flight, order kept.
//!
//! Every publish says which stream sequence it follows (`Nats-Expected-Last-Sequence`). Where one is lost, the server
//! refuses all that were sent after it, so the stream can never hold a later change before an earlier one, whatever was in
//! flight when the connection broke. After any failure the agency's task asks the server what its stream holds and goes on
//! behind that (PUB-1): the server's disk, not our number, says what was published. The number in the outbox moves only
//! after the ack.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event,
    jetstream::{
        Context,
        context::{ContextBuilder, PublishAckFuture},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use simpul_types::{AgencyCode, Position};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    cloud_event,
    config::NatsConfig,
    metrics::Metrics,
    names,
    outbox::{Outbox, OutboxError, OutboxMessage},
    purge,
    status::{Connection, Status},
    streams,
};

/// How long an answer of the server may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// First wait after a failed session; doubled up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Last wait after a failed session.
const BACKOFF_LAST: Duration = Duration::from_secs(5);
/// How often to look for agencies that have joined without a change so far, and to count what waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Room that headers may take of the server's message limit, the checkpoint among them.
const HEADER_BYTES_MAX: usize = 8 * 1_024;
/// The acknowledged number is stored at least every so many messages.
const STORE_EVERY: u64 = 64;

/// Why a session with one agency's stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The connection broke; the connection's own line says so.
    #[error("NATS is not connected")]
    Away,
    /// A request about the agency's streams failed.
    #[error("could not {what}")]
    Stream {
        what: &'static str,
        #[source]
        source: async_nats::Error,
    },
    /// The stream ends with a message that the hub did not make.
    #[error("the stream ends with a message that is not the hub's")]
    Foreign,
    /// The stream ends with another message than the outbox has at that sequence.
    #[error("the stream holds the history of another log at sequence {0}; move it away or delete it")]
    OtherHistory(u64),
    /// A publish was not acknowledged.
    #[error("a publish was not acknowledged")]
    Publish(#[source] async_nats::Error),
    /// The outbox could not be read.
    #[error("the outbox could not be read")]
    Outbox(#[from] OutboxError),
    /// The server stored a message elsewhere than it was told to.
    #[error("the stream stored a message at {got}, not at {expected}")]
    Order { expected: u64, got: u64 },
    /// Reading the outbox panicked.
    #[error("reading the outbox panicked")]
    Panicked,
}

impl PublishError {
    /// Whether waiting cannot help and a person must look.
    fn needs_a_person(&self) -> bool {
        matches!(self, Self::Foreign | Self::OtherHistory(_) | Self::Order { .. } | Self::Panicked)
    }
}

/// Publishes all outboxes.
pub(crate) struct Publisher {
    pub(crate) outbox: Outbox,
    pub(crate) origin: String,
    pub(crate) config: NatsConfig,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: CancellationToken,
}

/// A publish that has no ack yet.
struct Sent {
    sequence: u64,
    stream_sequence: u64,
    ack: PublishAckFuture,
}

impl Publisher {
    /// Runs until it is stopped.
    pub(crate) async fn run(self: Arc<Self>) {
        let Some(client) = self.connect().await else { return };
        let (mut tasks, mut known) = (JoinSet::new(), BTreeSet::new());
        let mut derived = self.outbox.subscribe();
        while !self.stopping.is_cancelled() {
            for agency in self.agencies().await {
                if known.insert(agency.clone()) {
                    tasks.spawn(self.clone().follow(client.clone(), agency));
                }
            }
            self.count_pending(&known);
            tokio::select! {
                () = self.stopping.cancelled() => break,
                _ = derived.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Agencies that see something now, and those that ever had a message.
    async fn agencies(&self) -> BTreeSet<AgencyCode> {
        let outbox = self.outbox.clone();
        let now = tokio::task::spawn_blocking(move || outbox.visibility().at(Position::new(u64::MAX))).await;
        let mut agencies: BTreeSet<_> = self.outbox.agencies().into_iter().collect();
        // Where it fails, deriving asks the same and says what is wrong.
        if let Ok(Ok(sight)) = now {
            agencies.extend(sight.agencies().cloned());
        }
        agencies
    }

    /// The client connects, and reconnects, by itself; only what is wrong in the files makes it fail here.
    async fn connect(&self) -> Option<Client> {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let (status, metrics, stopping) =
                (self.status.clone(), self.metrics.clone(), self.stopping.clone());
            let connecting = ConnectOptions::new()
                .name("simpul-hub")
                .require_tls(true)
                .add_root_certificates(self.config.ca.clone())
                .add_client_certificate(self.config.certificate.clone(), self.config.key.clone())
                .retry_on_initial_connect()
                .connection_timeout(ANSWER_TIMEOUT)
                .request_timeout(Some(ANSWER_TIMEOUT))
                .ping_interval(Duration::from_secs(10))
                .reconnect_delay_callback(|attempts| {
                    let doubled = u32::try_from(attempts.min(6)).unwrap_or(6);
                    (BACKOFF_FIRST * 2_u32.pow(doubled)).min(BACKOFF_LAST)
                })
                .event_callback(move |event| {
                    connection_event(&status, &metrics, &stopping, &event);
                    std::future::ready(())
                })
                .connect(&self.config.url);
            match connecting.await {
                Ok(client) => return Some(client),
                Err(error) => tracing::warn!(%error, "could not set up the connection to nats"),
            }
            if !self.pause(&mut backoff).await {
                return None;
            }
        }
    }

    /// Serves one agency's stream until it is stopped.
    async fn follow(self: Arc<Self>, client: Client, agency: AgencyCode) {
        let context = ContextBuilder::new()
            .timeout(ANSWER_TIMEOUT)
            .api_prefix(names::api_prefix(&agency))
            .build(client.clone());
        let (mut connection, mut backoff) = (self.status.connection(), BACKOFF_FIRST);
        loop {
            let up = tokio::select! {
                () = self.stopping.cancelled() => return,
                up = connection.wait_for(|state| matches!(state, Connection::Up(_))) => up.map(|up| *up),
            };
            let Ok(up) = up else { return };
            let Err(error) = self.session(&client, &context, &agency, up).await else { return };
            if self.status.connected() && !matches!(error, PublishError::Away) {
                self.trouble(&agency, &error);
            }
            if !self.pause(&mut backoff).await {
                return;
            }
            if *connection.borrow() != up {
                backoff = BACKOFF_FIRST;
            }
        }
    }

    /// From where the stream stands on, until something fails. `Ok` when stopped.
    async fn session(
        &self,
        client: &Client,
        context: &Context,
        agency: &AgencyCode,
        up: Connection,
    ) -> Result<(), PublishError> {
        let (mut derived, mut connection) = (self.outbox.subscribe(), self.status.connection());
        let Some((mut next, mut stream_sequence)) = self.resume(context, agency).await? else {
            return Ok(());
        };
        let in_flight_max = self.config.in_flight_max;
        let mut window: VecDeque<Sent> = VecDeque::with_capacity(in_flight_max);
        loop {
            if window.len() <= in_flight_max / 2 && !self.stopping.is_cancelled() {
                derived.borrow_and_update();
                for message in self.read(agency, next, in_flight_max - window.len()).await? {
                    assert_eq!(message.sequence, next, "PUB-1: sequences are gapless");
                    let ack = self.send(client, context, agency, &message, stream_sequence).await?;
                    (next, stream_sequence) = (next + 1, stream_sequence + 1);
                    window.push_back(Sent { sequence: message.sequence, stream_sequence, ack });
                }
            }
            let Some(sent) = window.pop_front() else {
                purge::purge(context, &self.outbox, agency, next - 1, stream_sequence).await?;
                self.recovered(agency);
                tokio::select! {
                    () = self.stopping.cancelled() => return Ok(()),
                    _ = connection.wait_for(|state| *state != up) => return Err(PublishError::Away),
                    _ = derived.changed() => {}
                }
                continue;
            };
            let ack = sent.ack.await.map_err(|error| PublishError::Publish(error.into()))?;
            if ack.sequence != sent.stream_sequence {
                return Err(PublishError::Order { expected: sent.stream_sequence, got: ack.sequence });
            }
            self.metrics.published.inc();
            if window.is_empty() || sent.sequence % STORE_EVERY == 0 {
                self.outbox.set_published(agency, sent.sequence)?;
            }
        }
    }

    /// The next sequence to publish, and the stream sequence it follows. `None` when stopped.
    async fn resume(
        &self,
        context: &Context,
        agency: &AgencyCode,
    ) -> Result<Option<(u64, u64)>, PublishError> {
        let standing = streams::prepare(context, agency, &self.config).await?;
        let stored = match &standing.last {
            Some(last) => {
                if !self.holds_our_history(agency, last).await? {
                    return Ok(None);
                }
                last.sequence
            }
            None if standing.stream_sequence == 0 => 0,
            // Every message has outlived the stream's age: only our own number tells how far it came.
            None => self.outbox.published_sequence(agency),
        };
        self.outbox.set_published(agency, stored)?;
        Ok(Some((stored + 1, standing.stream_sequence)))
    }

    /// Checks that the stream's last message is the one that the outbox has there; waits for an outbox that is still being
    /// derived. False when stopped meanwhile.
    async fn holds_our_history(
        &self,
        agency: &AgencyCode,
        last: &streams::LastMessage,
    ) -> Result<bool, PublishError> {
        let mut derived = self.outbox.subscribe();
        loop {
            derived.borrow_and_update();
            if let Some(ours) = self.read(agency, last.sequence, 1).await?.first() {
                let same = ours.sequence == last.sequence && ours.id() == last.id;
                return if same { Ok(true) } else { Err(PublishError::OtherHistory(last.sequence)) };
            }
            tokio::select! {
                () = self.stopping.cancelled() => return Ok(false),
                _ = derived.changed() => {}
            }
        }
    }

    async fn read(
        &self,
        agency: &AgencyCode,
        from: u64,
        limit: usize,
    ) -> Result<Vec<OutboxMessage>, PublishError> {
        let (outbox, agency) = (self.outbox.clone(), agency.clone());
        let reading = tokio::task::spawn_blocking(move || outbox.read(&agency, from, limit));
        Ok(reading.await.map_err(|_| PublishError::Panicked)??)
    }

    async fn send(
        &self,
        client: &Client,
        context: &Context,
        agency: &AgencyCode,
        message: &OutboxMessage,
        follows: u64,
    ) -> Result<PublishAckFuture, PublishError> {
        let mut headers = cloud_event::headers(&self.origin, agency, message);
        let room = client.server_info().max_payload.saturating_sub(HEADER_BYTES_MAX);
        let body = if message.json.len() <= room {
            Bytes::from(message.json.clone())
        } else {
            // A gap would stop every later message; the consumer learns that there is more and asks the hub for it.
            headers.insert(cloud_event::OVERSIZED, "true");
            self.metrics.oversized.inc();
            Bytes::from_static(b"{}")
        };
        let publish = PublishMessage::build()
            .payload(body)
            .headers(headers)
            .expected_stream(names::stream(agency))
            .expected_last_sequence(follows);
        let subject = names::subject(agency, message.view, &message.r#ref);
        let sending = context.send_publish(subject, publish).await;
        sending.map_err(|error| PublishError::Publish(error.into()))
    }

    fn trouble(&self, agency: &AgencyCode, error: &PublishError) {
        self.metrics.failures.inc();
        let news = self.status.set_stuck(agency, error.to_string());
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if !news {
            tracing::debug!(%agency, %error, source, "publishing failed again");
        } else if error.needs_a_person() {
            tracing::error!(%agency, %error, source, "publishing to this agency has stopped");
        } else {
            tracing::warn!(%agency, %error, source, "publishing failed, going on behind what the stream holds");
        }
    }

    fn recovered(&self, agency: &AgencyCode) {
        if self.status.set_well(agency) {
            tracing::info!(%agency, "publishing has caught up");
        }
    }

    fn count_pending(&self, agencies: &BTreeSet<AgencyCode>) {
        let pending =
            |agency| self.outbox.last_sequence(agency).saturating_sub(self.outbox.published_sequence(agency));
        let total: u64 = agencies.iter().map(pending).sum();
        self.metrics.pending.set(i64::try_from(total).unwrap_or(i64::MAX));
    }

    /// Waits longer each time. False when stopped meanwhile.
    async fn pause(&self, backoff: &mut Duration) -> bool {
        let wait = *backoff;
        *backoff = (wait * 2).min(BACKOFF_LAST);
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }
}

fn connection_event(status: &Status, metrics: &Metrics, stopping: &CancellationToken, event: &Event) {
    match event {
        Event::Connected => {
            metrics.connected.set(1);
            status.set_up();
            tracing::info!("nats is connected");
        }
        Event::Disconnected | Event::Closed => {
            metrics.connected.set(0);
            if status.set_away() && !stopping.is_cancelled() {
                tracing::warn!("nats is away, changes wait in the outbox");
            }
        }
        other => tracing::debug!(event = %other, "nats client event"),
    }
}
