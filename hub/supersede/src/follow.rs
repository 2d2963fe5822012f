//! Following both logs. The place in them moves on only after every word that the way there gave rise to is in the log, so
//! that a step which a crash cut off is taken again; what it said already is found in the log and not said twice.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use simpul_log::{ReadError, StoredLeaf};
use simpul_projection::{PersonId, StateError};
use simpul_proto::v1::VerdictKind;
use simpul_types::{Position, background::when_idle};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    Parts, Rules, Said, Word,
    answers::{Answer, Answers, Id, Progress, StoreError},
    judge,
    told::{self, Told},
};

/// Access entries in one step.
const ENTRIES_PER_STEP: u64 = 256;
/// Events in one step: a person that several of them concern is judged once.
const EVENTS_PER_STEP: u64 = 4_096;
/// Persons judged by other rules in one step.
const PERSONS_PER_STEP: usize = 256;
/// How often the logs are looked at. Never at every event: each look wakes threads, and the processors belong to those who wait for
/// receipts and answers.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// While there is more to look at, a step rests so many times as long as it took: even work on idle time writes to the disk
/// that answers wait for.
const REST: u32 = 9;
/// So long behind, it rests no more.
const BEHIND: Duration = Duration::from_secs(30);
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
    failure: watch::Receiver<Option<String>>,
}

impl Handle {
    /// How far it has come: next entry of the access log, next position of the log.
    pub fn progress(&self) -> watch::Receiver<(u64, Position)> {
        self.progress.clone()
    }

    /// Why nothing is announced for now; `None` where all is well.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    /// Ends after the word under way. What was not looked at is looked at after the next start.
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
    let (fails, failure) = watch::channel(None);
    let follower = Follower { parts: Arc::new(parts), answers: Arc::clone(&answers), stops, told, fails };
    Ok(Handle { task: tokio::spawn(follower.run()), stopping, answers, progress, failure })
}

struct Follower {
    parts: Arc<Parts>,
    answers: Arc<Answers>,
    stops: watch::Receiver<bool>,
    told: watch::Sender<(u64, Position)>,
    fails: watch::Sender<Option<String>>,
}

/// What a step came to.
struct Step {
    words: Vec<(Answer, Word)>,
    progress: Progress,
    /// There is more to be looked at.
    more: bool,
}

impl Follower {
    async fn run(mut self) {
        let mut caught_up = Instant::now();
        while !*self.stops.borrow() {
            let began = Instant::now();
            let wait = match self.step().await {
                Ok(true) if caught_up.elapsed() >= BEHIND => Duration::ZERO,
                Ok(true) => began.elapsed() * REST,
                Ok(false) => {
                    caught_up = Instant::now();
                    LOOK_EVERY
                }
                Err(error) => {
                    self.failed(&error);
                    TRY_AGAIN
                }
            };
            tokio::select! {
                _ = self.stops.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn failed(&self, error: &StepError) {
        let (mut why, mut source) = (error.to_string(), error.source());
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        let why = format!("answers that changed are not announced: {why}");
        // One line for each reason.
        self.fails.send_if_modified(|known| {
            let other = known.as_ref() != Some(&why);
            if other {
                tracing::warn!("{why}");
                *known = Some(why.clone());
            }
            other
        });
    }

    /// One step: looks, says what there is to be said, moves on. Gives whether there is more.
    async fn step(&self) -> Result<bool, StepError> {
        let (parts, answers, stops) =
            (Arc::clone(&self.parts), Arc::clone(&self.answers), self.stops.clone());
        let step = tokio::task::spawn_blocking(move || {
            let rules = (parts.rules)();
            when_idle(|| Look { parts: &parts, answers: &answers, stops: &stops, rules }.all())
        });
        let step = step.await??;
        self.fails.send_if_modified(|known| known.take().is_some());
        let Some(step) = step else { return Ok(false) };
        let mut once_more = false;
        for (answer, word) in step.words {
            if *self.stops.borrow() {
                return Ok(false);
            }
            let (id, new_kind) = (answer.id(), word.superseded.new_kind);
            let mut row = answer.row.clone();
            match self.parts.announce.announce(word).await.map_err(StepError::Announce)? {
                Said::Now => (row.kind, row.words) = (new_kind, row.words + 1),
                // The index does not know of words that are in the log: it was made again, or a crash came between. What the
                // agency has heard is taken from there, and the answer judged once more.
                Said::Before => {
                    let (words, kind) = told::heard(self.parts.read_models.reader(), &answer)?;
                    (row.words, row.kind) = (words, kind.map_or(row.kind, Into::into));
                    once_more = true;
                }
            }
            self.answers.put(&id, &row)?;
        }
        if once_more {
            return Ok(true);
        }
        self.answers.set_progress(&step.progress)?;
        self.told.send_replace((step.progress.access, Position::new(step.progress.log)));
        Ok(step.more)
    }
}

/// Words by answer: the last one judged stands.
#[derive(Default)]
struct Words(BTreeMap<Id, (Answer, Word)>);

impl Words {
    fn add(&mut self, answer: Answer, word: Option<Word>) {
        match word {
            Some(word) => drop(self.0.insert(answer.id(), (answer, word))),
            None => drop(self.0.remove(&answer.id())),
        }
    }
}

/// One look at what has come.
struct Look<'a> {
    parts: &'a Parts,
    answers: &'a Answers,
    stops: &'a watch::Receiver<bool>,
    /// The same for the whole look.
    rules: Rules,
}

impl Look<'_> {
    /// `None` where nothing has come since, or where the follower is to stop.
    fn all(&self) -> Result<Option<Step>, StepError> {
        let mut progress = self.answers.progress()?;
        let (before, mut words) = (progress.clone(), Words::default());
        // Answers first: what happened since they were given is looked at after them.
        let more_entries = self.entries(&mut progress, &mut words)?;
        let more_events = self.events(&mut progress, &mut words)?;
        // By other rules everybody is judged who was told something by the old ones.
        let more_persons = !more_entries && self.other_rules(&mut progress, &mut words)?;
        if self.stopping() || progress == before {
            return Ok(None);
        }
        let more = more_entries || more_events || more_persons;
        Ok(Some(Step { words: words.0.into_values().collect(), progress, more }))
    }

    fn stopping(&self) -> bool {
        *self.stops.borrow()
    }

    fn entries(&self, progress: &mut Progress, words: &mut Words) -> Result<bool, StepError> {
        let access = &self.parts.access;
        let head = access.head().size.get();
        let until = head.min(progress.access + ENTRIES_PER_STEP);
        // Every entry has exactly one record, so its index is also its position.
        let mut scan = access.scan(Position::new(progress.access));
        while progress.access < until && !self.stopping() {
            let Some(leaves) = scan.next_frame()? else { break };
            for leaf in leaves.into_iter().filter(|leaf| leaf.index.get() >= progress.access) {
                self.entry(progress.log, &leaf, words)?;
            }
            progress.access = scan.position().get();
        }
        Ok(progress.access < head)
    }

    /// Takes up what one access entry says was answered.
    fn entry(&self, log_next: u64, leaf: &StoredLeaf, words: &mut Words) -> Result<(), StepError> {
        let (parts, models) = (self.parts, &self.parts.read_models);
        let Some(Told { mut answer, subject, position }) = told::of_leaf(&parts.access, leaf) else {
            return Ok(());
        };
        let id = answer.id();
        let older = self.answers.row(&id)?;
        let person = models.person_by(subject.kind, &subject.identifier)?;
        match older {
            // This look was taken before, up to here or further; words may have been said since.
            Some(older) if older.access_entry > answer.row.access_entry => return Ok(()),
            Some(older) if older.access_entry == answer.row.access_entry => answer.row = older,
            older => {
                // An index that was made again does not know what has been said since the answer.
                let (words, kind) = match older {
                    Some(older) => (older.words, None),
                    None => told::heard(models.reader(), &answer)?,
                };
                (answer.row.words, answer.row.kind) = (words, kind.map_or(answer.row.kind, Into::into));
                match person {
                    Some(person) => answer.row.person = person.as_bytes().to_vec(),
                    None => {
                        answer.row.identifier =
                            models.identifier_id(subject.kind, &subject.identifier).to_vec();
                    }
                }
                self.answers.put(&id, &answer.row)?;
            }
        }
        let Some(person) = person else { return Ok(()) };
        let known = judge::known(models, &person)?;
        self.answers.rests_on(&person, &known.licences)?;
        if position < log_next {
            // Events that came after the answer have been passed already.
            let cause = judge::newest(&known.facts);
            let word = judge::again(&answer, &known.facts, &self.rules.book, parts.clock.as_ref(), cause);
            words.add(answer, word);
        }
        Ok(())
    }

    fn events(&self, progress: &mut Progress, words: &mut Words) -> Result<bool, StepError> {
        let (models, answers) = (&self.parts.read_models, self.answers);
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
            if self.stopping() {
                return Ok(true);
            }
            let touched = models.touched(position)?;
            for identifier in &touched.identifiers {
                for (id, mut row) in answers.of_unknown(identifier)? {
                    // Nobody was found then; now somebody is known by it.
                    if let Some(person) = models.person_of_identifier(identifier)? {
                        (row.person, row.identifier) = (person.as_bytes().to_vec(), Vec::new());
                        answers.put(&id, &row)?;
                    }
                }
            }
            let by_licence = touched.licence.map(|licence| answers.resting_on(&licence)).transpose()?;
            for person in touched.persons.into_iter().chain(by_licence.unwrap_or_default()) {
                concerned.insert(person, position);
            }
        }
        for (person, cause) in concerned {
            if self.stopping() {
                return Ok(true);
            }
            self.person(&person, Some(cause), words)?;
        }
        progress.log = until;
        Ok(until < end)
    }

    /// Judges the next persons by rules that are not those that everybody was judged by last.
    fn other_rules(&self, progress: &mut Progress, words: &mut Words) -> Result<bool, StepError> {
        let digest = self.rules.digest;
        if progress.rules == digest {
            // Those that were on their way in were taken back.
            (progress.rules_from, progress.rules_to) = Default::default();
            return Ok(false);
        }
        if progress.rules_to != digest {
            (progress.rules_from, progress.rules_to) = (Vec::new(), digest.to_vec());
        }
        let persons = self.answers.persons_from(&progress.rules_from, PERSONS_PER_STEP + 1)?;
        for person in persons.iter().take(PERSONS_PER_STEP) {
            if self.stopping() {
                return Ok(true);
            }
            self.person(person, None, words)?;
        }
        match persons.get(PERSONS_PER_STEP) {
            Some(next) => progress.rules_from = next.as_bytes().to_vec(),
            None => {
                progress.rules = digest.to_vec();
                (progress.rules_from, progress.rules_to) = Default::default();
            }
        }
        Ok(!progress.rules_from.is_empty())
    }

    fn person(&self, person: &PersonId, cause: Option<Position>, words: &mut Words) -> Result<(), StepError> {
        let given = self.answers.of_person(person)?;
        if given.is_empty() {
            return Ok(());
        }
        let parts = self.parts;
        let known = judge::known(&parts.read_models, person)?;
        self.answers.rests_on(person, &known.licences)?;
        // The read models may be ahead of this look, and what they know then is the cause.
        let cause = cause.map(|cause| judge::newest(&known.facts).map_or(cause, |newest| newest.max(cause)));
        for (_, row) in given.into_iter().filter(|(_, row)| row.kind() != VerdictKind::Unspecified) {
            if let Some(answer) = told::of_row(&parts.access, row)? {
                let word = judge::again(&answer, &known.facts, &self.rules.book, parts.clock.as_ref(), cause);
                words.add(answer, word);
            }
        }
        Ok(())
    }
}
