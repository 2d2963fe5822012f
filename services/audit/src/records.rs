//! What this service needs to know of cases and persons. The read models know it; the hub puts them behind this.

use std::{collections::BTreeSet, error::Error};

use simpul_audit::SubjectId;
use simpul_proto::v1::check_request;
use simpul_types::{AgencyCode, Position, Timestamp};
use tonic::Status;

/// Why they could not be read.
pub type RecordsError = Box<dyn Error + Send + Sync>;

/// Cases, persons, and what was published. All of it blocks.
pub trait Records: Send + Sync {
    /// The events of a case by its reference, or of the case that holds a report; `None` where there is none.
    ///
    /// # Errors
    /// Where the read models could not be read.
    fn events_of(&self, reference: &str) -> Result<Option<CaseEvents>, RecordsError>;

    /// Whom events concern, each once.
    ///
    /// # Errors
    /// Where the read models could not be read.
    fn concerned(&self, positions: &[Position]) -> Result<Vec<SubjectId>, RecordsError>;

    /// Every id under which somebody may have looked for a person, whether or not there is one.
    ///
    /// # Errors
    /// [`SubjectError`].
    fn subjects_of(&self, subject: &check_request::Subject) -> Result<BTreeSet<SubjectId>, SubjectError>;

    /// What agencies were sent of the events admitted in a time, its end not included.
    ///
    /// # Errors
    /// Where the read models or the outbox could not be read.
    fn published(&self, since: Timestamp, until: Timestamp) -> Result<Vec<PublishedTo>, RecordsError>;
}

/// A case and its events.
pub struct CaseEvents {
    /// The agencies' own reference, or the case's opaque one; never a report's number.
    pub case_ref: String,
    /// In the order of the log.
    pub positions: Vec<Position>,
}

/// Messages that an agency was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTo {
    /// Whom.
    pub agency: AgencyCode,
    /// Sequence of the first.
    pub first_sequence: u64,
    /// Of the last.
    pub last_sequence: u64,
}

/// Why a person's ids are not known.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The identifier has the wrong form. The message names the field and never repeats it.
    #[error("{field}: must be {rule}")]
    Malformed {
        /// Which.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The read models could not be read.
    #[error("the read models could not be read")]
    Read(#[source] RecordsError),
}

/// As a gRPC status; the machine's inside stays in the log.
pub(crate) fn unread(error: &(dyn Error + 'static)) -> Status {
    tracing::error!(error, "the read models could not be read");
    Status::internal("the read models could not be read")
}
