//! What the hub says of itself: answers that would be otherwise now, what is due when a day is over, and digests of its read models. It comes behind everything
//! else; an outage of it delays nothing.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use futures_util::{FutureExt, future::BoxFuture};
use prost::Message;
use simpul_log::Reader;
use simpul_policy::Directory;
use simpul_projection::{LAYOUT, ReadModels};
use simpul_proto::hub::{AccessCheckpointRecorded, StateDigestRecorded};
use simpul_supersede::{Announce, AnnounceError, Parts, Said};
use simpul_types::{Clock, ExpectedVersion, Position, RejectReason, StreamName, background::when_idle};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    producer::{Producer, Word},
};

/// Stream of the state digests.
const DIGESTS: &str = "hub-state/digest";
/// Stream of the access log's checkpoints.
const ANCHORS: &str = simpul_audit::verify::ANCHORS;
/// After a failure.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What runs behind the answers.
pub(crate) struct OwnWords {
    superseding: simpul_supersede::Handle,
    deadlines: simpul_deadlines::Handle,
    digesting: JoinHandle<()>,
    anchoring: JoinHandle<()>,
    stopping: CancellationToken,
}

impl OwnWords {
    /// Why nobody hears of answers that changed; `None` where all is well.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.superseding.failure()
    }

    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.superseding.stop().await;
        self.deadlines.stop().await;
        let _ = self.digesting.await;
        let _ = self.anchoring.await;
    }
}

/// Starts all of it. MUST be called within a tokio runtime.
pub(crate) fn start(
    config: &Config,
    producer: Arc<Producer>,
    read_models: &ReadModels,
    access: &Reader,
    directory: Arc<ArcSwap<Directory>>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<OwnWords> {
    let stopping = CancellationToken::new();
    let superseding = simpul_supersede::start(Parts {
        dir: config.data_dir.join("standing"),
        read_models: read_models.clone(),
        access: access.clone(),
        rules: Box::new(move || {
            let directory = directory.load();
            let rules = directory.rules();
            simpul_supersede::Rules { book: Arc::clone(&rules.book), digest: rules.digest }
        }),
        clock: Arc::clone(&clock),
        announce: Arc::new(Announcer(Arc::clone(&producer))),
    });
    let deadlines = simpul_deadlines::start(simpul_deadlines::Parts {
        read_models: read_models.clone(),
        clock,
        announce: Arc::new(Announcer(Arc::clone(&producer))),
    });
    let superseding = superseding.context("the index of answers")?;
    let digests = Digests {
        every: config.projection.digest_every_events,
        read_models: read_models.clone(),
        producer: Arc::clone(&producer),
        stopping: stopping.clone(),
    };
    let anchors = Anchors {
        every: Duration::from_secs(config.access.anchor_every_s),
        access: access.clone(),
        producer,
        stopping: stopping.clone(),
    };
    let (digesting, anchoring) = (tokio::spawn(digests.run()), tokio::spawn(anchors.run()));
    Ok(OwnWords { superseding, deadlines, digesting, anchoring, stopping })
}

/// Puts words into the log.
struct Announcer(Arc<Producer>);

impl Announce for Announcer {
    fn announce(&self, word: simpul_supersede::Word) -> BoxFuture<'_, Result<Said, AnnounceError>> {
        let expected = match word.version {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exactly(version),
        };
        let said = Word {
            event_type: "simpul.hub.v1.VerdictSuperseded",
            stream: word.stream,
            expected,
            purpose: "VERIFY_LEGALITY",
            payload: word.superseded.encode_to_vec(),
        };
        async move {
            match self.0.say(said).await {
                Ok(_) => Ok(Said::Now),
                Err(rejection) if rejection.reason == RejectReason::WrongExpectedVersion => Ok(Said::Before),
                Err(rejection) => Err(rejection.to_string().into()),
            }
        }
        .boxed()
    }
}

impl simpul_deadlines::Announce for Announcer {
    fn announce(
        &self,
        word: simpul_deadlines::Word,
    ) -> BoxFuture<'_, Result<simpul_deadlines::Said, simpul_deadlines::AnnounceError>> {
        let simpul_deadlines::Word { event_type, stream, expected, payload } = word;
        let said = Word { event_type, stream, expected, purpose: "ASSIST", payload };
        async move {
            match self.0.say(said).await {
                Ok(_) => Ok(simpul_deadlines::Said::Now),
                Err(rejection)
                    if matches!(
                        rejection.reason,
                        RejectReason::WrongExpectedVersion | RejectReason::OutOfOrder
                    ) =>
                {
                    Ok(simpul_deadlines::Said::Overtaken)
                }
                Err(rejection) => Err(rejection.to_string().into()),
            }
        }
        .boxed()
    }
}

/// Records the access log's checkpoint, so that neither log can be rolled back alone.
struct Anchors {
    every: Duration,
    access: Reader,
    producer: Arc<Producer>,
    stopping: CancellationToken,
}

impl Anchors {
    async fn run(self) {
        if self.every.is_zero() {
            return;
        }
        let mut anchored = 0;
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            let head = self.access.head();
            if head.size.get() == anchored {
                continue;
            }
            let recorded = AccessCheckpointRecorded { checkpoint: head.checkpoint.clone() };
            let word = Word {
                event_type: "simpul.hub.v1.AccessCheckpointRecorded",
                stream: ANCHORS.parse().expect("a stream's name"),
                expected: ExpectedVersion::Any,
                purpose: "OVERSIGHT",
                payload: recorded.encode_to_vec(),
            };
            match self.producer.say(word).await {
                Ok(_) => anchored = head.size.get(),
                Err(_) if self.stopping.is_cancelled() => return,
                Err(rejection) => {
                    tracing::warn!(%rejection, "the access log's checkpoint was not recorded");
                }
            }
        }
    }
}

/// Records the digest of the read models every so many events.
struct Digests {
    every: u64,
    read_models: ReadModels,
    producer: Arc<Producer>,
    stopping: CancellationToken,
}

impl Digests {
    async fn run(self) {
        if self.every == 0 {
            return;
        }
        let mut positions = self.read_models.subscribe();
        // Multiples of `every`, whenever the hub was started.
        let mut next = (self.read_models.position().get() / self.every + 1) * self.every;
        while !self.stopping.is_cancelled() {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                changed = positions.wait_for(|position| position.get() >= next) => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            match self.record().await {
                Ok(position) => next = (position.get() / self.every + 1) * self.every,
                Err(_) if self.stopping.is_cancelled() => return,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "a state digest was not recorded");
                    tokio::select! {
                        () = self.stopping.cancelled() => return,
                        () = tokio::time::sleep(TRY_AGAIN) => {}
                    }
                }
            }
        }
    }

    async fn record(&self) -> anyhow::Result<Position> {
        let (models, stopping) = (self.read_models.clone(), self.stopping.clone());
        let state = tokio::task::spawn_blocking(move || {
            when_idle(|| models.digest_while(&|| !stopping.is_cancelled()))
        });
        let state = state.await??;
        let digest = data_encoding::HEXLOWER.encode(&state.digest);
        let recorded = StateDigestRecorded {
            position: state.position.get(),
            changes_from: state.changes_from.get(),
            digest,
            layout: u32::from(LAYOUT),
        };
        let stream: StreamName = DIGESTS.parse().context("a stream's name")?;
        let word = Word {
            event_type: "simpul.hub.v1.StateDigestRecorded",
            stream,
            expected: ExpectedVersion::Any,
            purpose: "OVERSIGHT",
            payload: recorded.encode_to_vec(),
        };
        self.producer.say(word).await?;
        Ok(state.position)
    }
}
