//! Follows the log's acknowledged head on a thread of its own: reads frames, folds them, commits in batches.
//!
//! A fault of the disk or the store throws the batch away; it is folded again after a pause, for as long as it takes, and
//! health says so meanwhile. An event that cannot be read is a gap row and a number in health; it stops nothing.

use std::{
    cell::Cell,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use simpul_log::{Head, Scan};
use simpul_types::Position;
use tokio::sync::watch;

use crate::{
    ahead::{self, OpenedLeaf},
    erase::{self, Eraser},
    error::{OpenError, StateError},
    fold::{Batch, Folder},
    read::Shared,
};

/// How long events are gathered before they are folded: waking up costs more than folding a few events, and the
/// processors belong to those who wait for receipts. Readers see an event this much later.
const GATHER: Duration = Duration::from_millis(5);
/// So far behind, leaves are read and opened on a thread of their own.
const AHEAD_EVENTS: u64 = 4_096;
/// Pause before a failed batch is folded again.
const RETRY: Duration = Duration::from_secs(2);

/// The running projection. Dropping it stops the thread without waiting.
pub struct Handle {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Handle {
    /// Stops after the batch at hand and makes what is committed durable.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let Self { thread, shared, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            let joined = thread.join();
            (joined.is_ok(), shared.state.flush())
        });
        match joined.await {
            Ok((true, Ok(()))) => {}
            Ok((false, _)) => tracing::error!("the projection thread had panicked"),
            Ok((_, Err(error))) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "state not flushed")
            }
            Err(_) => tracing::error!("the projection thread could not be joined"),
        }
    }
}

pub(crate) fn start(
    shared: Arc<Shared>,
    batch_events_max: usize,
    eraser: Eraser,
) -> Result<Handle, OpenError> {
    let (stop, stopped) = watch::channel(false);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(OpenError::Thread)?;
    let runner = Runner {
        folder: Folder::new(),
        eraser,
        heads: shared.reader.subscribe(),
        shared: Arc::clone(&shared),
        stopped,
        batch_events_max,
        paced: Cell::new(None),
        caught_up: Cell::new(Instant::now()),
    };
    let thread = std::thread::Builder::new()
        .name("projection".into())
        .spawn(move || {
            runner.shared.state.pace().follow(&mut None);
            let _alarm = Alarm(Arc::clone(&runner.shared));
            runner.run(&runtime);
        })
        .map_err(OpenError::Thread)?;
    Ok(Handle { stop, thread, shared })
}

/// Tells health where the thread ends by a panic: the projection never stops silently.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.died();
        }
    }
}

struct Runner {
    shared: Arc<Shared>,
    folder: Folder,
    eraser: Eraser,
    heads: watch::Receiver<Arc<Head>>,
    stopped: watch::Receiver<bool>,
    batch_events_max: usize,
    /// The pace of this thread.
    paced: Cell<Option<bool>>,
    /// When the projection last began with nothing left over.
    caught_up: Cell<Instant>,
}

impl Runner {
    fn run(mut self, runtime: &tokio::runtime::Runtime) {
        let mut scan = None;
        while !self.is_stopped() {
            // Seen before reading: a head that comes while we read wakes the wait below.
            self.heads.mark_unchanged();
            let again = match self.catch_up(&mut scan) {
                Ok(()) => {
                    self.shared.recovered();
                    None
                }
                Err(error) => {
                    scan = None;
                    self.shared.failed(&error);
                    Some(RETRY)
                }
            };
            runtime.block_on(self.wait(again));
            if again.is_none() {
                self.caught_up.set(Instant::now());
            }
        }
    }

    /// Until the next head, the pause, or the stop.
    async fn wait(&mut self, pause: Option<Duration>) {
        let Self { heads, stopped, .. } = self;
        let work = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // A closed log has no more heads: only the stop is left to wait for.
                None if heads.changed().await.is_err() => std::future::pending().await,
                None => tokio::time::sleep(GATHER).await,
            }
        };
        tokio::select! {
            () = work => {}
            // A dropped handle is a stop too.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// Folds everything up to the acknowledged head.
    fn catch_up(&self, scan: &mut Option<Scan>) -> Result<(), StateError> {
        let (state, reader) = (&self.shared.state, &self.shared.reader);
        let mut batch = Batch::new(state)?;
        if reader.head().end.get().saturating_sub(batch.position().get()) > AHEAD_EVENTS {
            let ahead = reader.scan(batch.position());
            ahead::each(ahead, reader, Position::new(u64::MAX), state, |leaf| {
                self.fold(leaf, &mut batch)?;
                Ok(!self.is_stopped())
            })?;
        }
        let scan = match scan {
            Some(scan) if scan.position() == batch.position() => scan,
            other => other.insert(reader.scan(batch.position())),
        };
        while !self.is_stopped() {
            let Some(leaves) = scan.next_frame()? else { break };
            for leaf in leaves {
                self.fold(ahead::open(reader, &state.blind, leaf, Position::new(u64::MAX))?, &mut batch)?;
            }
        }
        self.commit(&mut batch)
    }

    /// Folds a leaf and commits a full batch; only between leaves, since the feed has one row per leaf.
    fn fold<'a>(&'a self, leaf: OpenedLeaf, batch: &mut Batch<'a>) -> Result<(), StateError> {
        self.keep_pace();
        if erase::is_execution(&leaf) {
            return self.erase(leaf, batch);
        }
        self.folder.leaf(leaf, batch)?;
        if batch.events >= self.batch_events_max {
            self.commit(batch)?;
        }
        Ok(())
    }

    /// Folds an execution: what its streams left in the rows goes in the same batch.
    fn erase<'a>(&'a self, leaf: OpenedLeaf, batch: &mut Batch<'a>) -> Result<(), StateError> {
        let (state, reader) = (&self.shared.state, &self.shared.reader);
        self.commit(batch)?;
        if !erase::left_rows(state, reader, &leaf)? {
            return self.folder.leaf(leaf, batch);
        }
        let (end, events) = (leaf.first_position.plus(leaf.events.len() as u64), leaf.events.len());
        self.eraser.erase(state, reader, end)?;
        self.shared.forget_opened();
        *batch = Batch::new(state)?;
        assert_eq!(batch.position(), end, "PRJ-2: the state goes on behind the execution");
        self.shared.advanced(end, events, 0);
        Ok(())
    }

    fn keep_pace(&self) {
        let mut last = self.paced.take();
        self.shared.state.pace().follow(&mut last);
        self.paced.set(last);
    }

    fn commit(&self, batch: &mut Batch<'_>) -> Result<(), StateError> {
        if batch.events == 0 {
            return Ok(());
        }
        let (events, gaps) = (batch.events, batch.gaps);
        let position = batch.commit()?;
        let behind = self.heads.borrow().end.get().saturating_sub(position.get());
        self.shared.state.pace().judge(behind, self.caught_up.get());
        self.keep_pace();
        self.shared.advanced(position, events, gaps);
        Ok(())
    }
}
