//! What goes wrong on our side, as gRPC statuses: the machine's inside stays in the log, under an id that the caller gets.

use simpul_audit::{AccessError, QuotaSpent};
use simpul_log::{AppendError, ReadError};
use simpul_projection::StateError;
use simpul_proto::status;
use simpul_types::{IdSource, RejectReason, Rejection};
use tonic::Status;

/// No entry, no answer (QRY-1).
pub(crate) fn of_access(error: &AccessError) -> Status {
    const MESSAGE: &str = "the access could not be recorded, so there is no answer; try again later";
    match error {
        AccessError::Append(AppendError::Full | AppendError::DiskFull) => Status::resource_exhausted(MESSAGE),
        AccessError::Append(AppendError::Poisoned(_) | AppendError::Closed) => Status::unavailable(MESSAGE),
        AccessError::Oversized => Status::invalid_argument("the request is too large to be recorded"),
    }
}

/// The read models could not be read.
pub(crate) fn of_state(error: &StateError, ids: &dyn IdSource) -> Status {
    if let StateError::Lost(_) | StateError::Log(ReadError::Corrupt { .. }) = error {
        tracing::error!(error = error as &dyn std::error::Error, "an answer needs a damaged record");
        return Status::data_loss(match error {
            StateError::Log(place) => place.to_string(),
            lost => lost.to_string(),
        });
    }
    let incident = uuid::Uuid::from_bytes(ids.uuid_v7()).hyphenated().to_string();
    tracing::error!(incident, error = error as &dyn std::error::Error, "read models could not be read");
    Status::internal(format!("the hub could not look this up; incident {incident}"))
}

/// An agreement's.
pub(crate) fn spent(spent: &QuotaSpent) -> Status {
    status::to_status(&Rejection::new(RejectReason::QuotaExceeded, spent.to_string()).to_wire())
}
