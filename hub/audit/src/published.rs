//! The published checkpoint: the tree head that strangers are shown.
//!
//! ```text
//! acknowledged head ──every interval, if it moved──▶ signed checkpoint ─▶ note ─▶ memory, and <data>/published/<name>
//!                                                        └─▶ witnesses ─▶ their lines ─▲
//! ```
//!
//! Witnesses that do not answer in time are left out, and asked again: a note of the same tree follows with their lines.
//! The log signs a checkpoint with every frame, some hundred a second; one in an interval is enough for strangers. The file
//! is replaced by a rename and not flushed: it is derived, and a start that finds none, or a broken one, makes it anew.
//!
//! What is published only ever grows (LOG-3), over restarts too: a start takes up the kept note where the log holds its
//! tree. Nothing here lies on the way of an append.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use simpul_log::{Head, Reader};
use simpul_tlog::checkpoint;
use simpul_types::LeafIndex;
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{Gatherer, metrics};

/// How often the head is looked at, unless configured.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What is published, and where.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// The note's file; its folder is made.
    pub file: PathBuf,
    /// How often the head is looked at.
    pub interval: Duration,
}

/// The note as of now. Cheap to clone.
#[derive(Clone)]
pub struct Published {
    shown: watch::Receiver<Arc<Shown>>,
    degraded: Arc<Mutex<Option<String>>>,
}

struct Shown {
    note: Bytes,
    size: u64,
}

impl Published {
    /// The signed note, UTF-8.
    pub fn note(&self) -> Bytes {
        self.shown.borrow().note.clone()
    }

    /// Both at one moment.
    pub fn note_and_size(&self) -> (Bytes, u64) {
        let shown = self.shown.borrow();
        (shown.note.clone(), shown.size)
    }

    /// Leaves of its tree.
    pub fn size(&self) -> u64 {
        self.shown.borrow().size
    }

    /// What is missing, in a sentence; `None` where nothing is.
    pub fn degraded(&self) -> Option<String> {
        if self.shown.has_changed().is_err() {
            return Some("publishing has ended by itself; restart the hub".into());
        }
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The task that publishes.
pub struct Publishing {
    published: Published,
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

impl Publishing {
    /// What it publishes.
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// Publishes the newest head once more, and ends.
    pub async fn stop(self) {
        self.stopping.cancel();
        let _ = self.task.await;
    }
}

/// Starts publishing a log's checkpoints. There is a note when this returns. MUST be called inside a tokio runtime.
pub fn start(config: PublishConfig, reader: Reader, mut witnesses: Gatherer) -> Publishing {
    let kept = kept(&config.file, &reader);
    if let Some(kept) = &kept {
        witnesses.take_up(&String::from_utf8_lossy(&kept.note), kept.size);
    }
    let first = kept.unwrap_or_else(|| Shown::of(&reader.head(), ""));
    let (shown, receiver) = watch::channel(Arc::new(first));
    let degraded = Arc::default();
    let published = Published { shown: receiver, degraded: Arc::clone(&degraded) };
    let stopping = CancellationToken::new();
    let publisher = Publisher { config, reader, witnesses, shown, degraded, filed: None };
    Publishing { published, task: tokio::spawn(publisher.run(stopping.clone())), stopping }
}

struct Publisher {
    config: PublishConfig,
    reader: Reader,
    witnesses: Gatherer,
    shown: watch::Sender<Arc<Shown>>,
    degraded: Arc<Mutex<Option<String>>>,
    /// The note that the file holds.
    filed: Option<Bytes>,
}

impl Publisher {
    async fn run(mut self, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                _ = ticks.tick() => {}
            }
            // A round is bounded by the witnesses' time-out; it is not cut, so that no line is lost.
            self.round().await;
        }
        self.round().await;
    }

    async fn round(&mut self) {
        let head = self.reader.head();
        let (size, shown) = (head.size.get(), Arc::clone(&self.shown.borrow()));
        if size > shown.size || self.witnesses.wants(size) {
            let next = Shown::of(&head, &self.witnesses.gather(&head).await);
            // LOG-3: what is published never goes back.
            assert!(next.size >= shown.size, "LOG-3: the head went back");
            if next.note != shown.note {
                metrics::get().published.inc();
                self.shown.send_replace(Arc::new(next));
            }
        }
        let reason = self.file().or_else(|| self.witnesses.missing());
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Brings the file up to date and says what is wrong; what fails is tried again with the next round.
    fn file(&mut self) -> Option<String> {
        let note = self.shown.borrow().note.clone();
        if self.filed.as_ref() == Some(&note) {
            return None;
        }
        match replace(&self.config.file, &note) {
            Ok(()) => {
                self.filed = Some(note);
                None
            }
            Err(error) => {
                let file = self.config.file.display();
                tracing::warn!(%file, %error, "the published checkpoint could not be written");
                Some(format!("{file} could not be written: {error}"))
            }
        }
    }
}

impl Shown {
    /// A head's note with the lines of witnesses under it.
    fn of(head: &Head, lines: &str) -> Self {
        Self { note: format!("{}{lines}", head.checkpoint).into(), size: head.size.get() }
    }
}

/// The note of an earlier run, where it is this log's.
fn kept(file: &Path, reader: &Reader) -> Option<Shown> {
    let note = fs::read_to_string(file).ok()?;
    let checkpoint = checkpoint::open(&note, &reader.verifier()).ok()?;
    match reader.root_at(LeafIndex::new(checkpoint.size)) {
        Ok(root) if root == checkpoint.root => Some(Shown { note: note.into(), size: checkpoint.size }),
        _ => {
            tracing::error!(
                file = %file.display(),
                published = checkpoint.size,
                log = reader.head().size.get(),
                "a checkpoint was published of a tree that this log does not hold: the log is an older copy or another one"
            );
            None
        }
    }
}

/// Replaces a file whole: a reader sees the old or the new one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = file.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::rename(&fresh, file)
}
