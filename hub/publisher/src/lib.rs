//! Read model changes to CloudEvents on JetStream, one gapless stream per agency.
//!
//! ```text
//! read models ─changes─▶ derive (what may each agency see?) ─▶ outbox, on sled ─▶ publish ─▶ JetStream, per agency
//!                                                                └─▶ SubscriptionService.Watch, NATS or not
//! ```
//!
//! PUB-1: nothing is published that is not committed, everything committed is published at least once, in order. Nothing
//! here can slow down or stop what is upstream: while NATS is away the outbox grows, and afterwards it catches up.
//!
//! Read [`outbox`] first, then `publish`.

pub mod cloud_event;
mod config;
mod feed;
mod metrics;
pub mod names;
mod nats_conf;
pub mod outbox;
mod publish;
mod purge;
mod run;
mod status;
mod streams;
mod visibility;

pub use config::{Config, ConfigError, NatsConfig};
pub use feed::{ErasedEvent, Feed, FeedError};
pub use metrics::Metrics;
pub use nats_conf::{
    HUB_SPIFFE, JETSTREAM_KEY_FILE, NatsAgency, NatsConf, PAYLOAD_BYTES_MAX, jetstream_key, nats_conf,
};
pub use outbox::{Outbox, OutboxError, OutboxMessage};
pub use run::{Handle, StartError, start, start_on};
pub use status::Status;
pub use visibility::{Sight, Visibility};
