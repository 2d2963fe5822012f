//! The agenda, kept while events come in, and worked off when a day is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{civil::Date, tz::Offset};
use simpul_projection::{CaseId, StateError};
use simpul_types::{Position, background::when_idle};
use tokio::{sync::watch, task::JoinHandle};

use crate::{Parts, Said, Word, agenda::Agenda, words};

/// Days are Jakarta's (UTC+7, no summer time), as in verdicts.
const JAKARTA: Offset = jiff::tz::offset(7);
/// Events looked at in one step.
const EVENTS_PER_STEP: u64 = 4_096;
/// How often events and the day are looked at. Never at every event: each look wakes threads, and the processors belong to those who
/// wait for receipts and answers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Why a step failed; it is taken again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("the read models")]
    State(#[from] StateError),
    #[error("a word could not be said")]
    Announce(#[source] crate::AnnounceError),
    #[error("the step did not end")]
    Join(#[from] tokio::task::JoinError),
}

/// Follows until it is stopped.
pub struct Handle {
    task: JoinHandle<()>,
    stopping: watch::Sender<bool>,
}

impl Handle {
    /// Ends after the step under way.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        let _ = self.task.await;
    }
}

/// Begins to follow. MUST be called within a tokio runtime.
pub fn start(parts: Parts) -> Handle {
    let (stopping, stops) = watch::channel(false);
    let follower = Follower { parts: Arc::new(parts), kept: Arc::new(Mutex::new(None)) };
    Handle { task: tokio::spawn(follower.run(stops)), stopping }
}

/// What is kept in memory between steps.
struct Kept {
    agenda: Agenda,
    /// Position of the next event to look at.
    next: u64,
}

struct Follower {
    parts: Arc<Parts>,
    /// `None` until the agenda was made from the read models.
    kept: Arc<Mutex<Option<Kept>>>,
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
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "what is due is not said for now");
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

    /// Looks at new events and at the day, and says what is due. Gives whether there is more to be looked at.
    async fn step(&self) -> Result<bool, StepError> {
        let (parts, kept) = (Arc::clone(&self.parts), Arc::clone(&self.kept));
        let step = tokio::task::spawn_blocking(move || when_idle(|| look(&parts, &kept)));
        let (cases, more) = step.await??;
        for (words, case, next) in cases {
            for word in words {
                let event_type = word.event_type;
                match self.parts.announce.announce(word).await.map_err(StepError::Announce)? {
                    Said::Now => tracing::info!(%case, event_type, "said because a day is over"),
                    Said::Overtaken => tracing::info!(%case, event_type, "overtaken"),
                }
            }
            // Only now: what could not be said is due still.
            if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                kept.agenda.set(case, next);
            }
        }
        Ok(more)
    }
}

type ToSay = Vec<(Vec<Word>, CaseId, Option<Date>)>;

fn look(parts: &Parts, kept: &Mutex<Option<Kept>>) -> Result<(ToSay, bool), StateError> {
    let models = &parts.read_models;
    let now = parts.clock.now().as_us();
    let time = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
    let today = JAKARTA.to_datetime(time).date();
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.is_none() {
        // Before the cases are read: what comes meanwhile is looked at after them.
        let next = models.position().get();
        let mut agenda = Agenda::default();
        models.cases_with_something_due()?.into_iter().for_each(|case| agenda.set(case, Some(Date::MIN)));
        *kept = Some(Kept { agenda, next });
    }
    let Some(Kept { agenda, next }) = kept.as_mut() else { return Ok((Vec::new(), false)) };
    let end = models.position().get();
    let until = end.min(*next + EVENTS_PER_STEP);
    let mut changed: BTreeSet<CaseId> = agenda.due_by(today).into_iter().collect();
    for position in (*next..until).map(Position::new) {
        changed.extend(models.case_of_event(position)?);
    }
    let mut to_say: BTreeMap<CaseId, (Vec<Word>, Option<Date>)> = BTreeMap::new();
    for case in changed {
        let Some(known) = models.mechanism(case)? else { continue };
        let (words, next) = words::of_case(models, case, &known, today)?;
        if words.is_empty() {
            agenda.set(case, next);
        } else {
            agenda.set(case, Some(today));
            to_say.insert(case, (words, next));
        }
    }
    *next = until;
    let to_say = to_say.into_iter().map(|(case, (words, next))| (words, case, next)).collect();
    Ok((to_say, until < end))
}
