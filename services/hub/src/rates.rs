//! How often a connector may ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use simpul_types::{Caller, Sender};
use tonic::{Status, codegen::http};
use tower::{Layer, Service};

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
        let Some(bucket) = buckets.get_mut(sender) else {
            buckets.insert(sender.clone(), Bucket { left: most - 1.0, at: now });
            return true;
        };
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
    use std::time::Duration;

    use super::*;

    fn sender(name: &str) -> Sender {
        Sender { agency: "polri".parse().unwrap(), connector: name.parse().unwrap() }
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
