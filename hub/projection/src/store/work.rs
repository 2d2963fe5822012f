//! What happens to rows behind the commits: memory becomes a run, runs of a level become one of the next.

use std::{
    sync::{Arc, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    Shared, Work,
    run::{Run, RunCursor, RunWriter},
    walk::{Cursor, Merge, Span},
};
use crate::error::StateError;

/// Runs of a level that are merged into one of the next: fewer cost more writing, more cost look-ups.
const RUNS_MERGED: usize = 6;
/// Pause after a failure of the disk.
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn start(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, StateError> {
    let thread = |name: &str, job: fn(&Shared) -> Result<bool, StateError>| {
        let shared = Arc::clone(shared);
        std::thread::Builder::new().name(name.into()).spawn(move || shared.repeat(job))
    };
    Ok(vec![thread("state-write", Shared::write_one)?, thread("state-merge", Shared::merge_one)?])
}

impl Shared {
    /// Does a job for as long as there is one, and waits for the next.
    fn repeat(&self, job: fn(&Self) -> Result<bool, StateError>) {
        let mut paced = None;
        loop {
            self.pace.follow(&mut paced);
            let seen = self.work().news;
            let done = job(self);
            let mut work = self.work();
            if work.stop {
                return;
            }
            match done {
                Ok(true) => {
                    work.failure = None;
                    work.news += 1;
                    self.changed.notify_all();
                }
                Ok(false) => {
                    let nothing = |work: &mut Work| work.news == seen && !work.stop;
                    drop(self.changed.wait_while(work, nothing).unwrap_or_else(PoisonError::into_inner));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "rows could not be written");
                    work.failure = Some(error.to_string());
                    self.changed.notify_all();
                    let running = |work: &mut Work| !work.stop;
                    drop(
                        self.changed
                            .wait_timeout_while(work, RETRY, running)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
            }
        }
    }

    /// Writes the oldest frozen memory as a run.
    fn write_one(&self) -> Result<bool, StateError> {
        let Some(frozen) = self.tables().frozen.last().cloned() else { return Ok(false) };
        let mut writer = self.writer(0, frozen.sought() as u64)?;
        frozen.each(|key, value| writer.push(key, value))?;
        let run = Arc::new(writer.finish()?);
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = manifest.clone();
        next.runs.insert(0, run.entry.clone());
        next.write(&self.dir, &self.sealer)?;
        *manifest = next;
        self.replace(|tables| {
            tables.frozen.pop();
            tables.runs.insert(0, run);
        });
        Ok(true)
    }

    fn writer(&self, level: u32, sought: u64) -> Result<RunWriter, StateError> {
        let id = {
            let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
            manifest.next += 1;
            manifest.next - 1
        };
        RunWriter::create(&self.dir, id, level, sought, &self.sealer)
    }

    /// Merges the oldest runs of the lowest level that has enough of them. Levels grow with age, so what is merged stands
    /// together, and its place in the order stays its place.
    fn merge_one(&self) -> Result<bool, StateError> {
        let runs = self.tables().runs.clone();
        let Some(merged) = to_merge(&runs) else { return Ok(false) };
        let oldest = merged.last().expect("some").entry.id == runs.last().expect("some").entry.id;
        let Some(run) = self.merge(merged, oldest)? else { return Ok(false) };
        let run = Arc::new(run);
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = manifest.clone();
        let Some(first) = next.runs.iter().position(|entry| entry.id == merged[0].entry.id) else {
            // The state was emptied meanwhile.
            run.remove();
            return Ok(true);
        };
        next.runs.splice(first..first + merged.len(), [run.entry.clone()]);
        next.write(&self.dir, &self.sealer)?;
        *manifest = next;
        self.replace(|tables| {
            tables.runs.splice(first..first + merged.len(), [run]);
        });
        drop(manifest);
        merged.iter().for_each(|run| run.remove());
        Ok(true)
    }

    /// One run out of these; `None` where the store is closed meanwhile. Removed rows end where nothing older is left.
    fn merge(&self, runs: &[Arc<Run>], oldest: bool) -> Result<Option<Run>, StateError> {
        let level = runs[0].entry.level + 1;
        let mut writer = self.writer(level, runs.iter().map(|run| run.entry.sought).sum())?;
        let span = Span::of(..);
        let mut sources: Vec<Box<dyn Cursor + '_>> = Vec::with_capacity(runs.len());
        for run in runs {
            sources.push(Box::new(RunCursor::new(run, &span, false, None)?));
        }
        let mut rows = 0_u64;
        let mut closed = false;
        Merge { sources, back: false }.each(|key, value| {
            rows += 1;
            if rows.is_multiple_of(65_536) && self.work().stop {
                closed = true;
                return Ok(false);
            }
            if value.is_some() || !oldest {
                writer.push(key, value)?;
            }
            Ok(true)
        })?;
        if closed { Ok(None) } else { writer.finish().map(Some) }
    }
}

/// The oldest runs of the lowest level that has enough.
pub(super) fn to_merge(runs: &[Arc<Run>]) -> Option<&[Arc<Run>]> {
    let levels = runs.chunk_by(|newer, older| newer.entry.level == older.entry.level);
    levels.filter_map(|level| level.len().checked_sub(RUNS_MERGED).map(|from| &level[from..])).next()
}
