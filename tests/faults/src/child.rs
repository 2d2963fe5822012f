//! The process that is crashed: opens the log, appends with several callers, and tells each acknowledgment through a pipe
//! to the process that watches it. After a fault that it survives it opens the log again and goes on, as a hub would.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use simpul_log::{
    AppendError, Appender, Config, Reader, Schema,
    faults::{self, Bug, Failure, IoFault, Kind, Plan},
    trace::Recorder,
};
use simpul_types::clock::System;

use crate::{harness, load, witness::Acknowledged};

/// How often the log is opened again after a fault.
const OPENINGS_MAX: u32 = 3;

/// What one process does, and what goes wrong in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Child {
    /// Folder of the log.
    #[arg(long)]
    pub dir: PathBuf,
    /// First number to submit.
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// How many from there.
    #[arg(long, default_value_t = 60)]
    pub count: u64,
    /// Tasks that submit at the same time.
    #[arg(long, default_value_t = 4)]
    pub callers: u64,
    /// Where all file operations are recorded.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// `POINT:NTH`.
    #[arg(long)]
    pub crash: Option<String>,
    /// `KIND:ORDINAL:FAILURE[:lasting]`.
    #[arg(long)]
    pub io: Option<String>,
    /// `POINT:MILLISECONDS`, each time.
    #[arg(long)]
    pub delay: Option<String>,
    /// A seeded bug.
    #[arg(long)]
    pub bug: Option<Bug>,
}

impl Child {
    /// As arguments of the process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut words = vec!["child".to_string(), "--dir".into(), self.dir.display().to_string()];
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([format!("--{name}"), value]);
            }
        };
        put("first", Some(self.first.to_string()));
        put("count", Some(self.count.to_string()));
        put("callers", Some(self.callers.to_string()));
        put("trace", self.trace.as_ref().map(|path| path.display().to_string()));
        put("crash", self.crash.clone());
        put("io", self.io.clone());
        put("delay", self.delay.clone());
        put("bug", self.bug.map(|bug| bug.to_string()));
        words
    }
}

/// Small segments, so that a short run rolls several times.
pub(crate) fn config(dir: &std::path::Path) -> Config {
    let mut config = harness::config(dir);
    (config.segment_bytes, config.zero_ahead_bytes) = (24 << 10, 16 << 10);
    config
}

fn plan(child: &Child) -> anyhow::Result<Plan> {
    let pair = |text: &str| -> anyhow::Result<(String, u64)> {
        let (name, number) = text.rsplit_once(':').context("NAME:NUMBER")?;
        Ok((name.into(), number.parse()?))
    };
    let mut plan = Plan {
        recorder: child.trace.as_ref().map(|path| Recorder::append(path)).transpose()?,
        crash: child.crash.as_deref().map(pair).transpose()?,
        io: child.io.as_deref().map(io_fault).transpose()?,
        hooks: Vec::new(),
    };
    if let Some((name, pause)) = child.delay.as_deref().map(pair).transpose()? {
        let point = faults::POINTS.iter().find(|point| **point == name).context("no such point")?;
        let wait = move || thread::sleep(Duration::from_millis(pause));
        plan.hooks.push((*point, Arc::new(wait)));
    }
    Ok(plan)
}

fn io_fault(text: &str) -> anyhow::Result<IoFault> {
    let mut words = text.split(':');
    let mut word = || words.next().context("KIND:ORDINAL:FAILURE");
    let (kind, ordinal, failure) = (word()?, word()?.parse()?, word()?);
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}") == kind).context("no such kind")?;
    let failure = Failure::ALL.into_iter().find(|known| format!("{known:?}") == failure);
    Ok(IoFault {
        kind,
        ordinal,
        failure: failure.context("no such failure")?,
        lasting: words.next().is_some(),
    })
}

fn say(line: &str) {
    // Who watches may be gone; then there is nobody to tell.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

fn acknowledge(entry: &Acknowledged) {
    let line = entry.to_line();
    // Into the record first: it is the order that power cuts are judged by.
    faults::note(line.as_bytes());
    say(&line);
}

/// Runs until everything is submitted or nothing goes any more.
///
/// # Errors
/// Wrong arguments.
pub fn run(child: &Child) -> anyhow::Result<()> {
    faults::seed(child.bug);
    faults::begin(plan(child)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for _ in 0..OPENINGS_MAX {
        let opened =
            simpul_log::open(config(&child.dir), Schema::Submissions, harness::keys(), Arc::new(System));
        let (appender, reader) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                say(&format!("E open: {error}"));
                continue;
            }
        };
        let done = runtime.block_on(submit_all(child, appender, reader));
        if done {
            break;
        }
    }
    let operations = faults::operations().map(|count| count.to_string());
    say(&format!("D {}", operations.join(" ")));
    Ok(())
}

/// Whether nothing failed.
async fn submit_all(child: &Child, appender: Appender, reader: Reader) -> bool {
    let appender = Arc::new(Mutex::new(appender));
    let (next, whole) = (Arc::new(AtomicU64::new(child.first)), Arc::new(AtomicBool::new(true)));
    let end = child.first + child.count;
    let callers: Vec<_> = (0..child.callers)
        .map(|_| {
            let (appender, reader) = (Arc::clone(&appender), reader.clone());
            let (next, whole) = (Arc::clone(&next), Arc::clone(&whole));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return;
                    }
                    if let Err(error) = submit(&appender, &reader, number).await {
                        say(&format!("E submission {number}: {error}"));
                        whole.store(false, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        whole.fetch_and(caller.await.is_ok(), Ordering::Relaxed);
    }
    if let Some(appender) = Arc::into_inner(appender) {
        appender.into_inner().unwrap_or_else(PoisonError::into_inner).close();
    }
    whole.load(Ordering::Relaxed)
}

/// As admission does: what is there already gets its receipt again, the rest is appended.
async fn submit(appender: &Mutex<Appender>, reader: &Reader, number: u64) -> Result<(), String> {
    let queued = {
        let mut appender = appender.lock().unwrap_or_else(PoisonError::into_inner);
        match appender.find_submission(&harness::submission_id(number)) {
            Some(leaf) => Err(leaf),
            None => Ok(match load::erases(number) {
                Some(stream) => appender.enqueue_erasing(load::draft(number), &[stream]),
                None => appender.enqueue(load::draft(number)),
            }),
        }
    };
    let receipt = match queued {
        Ok(ticket) => {
            let ticket = ticket.map_err(|error: AppendError| error.to_string())?;
            ticket.await.map_err(|error| error.to_string())?
        }
        Err(leaf) => reader.receipt(leaf).map_err(|error| error.to_string())?,
    };
    acknowledge(&Acknowledged::new(number, &receipt));
    Ok(())
}
