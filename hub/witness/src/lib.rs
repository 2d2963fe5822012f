//! C2SP tlog-witness: a process of an oversight body that cosigns a log's checkpoint only where it extends the last one
//! it cosigned, and the client that a log asks it with. Knows notes and trees, and nothing of the hub.
//!
//! ```text
//! log ──POST /add-checkpoint──▶ server ─▶ witness: judge ─▶ ledger: replace, flush ─▶ cosignature ──▶ log
//! monitors ──GET /<sha256 of origin>/checkpoint──▶ server
//! ```
//!
//! WIT-1: what a witness cosigned for an origin is one growing tree: the check and the new record are one step under one
//! lock, and the record is on the disk before the cosignature leaves.
//!
//! Read [`witness`] first, then [`request`] for the bytes.

pub mod client;
pub mod http;
pub mod judge;
pub mod ledger;
pub mod request;
pub mod server;
pub mod witness;

pub use client::{Client, ClientError, Reply};
pub use http::{Target, TargetError};
pub use judge::Refusal;
pub use ledger::{LedgerError, Record};
pub use request::{AddCheckpoint, RequestError};
pub use witness::{Answer, Witness, origin_hash};
