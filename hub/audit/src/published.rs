//! The published checkpoint: the tree head that strangers are shown.
//!
//! ```text
//! acknowledged head ──every interval, if it moved──▶ signed checkpoint ─▶ note ─▶ memory, and <data>/published/<name>
//! ```
//!
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
pub fn start(config: PublishConfig, reader: Reader) -> Publishing {
    let first = kept(&config.file, &reader).unwrap_or_else(|| plain(&reader.head()));
    let (shown, receiver) = watch::channel(Arc::new(first));
    let degraded = Arc::default();
    let published = Published { shown: receiver, degraded: Arc::clone(&degraded) };
    let stopping = CancellationToken::new();
    let publisher = Publisher { config, reader, shown, degraded, filed: None };
    Publishing { published, task: tokio::spawn(publisher.run(stopping.clone())), stopping }
}

struct Publisher {
    config: PublishConfig,
    reader: Reader,
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
                _ = ticks.tick() => self.round(),
            }
        }
        self.round();
    }

    fn round(&mut self) {
        let head = self.reader.head();
        let shown = Arc::clone(&self.shown.borrow());
        if head.size.get() > shown.size {
            self.shown.send_replace(Arc::new(plain(&head)));
        }
        self.file();
    }

    /// Brings the file up to date; what fails is tried again with the next round.
    fn file(&mut self) {
        let note = self.shown.borrow().note.clone();
        if self.filed.as_ref() == Some(&note) {
            return;
        }
        let reason = match replace(&self.config.file, &note) {
            Ok(()) => {
                self.filed = Some(note);
                None
            }
            Err(error) => {
                let file = self.config.file.display();
                tracing::warn!(%file, %error, "the published checkpoint could not be written");
                Some(format!("{file} could not be written: {error}"))
            }
        };
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

fn plain(head: &Head) -> Shown {
    Shown { note: Bytes::from(head.checkpoint.clone()), size: head.size.get() }
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
