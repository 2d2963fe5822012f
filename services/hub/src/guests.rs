//! Who is connected, and who may stay: so many connections a connector, none with a revoked certificate, so many requests a second.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use simpul_policy::Directory;
use simpul_types::{Caller, Clock, Sender, Timestamp};
use tokio_util::sync::CancellationToken;
use tonic::{Status, codegen::http};
use tower::{Layer, Service};

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

/// So many requests a second of each connector, over all its connections; a second's worth may come at once. What is more is refused
/// before anything is looked at.
#[derive(Clone)]
pub(crate) struct Rates {
    /// 0: no limit.
    per_second_max: u32,
    buckets: Arc<Mutex<HashMap<Sender, Bucket>>>,
    limited: Counter,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(per_second_max: u32) -> Self {
        Self { per_second_max, buckets: Arc::default(), limited: Counter::default() }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("listener");
        let help = "Requests refused because their connector sent too many in a second";
        registry.register("limited", help, self.limited.clone());
    }

    /// Takes one request; `false` where there were too many.
    fn take(&self, sender: &Sender, now: Instant) -> bool {
        if self.per_second_max == 0 {
            return true;
        }
        let most = f64::from(self.per_second_max);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // A declared connector is one of some hundreds; the table never grows beyond those whose certificate the CA signed.
        if !buckets.contains_key(sender) {
            buckets.insert(sender.clone(), Bucket { left: most, at: now });
        }
        let Some(bucket) = buckets.get_mut(sender) else { return true };
        let came = now.saturating_duration_since(bucket.at).as_secs_f64() * most;
        (bucket.left, bucket.at) = ((bucket.left + came).min(most), now);
        let taken = bucket.left >= 1.0;
        bucket.left -= f64::from(u8::from(taken));
        taken
    }
}

impl<S> Layer<S> for Rates {
    type Service = Rated<S>;

    fn layer(&self, inner: S) -> Rated<S> {
        Rated { inner, rates: self.clone() }
    }
}

/// A service behind [`Rates`].
#[derive(Clone)]
pub(crate) struct Rated<S> {
    inner: S,
    rates: Rates,
}

impl<S, B, R> Service<http::Request<B>> for Rated<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures_util::future::Either<S::Future, std::future::Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let caller = request.extensions().get::<Caller>();
        if caller.is_none_or(|caller| self.rates.take(&caller.sender, Instant::now())) {
            return futures_util::future::Either::Left(self.inner.call(request));
        }
        self.rates.limited.inc();
        let refusal = Status::resource_exhausted(format!(
            "more than {} requests a second of this connector; try again in a second",
            self.rates.per_second_max
        ));
        let (parts, ()) = refusal.into_http::<()>().into_parts();
        let response = http::Response::from_parts(parts, R::default());
        futures_util::future::Either::Right(std::future::ready(Ok(response)))
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

    #[test]
    fn a_second_s_worth_of_requests_may_come_at_once_and_then_as_many_a_second() {
        let (rates, start) = (Rates::new(10), Instant::now());
        let taken = |name: &str, ms: u64, tries: usize| {
            let now = start + Duration::from_millis(ms);
            (0..tries).filter(|_| rates.take(&sender(name), now)).count()
        };
        assert_eq!(taken("desk", 0, 30), 10);
        assert_eq!(taken("forms", 0, 3), 3, "another connector's are counted apart");
        assert_eq!(taken("desk", 500, 30), 5);
        assert_eq!(taken("desk", 10_000, 30), 10);
        assert_eq!((0..99).filter(|_| Rates::new(0).take(&sender("desk"), start)).count(), 99);
    }
}
