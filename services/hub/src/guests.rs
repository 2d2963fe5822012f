//! Who is connected, and who may stay: so many connections a connector, none with a revoked certificate.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use simpul_policy::Directory;
use simpul_types::{Caller, Clock, Sender, Timestamp};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether somebody has to go; a revocation takes effect this much later at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Everybody who is connected.
pub(crate) struct Guests {
    directory: Arc<ArcSwap<Directory>>,
    clock: Arc<dyn Clock>,
    /// Connections of one connector.
    per_connector_max: usize,
    next: AtomicU64,
    seated: Mutex<Seated>,
    turned_out: Counter,
}

#[derive(Default)]
struct Seated {
    by_sender: HashMap<Sender, usize>,
    by_number: HashMap<u64, (Arc<str>, CancellationToken)>,
}

/// A guest's place, as long as it is held.
pub(crate) struct Seat {
    guests: Arc<Guests>,
    number: u64,
    sender: Sender,
    /// Ends the connection.
    pub(crate) cut: CancellationToken,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    #[error("the client certificate is revoked")]
    Revoked,
    #[error("the connector has as many connections as one may have")]
    TooMany,
}

impl Guests {
    pub(crate) fn new(
        directory: Arc<ArcSwap<Directory>>,
        clock: Arc<dyn Clock>,
        per_connector_max: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            directory,
            clock,
            per_connector_max,
            next: AtomicU64::new(0),
            seated: Mutex::default(),
            turned_out: Counter::default(),
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("listener");
        let help = "Open connections that were cut because their certificate was revoked";
        registry.register("turned_out", help, self.turned_out.clone());
    }

    /// Lets somebody in; `cut` ends all connections.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: &Caller,
        cut: &CancellationToken,
    ) -> Result<Seat, NotAdmitted> {
        // Under the lock that the watch takes, so that nobody comes in between its look at the directory and at the guests.
        let mut seated = self.seated();
        if !self.directory.load().certificate_counts(&caller.certificate, self.clock.now()) {
            return Err(NotAdmitted::Revoked);
        }
        let connections = seated.by_sender.entry(caller.sender.clone()).or_default();
        if *connections >= self.per_connector_max {
            return Err(NotAdmitted::TooMany);
        }
        *connections += 1;
        let (number, cut) = (self.next.fetch_add(1, Ordering::Relaxed), cut.child_token());
        seated.by_number.insert(number, (Arc::clone(&caller.certificate), cut.clone()));
        Ok(Seat { guests: Arc::clone(self), number, sender: caller.sender.clone(), cut })
    }

    /// Turns out whoever has to go, until it is stopped.
    pub(crate) async fn watch(self: Arc<Self>, stopping: CancellationToken) {
        let (mut looked_at, mut next_turn) = (None, None);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (directory, now) = (self.directory.load_full(), self.clock.now());
            let turned = next_turn.is_some_and(|turn: Timestamp| turn <= now);
            if looked_at == Some(directory.position()) && !turned {
                continue;
            }
            (looked_at, next_turn) = (Some(directory.position()), directory.next_revocation(now));
            for (certificate, cut) in self.seated().by_number.values() {
                if !cut.is_cancelled() && !directory.certificate_counts(certificate, now) {
                    cut.cancel();
                    self.turned_out.inc();
                }
            }
        }
    }

    fn seated(&self) -> MutexGuard<'_, Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.guests.seated();
        seated.by_number.remove(&self.number);
        if let Some(connections) = seated.by_sender.get_mut(&self.sender) {
            *connections -= 1;
            if *connections == 0 {
                seated.by_sender.remove(&self.sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str) -> Sender {
        Sender { agency: "polri".parse().unwrap(), connector: name.parse().unwrap() }
    }

    fn caller(name: &str, certificate: &str) -> Caller {
        Caller { sender: sender(name), certificate: certificate.into() }
    }

    #[test]
    fn a_connector_has_so_many_connections_and_no_more() {
        let directory = Arc::new(ArcSwap::from_pointee(Directory::new([1; 32])));
        let guests = Guests::new(directory, Arc::new(simpul_types::clock::System), 2);
        let cut = CancellationToken::new();
        let first = guests.admit(&caller("desk", "aa"), &cut).ok().unwrap();
        let _second = guests.admit(&caller("desk", "bb"), &cut).ok().unwrap();
        assert_eq!(guests.admit(&caller("desk", "aa"), &cut).err(), Some(NotAdmitted::TooMany));
        assert!(guests.admit(&caller("forms", "aa"), &cut).is_ok(), "another connector's are counted apart");
        drop(first);
        assert!(guests.admit(&caller("desk", "aa"), &cut).is_ok());
        cut.cancel();
        let late = guests.admit(&caller("desk", "aa"), &cut).ok().unwrap();
        assert!(late.cut.is_cancelled(), "the end of all is the end of each");
    }
}
