//! Sends what waits, from the first start to the last stop.

use std::sync::Arc;

use simpul_types::Clock;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Journal, Spool, SpoolError};
use crate::{
    client::{Parts, StartError},
    config::ClientConfig,
    engine::{self, Engine, Fault, Group},
    quarantine::Quarantine,
};

/// Items read from the store at a time, and groups that wait for the engine: two submissions' worth.
const READ_AHEAD: usize = 2_048;

/// The spool's sender. Dropping it stops it at once, which loses nothing.
pub struct Runner {
    spool: Spool,
    stop: CancellationToken,
    engine: JoinHandle<Result<(), Fault>>,
    feeder: JoinHandle<Result<(), SpoolError>>,
}

/// Why a spool is not sent.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Configuration or keys.
    #[error("starting the sender")]
    Start(#[source] Box<StartError>),
    /// The spool cannot be read.
    #[error("reading the spool")]
    Spool(#[from] SpoolError),
    /// The sender has stopped and a person must look.
    #[error("sending")]
    Fault(#[from] Fault),
    /// A task panicked.
    #[error("the sender has broken down")]
    Broken,
}

impl Spool {
    /// Starts sending. The hub need not be reachable: it is tried until it is.
    ///
    /// # Errors
    /// [`RunError`] where configuration, keys or stored submissions cannot be read.
    pub fn start(
        &self,
        config: ClientConfig,
        quarantine: Arc<Quarantine>,
        clock: Arc<dyn Clock>,
    ) -> Result<Runner, RunError> {
        let journal = Journal { spool: self.clone(), quarantine };
        let (window, tree) = journal.restore()?;
        let parts = Parts::load(&config, tree).map_err(|error| RunError::Start(Box::new(error)))?;
        let in_flight: std::collections::BTreeSet<u64> =
            window.iter().flat_map(|submission| &submission.groups).map(|group| group.item).collect();
        if !window.is_empty() {
            tracing::info!(submissions = window.len(), events = in_flight.len(), "resuming");
        }
        let (groups, queue) = mpsc::channel(READ_AHEAD);
        let stop = CancellationToken::new();
        let ids = Arc::clone(&self.0.ids);
        let journal = engine::Journal::Spool(journal);
        let mut engine = Engine::new(config, parts, journal, queue, clock, ids, stop.clone());
        engine.resume(window);
        let feeder = feed(self.clone(), groups, in_flight, stop.clone());
        Ok(Runner {
            spool: self.clone(),
            stop,
            engine: tokio::spawn(engine.run(None)),
            feeder: tokio::spawn(feeder),
        })
    }
}

/// Hands items to the engine in order, less those that an earlier run has put into a submission.
async fn feed(
    spool: Spool,
    groups: mpsc::Sender<Group>,
    in_flight: std::collections::BTreeSet<u64>,
    stop: CancellationToken,
) -> Result<(), SpoolError> {
    let mut next = 0;
    loop {
        let read = spool.read(next, READ_AHEAD)?;
        if read.is_empty() {
            tokio::select! {
                () = spool.0.pushed.notified() => continue,
                () = stop.cancelled() => return Ok(()),
            }
        }
        for group in read {
            next = group.item + 1;
            if in_flight.contains(&group.item) {
                continue;
            }
            tokio::select! {
                sent = groups.send(group) => if sent.is_err() { return Ok(()) },
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

impl Runner {
    /// Waits until nothing waits any more.
    ///
    /// # Errors
    /// [`RunError`] where the sender has stopped before.
    pub async fn drained(&mut self) -> Result<(), RunError> {
        let mut waiting = self.spool.0.waiting.subscribe();
        tokio::select! {
            // The sender of the watch lives in the spool that we hold.
            _ = waiting.wait_for(|waiting| *waiting == 0) => Ok(()),
            ended = &mut self.engine => ended.map_err(|_| RunError::Broken)?.map_err(RunError::Fault),
        }
    }

    /// Waits until the sender stops by itself, which only a fault makes it do.
    ///
    /// # Errors
    /// [`RunError`]: why it did.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        tokio::select! {
            ended = &mut self.engine => ended.map_err(|_| RunError::Broken)?.map_err(RunError::Fault),
            ended = &mut self.feeder => ended.map_err(|_| RunError::Broken)?.map_err(RunError::Spool),
        }
    }

    /// Stops: nothing new is sent, outcomes on their way are waited for a few seconds, the store is flushed.
    ///
    /// # Errors
    /// [`RunError`] where the sender had stopped by a fault, or the flush failed.
    pub async fn stop(mut self) -> Result<(), RunError> {
        self.stop.cancel();
        if !self.engine.is_finished() {
            (&mut self.engine).await.map_err(|_| RunError::Broken)??;
        }
        self.spool.0.db.flush_async().await.map_err(SpoolError::from)?;
        Ok(())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.engine.abort();
        self.feeder.abort();
    }
}
