//! Following the changes that an agency is sent, NATS or not.
//!
//! The publisher has cut every message to what the agency's policy publishes, so there is one question and one entry for
//! the whole call. While it follows, the question is asked again before every read: an agency that has lost everything is
//! told so and let go.

use std::{sync::Arc, time::Duration};

use simpul_audit::EVERYBODY;
use simpul_proto::v1;
use simpul_publisher::{Outbox, OutboxMessage};
use simpul_types::{AgencyCode, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use crate::{
    Parts, fault,
    gate::{Answered, Sight, Visit, action},
};

/// Messages read from the outbox at once.
const READ_MAX: usize = 64;
/// Messages ahead of the client: one read, so that the next is under way while this one is sent.
const AHEAD_MAX: usize = READ_MAX;

/// Longest wait before it is asked again whether the agency may still follow.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

type Item = Result<v1::ViewChange, Status>;

/// A stream of changes. Its access entry is durable when this returns.
pub(crate) async fn watch(
    parts: Arc<Parts>,
    stopping: watch::Receiver<bool>,
    request: &Request<v1::WatchRequest>,
) -> Result<ReceiverStream<Item>, Status> {
    let asked = request.get_ref();
    let visit = Visit::enter(request, action::WATCH, &asked.official, &asked.purpose)?;
    let agency = visit.agency().clone();
    let sight = Sight::published(&parts.directory.load(), &agency, parts.clock.now());
    let position = parts.read_models.position();
    if sight.classes.is_empty() {
        visit.record(&parts, &sight, Answered::bare("DENIED", position)).await?;
        return Err(refusal(&agency));
    }
    let disclosed = sight.all().into_iter().collect();
    // What follows is about anybody on record.
    let answered = Answered { disclosed, subjects: vec![EVERYBODY], ..Answered::bare("WATCH", position) };
    visit.record(&parts, &sight, answered).await?;

    let (sender, receiver) = mpsc::channel(AHEAD_MAX);
    let follower =
        Follower { parts, agency, next: asked.from_sequence.max(1), once: asked.once, stopping, sender };
    tokio::spawn(follower.run());
    Ok(ReceiverStream::new(receiver))
}

struct Follower {
    parts: Arc<Parts>,
    agency: AgencyCode,
    /// Sequence of the next message.
    next: u64,
    once: bool,
    stopping: watch::Receiver<bool>,
    sender: mpsc::Sender<Item>,
}

impl Follower {
    async fn run(mut self) {
        if let Err(status) = self.follow().await {
            // A client that has gone needs no word of it.
            let _ = self.sender.send(Err(status)).await;
        }
    }

    /// Until the client goes, or the present end where it asked for no more.
    async fn follow(&mut self) -> Result<(), Status> {
        let mut derived = self.parts.outbox.subscribe();
        // Everything from the present end on is for those who follow.
        let last = self.once.then(|| self.parts.outbox.last_sequence(&self.agency));
        loop {
            // Seen before reading: what comes while we read wakes the wait below.
            derived.borrow_and_update();
            let directory = self.parts.directory.load_full();
            let now = self.parts.clock.now();
            if Sight::published(&directory, &self.agency, now).classes.is_empty() {
                return Err(refusal(&self.agency));
            }
            let messages = match last {
                Some(last) if self.next > last => return Ok(()),
                _ => self.read().await?,
            };
            if messages.is_empty() {
                if self.wait(&mut derived, directory.next_turn(now).map(|turn| until(now, turn))).await? {
                    continue;
                }
                return Ok(());
            }
            for message in messages {
                if last.is_some_and(|last| message.sequence > last) {
                    return Ok(());
                }
                if message.sequence != self.next {
                    let (next, found) = (self.next, message.sequence);
                    tracing::error!(agency = %self.agency, next, found, "PUB-1: sequences are not gapless");
                    return Err(Status::data_loss(format!(
                        "sequence {next} is missing; the next one is {found}"
                    )));
                }
                self.next += 1;
                if !self.send(message).await? {
                    return Ok(());
                }
            }
        }
    }

    async fn read(&self) -> Result<Vec<OutboxMessage>, Status> {
        let (outbox, agency, next): (Outbox, _, _) =
            (self.parts.outbox.clone(), self.agency.clone(), self.next);
        let read = tokio::task::spawn_blocking(move || outbox.read(&agency, next, READ_MAX)).await;
        match read {
            Ok(Ok(messages)) => Ok(messages),
            Ok(Err(error)) => Err(fault::internal(&error, self.parts.ids.as_ref())),
            Err(error) => Err(fault::internal(&error, self.parts.ids.as_ref())),
        }
    }

    /// Whether the client is still there.
    async fn send(&mut self, message: OutboxMessage) -> Result<bool, Status> {
        let Self { sender, stopping, .. } = self;
        tokio::select! {
            sent = sender.send(Ok(change(message))) => Ok(sent.is_ok()),
            _ = stopping.wait_for(|stop| *stop) => Err(stopped()),
        }
    }

    /// Waits for more, at most until an agreement begins or ends by itself; false where the client has gone.
    async fn wait(
        &mut self,
        derived: &mut watch::Receiver<simpul_projection::ChangeKey>,
        turn: Option<Duration>,
    ) -> Result<bool, Status> {
        let Self { sender, stopping, .. } = self;
        tokio::select! {
            more = derived.changed() => more.map(|()| true).map_err(|_| stopped()),
            () = sender.closed() => Ok(false),
            // A clock may jump: looked at again before long, whatever the agreement says.
            () = tokio::time::sleep(turn.map_or(LOOK_AGAIN, |turn| turn.min(LOOK_AGAIN))) => Ok(true),
            _ = stopping.wait_for(|stop| *stop) => Err(stopped()),
        }
    }
}

fn change(message: OutboxMessage) -> v1::ViewChange {
    v1::ViewChange {
        sequence: message.sequence,
        view: message.view.to_string(),
        r#ref: message.r#ref,
        position: message.key.position,
        r#type: message.r#type,
        json: message.json,
        event_id: message.event_id.to_string(),
        checkpoint: message.checkpoint.to_string(),
    }
}

fn until(now: Timestamp, turn: Timestamp) -> Duration {
    Duration::from_micros(turn.as_us().saturating_sub(now.as_us()).try_into().unwrap_or(0))
}

fn refusal(agency: &AgencyCode) -> Status {
    fault::denied(format!("no policy and no agreement in force publishes anything to {agency}"))
}

fn stopped() -> Status {
    Status::unavailable("the hub is stopping; watch again from the next sequence")
}
