//! What goes wrong, as gRPC statuses: the machine's inside stays in the log, under an id that the caller gets.

use std::error::Error;

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

/// The read models could not be read; where a damaged record is in the way, its place is told.
pub(crate) fn of_state(error: &StateError, ids: &dyn IdSource) -> Status {
    let place = match error {
        StateError::Lost(_) => error.to_string(),
        StateError::Log(place @ ReadError::Corrupt { .. }) => place.to_string(),
        _ => return internal(error, ids),
    };
    tracing::error!(error = error as &dyn Error, "an answer needs a damaged record");
    Status::data_loss(place)
}

/// Ours.
pub(crate) fn internal(error: &(dyn Error + 'static), ids: &dyn IdSource) -> Status {
    let incident = uuid::Uuid::from_bytes(ids.uuid_v7()).hyphenated().to_string();
    tracing::error!(incident, error, "the shared picture could not be read");
    Status::internal(format!("the hub could not look this up; incident {incident}"))
}

/// The caller's, naming the field.
pub(crate) fn malformed(field: &str, rule: impl Into<String>) -> Status {
    status::to_status(&Rejection::new(RejectReason::Malformed, rule).at(field).to_wire())
}

/// Policy's.
pub(crate) fn denied(message: String) -> Status {
    status::to_status(&Rejection::new(RejectReason::PolicyDenied, message).to_wire())
}

/// An agreement's.
pub(crate) fn spent(spent: &QuotaSpent) -> Status {
    status::to_status(&Rejection::new(RejectReason::QuotaExceeded, spent.to_string()).to_wire())
}
