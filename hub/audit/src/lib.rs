//! Who looked at what, and the proof that nothing was changed: the access log ([`access`]), reading it back
//! ([`mod@entries`]), the chains of entries about one person ([`subjects`]), the checkpoint that strangers are shown ([`published`]) with the cosignatures of witnesses ([`gather`]),
//! the log as static tiles and a stranger's check of them ([`tiles`]), evidence that needs no hub ([`bundle`]), offline verification of a data folder ([`verify`]) and
//! counting what a replay saw ([`replay`]).
//!
//! Read [`access`] first.

pub mod access;
pub mod backup;
pub mod breach;
pub mod bundle;
pub mod entries;
pub mod erasures;
pub mod gather;
pub mod metrics;
pub mod published;
pub mod quota;
pub mod repair;
pub mod replay;
pub mod subject_report;
pub mod subjects;
pub mod tiles;
pub mod trust;
pub mod verify;

pub use access::{AccessDraft, AccessError, AccessLog};
pub use entries::{Entries, EntryError, EntryFilter, entries};
pub use erasures::{Erasures, RegisterError};
pub use gather::{Gatherer, WitnessConfig};
pub use published::{PublishConfig, Published, Publishing};
pub use quota::{QUOTA_EXCEEDED, Quota, QuotaSpent, Quotas};
pub use replay::{ReplayCounter, ReplaySummary};
pub use subjects::{Chain, EVERYBODY, SubjectId};
pub use trust::TrustedKeys;
pub use verify::{VerifyError, VerifyOptions, VerifyReport, verify_data};
