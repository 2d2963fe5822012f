//! What every connector shares: map, salt, sign, coalesce, spool on disk, submit, verify the receipt, resume.
//!
//! ```text
//!  source row or document
//!     │ map::Mapping                 source columns → payload message, keyed stream ref
//!     ▼
//!  EventDraft ──────────▶ Client     callers in one process; coalesced, signed, in flight in order
//!     │ intake::Batch                                    │
//!     ▼                                                  ▼
//!  Spool (sled) ────────▶ engine ──── SubmitStream over mutual TLS ────▶ hub
//!                            └── receipt: our statement, inclusion proof, checkpoint signature ──▶ item deleted
//! ```
//!
//! Two front ends, one [`engine`](crate::client): [`Client`] for callers that wait for their receipt, [`Spool`] for sources
//! that must survive a crash. A connector's sequence is gapless, so one identity runs **one** of them at a time.
//!
//! Read [`client`] first.

mod assemble;
pub mod channel;
pub mod client;
pub mod config;
pub mod draft;
mod engine;
mod ids;
pub mod intake;
pub mod map;
pub mod quarantine;
pub mod receipt;
pub mod spool;
pub mod stream_key;

pub use channel::{ConnectError, TlsFiles, connect_channel};
pub use client::{Accepted, Client, SubmitError};
pub use config::{ClientConfig, ClientFile, ConfigError};
pub use draft::EventDraft;
pub use ids::FreshIds;
pub use intake::{Intake, Offer};
pub use map::{Mapping, MappingError, RecordError};
pub use quarantine::Quarantine;
pub use receipt::{ReceiptError, ReceiptVerifier};
pub use spool::{Counts, Runner, Spool, SpoolConfig, SpoolError};
pub use stream_key::StreamKey;
