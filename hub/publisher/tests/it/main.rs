//! The publisher against a real NATS server. `deploy/install-nats` puts the server where these tests look for it.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its body may")]

mod feed;
mod isolation;
mod nats;
mod outbox;
mod publish;
