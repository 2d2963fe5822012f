//! Who takes part and who may do what: the directory as a fold over its events, and the decision on one
//! question, by Cedar policies that the directory declares. Pure: no clock, no I/O.
//!
//! Read [`directory`] first, then `policies/first-matrix.txt`, the first policy as a table.

pub mod agreement;
pub mod ask;
mod cache;
pub mod change;
pub mod directory;
mod place;
mod policies;
pub mod record;
mod rules;

pub use agreement::{Agreement, Miss, Those};
pub use ask::{Action, Ask, Decision};
pub use change::{ControlError, Outcome, Proposal};
pub use directory::{
    AUTHORITY_AGENCY, AUTHORITY_CONNECTOR, Directory, DirectoryError, EVENT_PACKAGE, Embargo, OfficialRecord,
    PurposeRecord, Succession, UnitRecord, Word,
};
pub use place::{Place, PlaceError};
pub use policies::PolicyError;
pub use record::{AgencyRecord, ConnectorRecord, KeyRecord};
pub use rules::Rules;

/// Who may do what at most, as Cedar policies by kind of agency: the frame that agreements fill.
pub const FIRST_MATRIX: &str = include_str!("../policies/first-matrix.cedar");

/// The Cedar policy that asks for an agreement inside that frame.
pub const AGREEMENTS_NEEDED: &str = include_str!("../policies/agreements.cedar");

/// The purposes that a new realm declares, after domain.md §6.1, as TOML: `[[purpose]]` with `code`, `id`, `en`, `legal_basis`.
pub const FIRST_PURPOSES: &str = include_str!("../policies/purposes.toml");

/// Version of [`first_policy`] for people.
pub const FIRST_MATRIX_VERSION: &str = "2026-11-27";

/// The Cedar policies that a new realm declares.
pub fn first_policy() -> String {
    [FIRST_MATRIX, AGREEMENTS_NEEDED].concat()
}
