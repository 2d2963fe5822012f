//! Read models: functions from log prefix to rows, kept in sorted runs, and the picture that is read from them.
//!
//! ```text
//! simpul-log ─▶ runner ─▶ fold: persons · licences · cases · records · directory ─▶ store, sorted runs
//!                                                                                   │ pointers into the log
//! Facts, Person, Document, Change ◀──────────── ReadModels ◀── payloads from the log ┘
//! ```
//!
//! Rows say *where* in the log a fact stands, never what it says: a document is rendered from the log's own sealed
//! payloads when somebody asks. So read models are small, hold no personal data (PII-1), and a data key that is destroyed
//! takes its facts out of every view at once.
//!
//! Invariants: PRJ-1 rows and tracking position change together; PRJ-2 state is a function of the log prefix.
//! Read `projection.rs` first.

mod ahead;
mod cases;
mod config;
mod directory;
mod document;
mod erase;
mod error;
mod event;
mod feed;
mod fold;
mod indicators;
mod key;
mod licences;
mod listed;
mod metrics;
mod overlay;
mod pace;
mod persons;
mod projection;
mod read;
mod rebuild;
mod records;
mod render;
mod row;
mod runner;
mod state;
mod store;

pub use config::{Config, StateKeys, start};
pub use document::{Document, classes_of};
pub use error::{OpenError, StateError};
pub use event::{Event, IdentifierKind, Payload, Unreadable};
pub use feed::ChangeKey;
pub use overlay::Overlay;
pub use projection::{Outcome, Projection};
pub use read::{
    Candidate, CaseFile, CaseId, CaseInMechanism, Change, ConflictNote, DirectoryAgency, DirectoryKey,
    DirectoryRows, Found, GapNote, Health, Person, PersonId, ReadModels, RecordNote, ShelterStanding,
    Subject, TaskForce, TieNote, TieState, Told, Touched, ViewOfChange,
};
pub use rebuild::{Rebuild, Rebuilt, rebuild_digest, stored_digest};
pub use row::VERSION as LAYOUT;
pub use runner::Handle;
pub use state::{Row, StateDigest};
