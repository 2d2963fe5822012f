//! Asking witnesses for their cosignatures over a checkpoint, all at once, each with a time-out of its own, and never on
//! the way of an append.
//!
//! Each witness is sent the proof from the size it is known to have cosigned last; a 409 tells another size, and then it
//! is asked once more from there. One that does not answer, or answers nonsense, is left alone for a growing while.
//!
//! | what a witness says | what it means here |
//! |---|---|
//! | 200 and a line that verifies | attached |
//! | 409, a size this log has | asked again from there |
//! | 409, a size beyond this log | this log was rolled back, or another one signs with its key: if it can show it |
//! | 409 of the same size, 422 | the witness cosigned another tree, a fork: if it can show it |
//! | anything else | refused, nonsense or away: logged, counted, tried again later |
//!
//! A witness that speaks of a rollback or a fork is asked for the checkpoint that it holds. Only where this log's own key
//! signed that one, and this log does not have its tree, is the word an alarm: a witness cannot raise it alone.

use std::time::Duration;

use simpul_log::{Head, Reader};
use simpul_tlog::{
    checkpoint, cosignature,
    note::{NoteVerifier, SignedNote},
};
use simpul_types::LeafIndex;
use simpul_witness::{AddCheckpoint, Client, Reply, Target};
use tokio::time::Instant;

use crate::metrics::{self, Outcome};

/// Time for one witness and one checkpoint, a second attempt after a 409 included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// First pause after a failure; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A witness that shall cosign.
#[derive(Clone)]
pub struct WitnessConfig {
    /// What we call it.
    pub name: String,
    /// Its key, of type 4.
    pub verifier: NoteVerifier,
    /// Where it is.
    pub target: Target,
}

/// The witnesses of one log.
pub struct Gatherer {
    reader: Reader,
    links: Vec<Link>,
}

struct Link {
    name: String,
    verifier: NoteVerifier,
    client: Client,
    /// Size it is known to have cosigned last.
    known: u64,
    /// Its line under the checkpoint of that size.
    line: Option<(u64, String)>,
    failure: Option<Failure>,
    pause: Duration,
    not_before: Instant,
}

/// What went wrong with a witness, as an operator reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("did not answer in time")]
    Late,
    #[error("{0}")]
    Away(String),
    #[error("nonsense: {0}")]
    Nonsense(String),
    #[error("refused with {0}: {1}")]
    Refused(u16, String),
    #[error(
        "has cosigned {0} leaves of this origin, this log has fewer: it was rolled back, or another log signs with its key"
    )]
    Ahead(u64),
    #[error(
        "has cosigned another tree of this origin at {0} leaves: this log was forked, or another one signs with its key"
    )]
    Fork(u64),
    #[error("speaks of another tree at {0} leaves and shows none that this log's key signed")]
    Unproven(u64),
    #[error("no proof could be made for it: {0}")]
    Proof(String),
}

impl Failure {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Late | Self::Away(_) => Outcome::Away,
            Self::Nonsense(_) => Outcome::Nonsense,
            Self::Refused(..) => Outcome::Refused,
            Self::Ahead(_) | Self::Fork(_) => Outcome::Conflict,
            Self::Unproven(_) => Outcome::Nonsense,
            Self::Proof(_) => Outcome::Fault,
        }
    }
}

impl Gatherer {
    /// Witnesses for the log behind `reader`.
    pub fn new(reader: Reader, witnesses: Vec<WitnessConfig>) -> Self {
        let now = Instant::now();
        let link = |WitnessConfig { name, verifier, target }| Link {
            name,
            verifier,
            client: Client::new(target),
            known: 0,
            line: None,
            failure: None,
            pause: PAUSE_MIN,
            not_before: now,
        };
        Self { reader, links: witnesses.into_iter().map(link).collect() }
    }

    /// Takes up the lines of a note that was published before.
    pub(crate) fn take_up(&mut self, note: &str, size: u64) {
        let Ok(note) = SignedNote::parse(note) else { return };
        for link in &mut self.links {
            link.line = link.line_in(&note).map(|line| (size, line));
            link.known = if link.line.is_some() { size } else { 0 };
        }
    }

    /// Whether a witness's line is missing under the checkpoint of `size` and it is time to ask.
    pub(crate) fn wants(&self, size: u64) -> bool {
        let now = Instant::now();
        self.links.iter().any(|link| link.is_due(size, now))
    }

    /// Asks every witness that is due; gives the lines of all that have cosigned this head.
    pub(crate) async fn gather(&mut self, head: &Head) -> String {
        let (reader, size, now) = (&self.reader, head.size.get(), Instant::now());
        let due = self.links.iter_mut().filter(|link| link.is_due(size, now));
        futures_util::future::join_all(due.map(|link| link.ask(reader, head))).await;
        let lines = self.links.iter().filter_map(|link| link.line.as_ref());
        lines.filter(|(of, _)| *of == size).map(|(_, line)| line.as_str()).collect()
    }

    /// Which witnesses' lines are missing, and why; `None` where none are.
    pub(crate) fn missing(&self) -> Option<String> {
        let failures: Vec<_> = self
            .links
            .iter()
            .filter_map(|link| link.failure.as_ref().map(|failure| format!("{} {failure}", link.name)))
            .collect();
        let (have, all) = (self.links.len() - failures.len(), self.links.len());
        let origin = self.reader.verifier().name().to_owned();
        (!failures.is_empty())
            .then(|| format!("{have} of {all} witnesses cosign {origin}: {}", failures.join("; ")))
    }
}

impl Link {
    fn is_due(&self, size: u64, now: Instant) -> bool {
        let has = self.line.as_ref().is_some_and(|(of, _)| *of == size);
        !has && now >= self.not_before
    }

    async fn ask(&mut self, reader: &Reader, head: &Head) {
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(reader, head)).await;
        match asked.unwrap_or(Err(Failure::Late)) {
            Ok(line) => {
                metrics::get().count(Outcome::Cosigned);
                if self.failure.take().is_some() {
                    tracing::info!(witness = self.name, "the witness cosigns again");
                }
                (self.known, self.line) = (head.size.get(), Some((head.size.get(), line)));
                (self.pause, self.not_before) = (PAUSE_MIN, Instant::now());
            }
            Err(failure) => {
                metrics::get().count(failure.outcome());
                // Once for each change, so that a witness that is away for a day is one line.
                if self.failure.as_ref() != Some(&failure) {
                    let witness = &self.name;
                    match failure {
                        Failure::Ahead(_) | Failure::Fork(_) => {
                            tracing::error!(witness, "the witness {failure}")
                        }
                        _ => tracing::warn!(witness, "no cosignature: the witness {failure}"),
                    }
                    self.failure = Some(failure);
                }
                self.not_before = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            }
        }
    }

    async fn exchange(&mut self, reader: &Reader, head: &Head) -> Result<String, Failure> {
        let size = head.size.get();
        let mut reply = self.send(reader, head, self.known).await?;
        if let Reply::Conflict(recorded) = reply
            && recorded != self.known
            && recorded <= size
        {
            self.known = recorded;
            reply = self.send(reader, head, recorded).await?;
        }
        match reply {
            Reply::Cosigned(lines) => self.verified(head, &lines),
            Reply::Conflict(recorded) if recorded > size || recorded == self.known => {
                Err(self.shown(reader, head, recorded).await)
            }
            Reply::Conflict(_) => Err(Failure::Nonsense("a second 409 that tells another size".into())),
            Reply::Refused(422, _) => Err(self.shown(reader, head, self.known).await),
            Reply::Refused(status, reason) => Err(Failure::Refused(status, reason)),
        }
    }

    /// What the witness can show for its word that it has cosigned another tree, of `said` leaves.
    async fn shown(&mut self, reader: &Reader, head: &Head, said: u64) -> Failure {
        let verifier = reader.verifier();
        let note = match self.client.newest(verifier.name()).await {
            Ok(note) => note.unwrap_or_default(),
            Err(simpul_witness::ClientError::Nonsense(_)) => return Failure::Unproven(said),
            Err(error) => return Failure::Away(error.to_string()),
        };
        let Ok(held) = checkpoint::open(&note, &verifier) else { return Failure::Unproven(said) };
        if held.size > head.size.get() {
            return Failure::Ahead(held.size);
        }
        match reader.root_at(LeafIndex::new(held.size)) {
            Ok(root) if root == held.root => Failure::Unproven(said),
            Ok(_) => Failure::Fork(held.size),
            Err(error) => Failure::Proof(error.to_string()),
        }
    }

    async fn send(&mut self, reader: &Reader, head: &Head, old: u64) -> Result<Reply, Failure> {
        let (reader, new) = (reader.clone(), head.size);
        let proof =
            tokio::task::spawn_blocking(move || reader.consistency_proof(LeafIndex::new(old), new)).await;
        let proof = match proof {
            Ok(Ok(proof)) => proof,
            Ok(Err(error)) => return Err(Failure::Proof(error.to_string())),
            Err(_) => return Err(Failure::Proof("the task ended".into())),
        };
        let request = AddCheckpoint { old, proof, note: head.checkpoint.clone() };
        self.client.add_checkpoint(request.encode()).await.map_err(|error| match error {
            simpul_witness::ClientError::Nonsense(what) => Failure::Nonsense(what),
            error => Failure::Away(error.to_string()),
        })
    }

    /// The witness's own line, verified; lines of keys that we do not know are passed over.
    fn verified(&self, head: &Head, lines: &str) -> Result<String, Failure> {
        let note = SignedNote::parse(&format!("{}{lines}", head.checkpoint));
        let note = note.map_err(|error| Failure::Nonsense(error.to_string()))?;
        self.line_in(&note)
            .ok_or_else(|| Failure::Nonsense("no line of its key that verifies over the checkpoint".into()))
    }

    fn line_in(&self, note: &SignedNote) -> Option<String> {
        let own = note.signatures.iter().filter(|line| self.verifier.made(line));
        let good = own.filter(|line| self.verifier.verify(&note.text, &line.signature));
        let newest = good.max_by_key(|line| cosignature::time_of(line))?;
        Some(self.verifier.line(&newest.signature))
    }
}
