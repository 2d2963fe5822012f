//! Documents and subscriptions over real logs, read models and outbox. Every person here is invented.

#![allow(clippy::unwrap_used, reason = "a test")]

mod documents;
mod persons;
mod statistics;
mod support;
mod watch;
