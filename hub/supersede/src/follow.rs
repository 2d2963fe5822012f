//! Following both logs. The place in them moves on only after every word that the way there gave rise to is in the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prost::Message;
use simpul_log::{ReadError, StoredLeaf};
use simpul_projection::{PersonId, StateError, Subject};
use simpul_proto::v1::{AccessEntry, CheckRequest, VerdictKind};
use simpul_types::{Position, background::run_when_idle};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    Parts, Said, Word,
    answers::{Answer, Answers, Progress, StoreError},
    judge,
};

/// Access entries in one step.
const ENTRIES_PER_STEP: u64 = 1_024;
/// Events in one step: a person that several of them concern is judged once.
const EVENTS_PER_STEP: u64 = 4_096;
/// How often the logs are looked at. Never at every event: each look wakes threads, and the processors belong to those who wait for
/// receipts and answers.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a failure.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Why a step failed; it is taken again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("the index of answers")]
    Store(#[from] StoreError),
    #[error("the read models")]
    State(#[from] StateError),
    #[error("the access log")]
    Access(#[from] ReadError),
    #[error("a word could not be said")]
    Announce(#[source] crate::AnnounceError),
    #[error("the step did not end")]
    Join(#[from] tokio::task::JoinError),
}

/// Follows until it is stopped.
pub struct Handle {
    task: JoinHandle<()>,
    stopping: watch::Sender<bool>,
    answers: Arc<Answers>,
    progress: watch::Receiver<(u64, Position)>,
}

impl Handle {
    /// How far it has come: next entry of the access log, next position of the log.
    pub fn progress(&self) -> watch::Receiver<(u64, Position)> {
        self.progress.clone()
    }

    /// Ends after the step under way. What was not looked at is looked at after the next start.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        let _ = self.task.await;
        let answers = self.answers;
        let _ = tokio::task::spawn_blocking(move || answers.flush()).await;
    }
}

/// Opens the index and begins to follow. Called within a tokio runtime.
///
/// # Errors
/// The index cannot be opened.
pub fn start(parts: Parts) -> Result<Handle, StoreError> {
    let answers = Arc::new(Answers::open(&parts.dir)?);
    let (stopping, stops) = watch::channel(false);
    let (told, progress) = watch::channel((0, Position::ZERO));
    let follower = Follower { parts: Arc::new(parts), answers: Arc::clone(&answers), told };
    Ok(Handle { task: tokio::spawn(follower.run(stops)), stopping, answers, progress })
}

struct Follower {
    parts: Arc<Parts>,
    answers: Arc<Answers>,
    told: watch::Sender<(u64, Position)>,
}

/// What a step came to.
struct Step {
    words: Vec<(Answer, Word)>,
    progress: Progress,
    /// There is more to be looked at.
    more: bool,
}

impl Follower {
    async fn run(self, mut stops: watch::Receiver<bool>) {
        let mut failing = false;
        while !*stops.borrow() {
            let wait = match self.step().await {
                Ok(true) => continue,
                Ok(false) => {
                    failing = false;
                    LOOK_EVERY
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "answers that changed are not announced for now"
                        );
                    }
                    TRY_AGAIN
                }
            };
            tokio::select! {
                _ = stops.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One step: looks, says what there is to be said, moves on. Gives whether there is more.
    async fn step(&self) -> Result<bool, StepError> {
        let (parts, answers) = (Arc::clone(&self.parts), Arc::clone(&self.answers));
        let step = tokio::task::spawn_blocking(move || {
            run_when_idle(true);
            let step = look(&parts, &answers);
            run_when_idle(false);
            step
        });
        let Some(step) = step.await?? else { return Ok(false) };
        for (mut answer, word) in step.words {
            let kind = word.superseded.new_kind;
            if self.parts.announce.announce(word).await.map_err(StepError::Announce)? == Said::Before {
                tracing::info!("a word about an answer was said before a crash");
            }
            (answer.kind, answer.words) = (kind, answer.words + 1);
            self.answers.put(&answer)?;
        }
        self.answers.set_progress(&step.progress)?;
        self.told.send_replace((step.progress.access, Position::new(step.progress.log)));
        Ok(step.more)
    }
}

/// `None` where nothing has come since.
fn look(parts: &Parts, answers: &Answers) -> Result<Option<Step>, StepError> {
    let mut progress = answers.progress()?;
    let before = progress.clone();
    let mut words = Words::default();
    // Answers first: what happened since they were given is looked at after them.
    let more_entries = entries(parts, answers, &mut progress, &mut words)?;
    let more_events = events(parts, answers, &mut progress, &mut words)?;
    if progress.rules != parts.rules_digest {
        if !progress.rules.is_empty() {
            for person in answers.persons()? {
                judge_person(parts, answers, &person, None, &mut words)?;
            }
        }
        progress.rules = parts.rules_digest.to_vec();
    }
    let words = words.0.into_values().collect();
    let came = progress != before;
    Ok(came.then_some(Step { words, progress, more: more_entries || more_events }))
}

/// Words by answer: the last one judged stands.
#[derive(Default)]
struct Words(BTreeMap<[u8; 16], (Answer, Word)>);

impl Words {
    fn add(&mut self, answer: Answer, word: Option<Word>) {
        match word {
            Some(word) => drop(self.0.insert(answer.id(), (answer, word))),
            None => drop(self.0.remove(&answer.id())),
        }
    }
}

fn entries(
    parts: &Parts,
    answers: &Answers,
    progress: &mut Progress,
    words: &mut Words,
) -> Result<bool, StepError> {
    let head = parts.access.head().size.get();
    let until = head.min(progress.access + ENTRIES_PER_STEP);
    // Every entry has exactly one record, so its index is also its position.
    let mut scan = parts.access.scan(Position::new(progress.access));
    while progress.access < until {
        let Some(leaves) = scan.next_frame()? else { break };
        for leaf in leaves.into_iter().filter(|leaf| leaf.index.get() >= progress.access) {
            entry(parts, answers, progress.log, &leaf, words)?;
        }
        progress.access = scan.position().get();
    }
    Ok(progress.access < head)
}

/// Takes up what one access entry says was answered.
fn entry(
    parts: &Parts,
    answers: &Answers,
    log_next: u64,
    leaf: &StoredLeaf,
    words: &mut Words,
) -> Result<(), StepError> {
    let Ok(entry) = AccessEntry::decode(leaf.bytes.clone()) else { return Ok(()) };
    let Some(kind) = judge::kind_of(&entry.answer).filter(|_| entry.action == "legality.check") else {
        return Ok(());
    };
    // Where the agency's key is gone, nobody can say any more whom it asked about.
    let Some(asked) = leaf.events.first().and_then(|record| parts.access.open_payload(record).ok()) else {
        return Ok(());
    };
    let Ok(request) = CheckRequest::decode(asked.payload) else { return Ok(()) };
    if request.known_at_us.is_some() {
        return Ok(());
    }
    let Some(Ok(subject)) = request.subject.as_ref().map(Subject::read) else { return Ok(()) };
    let models = &parts.read_models;
    let person = models.person_by(subject.kind, &subject.identifier)?;
    let mut answer = Answer {
        agency: entry.agency,
        subject_ref: entry.subject_ref,
        kind: kind.into(),
        valid_at: request.valid_at,
        access_entry: leaf.index.get(),
        case_ref: entry.case_ref,
        purpose: entry.purpose,
        words: 0,
        person: person.map(|person| person.as_bytes().to_vec()).unwrap_or_default(),
        identifier: models.identifier_id(subject.kind, &subject.identifier).to_vec(),
    };
    answer.words = answers.get(&answer.id())?.map_or(0, |older| older.words);
    answers.put(&answer)?;
    let Some(person) = person else { return Ok(()) };
    let known = judge::known(models, &person)?;
    answers.rests_on(&person, &known.licences)?;
    if entry.position < log_next {
        // Events that came after the answer have been passed already.
        let cause = judge::newest(&known.facts);
        let word = judge::again(&answer, &known.facts, &parts.rules, parts.clock.as_ref(), cause);
        words.add(answer, word);
    }
    Ok(())
}

fn events(
    parts: &Parts,
    answers: &Answers,
    progress: &mut Progress,
    words: &mut Words,
) -> Result<bool, StepError> {
    let models = &parts.read_models;
    let end = models.position().get();
    if answers.is_empty() {
        // Nobody has been told anything that could be otherwise now.
        progress.log = end;
        return Ok(false);
    }
    let until = end.min(progress.log + EVENTS_PER_STEP);
    // The last event that concerns a person is the one that is named as the cause.
    let mut concerned: BTreeMap<PersonId, Position> = BTreeMap::new();
    for position in (progress.log..until).map(Position::new) {
        let touched = models.touched(position)?;
        for identifier in &touched.identifiers {
            for mut answer in answers.of_unknown(identifier)? {
                // Nobody was found then; now somebody is known by it.
                if let Some(person) = models.person_of_identifier(identifier)? {
                    answer.person = person.as_bytes().to_vec();
                    answers.put(&answer)?;
                }
            }
        }
        let by_licence = touched.licence.map(|licence| answers.resting_on(&licence)).transpose()?;
        for person in touched.persons.into_iter().chain(by_licence.unwrap_or_default()) {
            concerned.insert(person, position);
        }
    }
    for (person, cause) in concerned {
        judge_person(parts, answers, &person, Some(cause), words)?;
    }
    progress.log = until;
    Ok(until < end)
}

fn judge_person(
    parts: &Parts,
    answers: &Answers,
    person: &PersonId,
    cause: Option<Position>,
    words: &mut Words,
) -> Result<(), StepError> {
    let given = answers.of_person(person)?;
    if given.is_empty() {
        return Ok(());
    }
    let known = judge::known(&parts.read_models, person)?;
    answers.rests_on(person, &known.licences)?;
    for answer in given.into_iter().filter(|answer| answer.kind() != VerdictKind::Unspecified) {
        let word = judge::again(&answer, &known.facts, &parts.rules, parts.clock.as_ref(), cause);
        words.add(answer, word);
    }
    Ok(())
}
