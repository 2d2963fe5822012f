//! How publishing is going, in words for health.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use simpul_types::AgencyCode;
use tokio::sync::watch;

/// How publishing is going. Clones share one.
#[derive(Clone)]
pub struct Status(Arc<Inner>);

/// The connection to NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Not configured.
    Off,
    /// Not there.
    Away,
    /// There, for the n-th time. The number tells a reconnect from a connection that never broke.
    Up(u64),
}

struct Inner {
    connection: watch::Sender<Connection>,
    /// How often NATS was connected.
    times: AtomicU64,
    /// Agencies whose stream cannot be served, and why.
    stuck: Mutex<BTreeMap<AgencyCode, String>>,
    /// Why deriving has stopped.
    deriving: Mutex<Option<String>>,
    changed: watch::Sender<()>,
}

impl Status {
    pub(crate) fn new(configured: bool) -> Self {
        Self(Arc::new(Inner {
            connection: watch::channel(if configured { Connection::Away } else { Connection::Off }).0,
            times: AtomicU64::new(1),
            stuck: Mutex::default(),
            deriving: Mutex::default(),
            changed: watch::channel(()).0,
        }))
    }

    /// What is missing, as a sentence; `None` while all is well, or where NATS is not configured.
    pub fn degraded(&self) -> Option<String> {
        if let Some(reason) = self.0.deriving.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Some(format!("outbox: {reason}"));
        }
        if *self.0.connection.borrow() == Connection::Away {
            return Some("NATS is not connected; changes wait in the outbox".into());
        }
        let stuck = self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.first_key_value().map(|(agency, reason)| format!("{agency}: {reason}"))
    }

    /// Fires when [`Self::degraded`] may have changed.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Whether NATS is connected.
    pub fn connected(&self) -> bool {
        matches!(*self.0.connection.borrow(), Connection::Up(_))
    }

    pub(crate) fn connection(&self) -> watch::Receiver<Connection> {
        self.0.connection.subscribe()
    }

    pub(crate) fn set_up(&self) {
        let times = self.0.times.fetch_add(1, Ordering::Relaxed);
        self.0.connection.send_replace(Connection::Up(times));
        self.0.changed.send_replace(());
    }

    /// Gives whether that is news.
    pub(crate) fn set_away(&self) -> bool {
        let news = self.0.connection.send_replace(Connection::Away) != Connection::Away;
        self.0.changed.send_replace(());
        news
    }

    /// Gives whether the agency was well before.
    pub(crate) fn set_stuck(&self, agency: &AgencyCode, reason: String) -> bool {
        let mut stuck = self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        let news = stuck.insert(agency.clone(), reason).is_none();
        self.0.changed.send_replace(());
        news
    }

    /// Gives whether the agency was stuck before.
    pub(crate) fn set_well(&self, agency: &AgencyCode) -> bool {
        let news = self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner).remove(agency).is_some();
        self.0.changed.send_replace(());
        news
    }

    /// Gives whether that is news.
    pub(crate) fn set_deriving(&self, trouble: Option<String>) -> bool {
        let mut deriving = self.0.deriving.lock().unwrap_or_else(PoisonError::into_inner);
        let news = deriving.is_some() != trouble.is_some();
        *deriving = trouble;
        self.0.changed.send_replace(());
        news
    }
}
