//! Who takes part and who may do what: the directory as a fold over its events, and the decision on one
//! question, by Cedar policies that the directory declares. Pure: no clock, no I/O.
//!
//! Read [`directory`] first, then `policies/first-matrix.txt`, the first policy as a table.

pub mod ask;
mod cache;
pub mod directory;
mod policies;
pub mod record;

pub use ask::{Action, Ask, Decision};
pub use directory::{AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Directory, DirectoryError, EVENT_PACKAGE};
pub use policies::PolicyError;
pub use record::{AgencyRecord, ConnectorRecord, KeyRecord};

/// The Cedar policies that a new realm declares.
pub const FIRST_MATRIX: &str = include_str!("../policies/first-matrix.cedar");

/// Version of [`FIRST_MATRIX`] for people.
pub const FIRST_MATRIX_VERSION: &str = "2026-11-23";
