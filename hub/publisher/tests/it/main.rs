//! The publisher against a real NATS server. `deploy/install-nats` puts the server where these tests look for it.

mod feed;
mod isolation;
mod nats;
mod outbox;
mod publish;
