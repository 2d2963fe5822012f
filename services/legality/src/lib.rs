//! gRPC edge of the legality check: is this person's placement legal, by which rules, on which evidence?
//!
//! ```text
//! question ─▶ form ─▶ policy ─▶ wait for position ─▶ person ─▶ facts ─▶ evaluate ─▶ access entry (durable) ─▶ sign ─▶ answer
//!                        └─ refused ──────────────────────────────────▶ access entry (durable) ─▶ PERMISSION_DENIED
//! ```
//!
//! No rule stands here: the rules are data in `hub/legality/rules/`. What stands here is the order (QRY-1): nothing leaves
//! before the record of who asked is durable, and the verdict is signed after it, since it carries the entry's index.

mod answer;
mod fault;
mod metrics;
mod question;
mod service;

pub use service::{Parts, Service};
