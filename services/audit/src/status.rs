//! Faults as gRPC statuses: the place of a broken record is told, the machine's inside is not.

use simpul_audit::{AccessError, EntryError, bundle::BundleError};
use simpul_log::{AppendError, ReadError};
use tonic::Status;

pub(crate) fn of_access(error: &AccessError) -> Status {
    const MESSAGE: &str = "the access could not be recorded, so there is no answer; try again later";
    match error {
        AccessError::Append(AppendError::Full | AppendError::DiskFull) => Status::resource_exhausted(MESSAGE),
        AccessError::Append(AppendError::Poisoned(_) | AppendError::Closed) => Status::unavailable(MESSAGE),
        AccessError::Oversized => Status::invalid_argument("the request is too large to be recorded"),
    }
}

pub(crate) fn of_read(error: &ReadError) -> Status {
    match error {
        ReadError::Beyond { .. } => Status::out_of_range(error.to_string()),
        ReadError::Corrupt { .. } | ReadError::Sealed(_) | ReadError::Key(_) => {
            tracing::error!(%error, "stored bytes are not what was written");
            Status::data_loss(error.to_string())
        }
        ReadError::Io { .. } | ReadError::Tree(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "the log could not be read");
            Status::internal("the log could not be read")
        }
    }
}

pub(crate) fn of_bundle(error: &BundleError) -> Status {
    match error {
        BundleError::TooMany(_) | BundleError::TooLarge => Status::resource_exhausted(error.to_string()),
        BundleError::NotYet { .. } => Status::unavailable(error.to_string()),
        BundleError::Leaf(_) => {
            tracing::error!(%error, "stored bytes are not what was written");
            Status::data_loss(error.to_string())
        }
        BundleError::Read(error) => of_read(error),
    }
}

pub(crate) fn of_entry(error: &EntryError) -> Status {
    match error {
        EntryError::Read(error) => of_read(error),
        EntryError::Decode(_) => {
            tracing::error!(%error, "stored bytes are not what was written");
            Status::data_loss(error.to_string())
        }
    }
}

/// A blocking task that did not come back; the panic hook has said why.
pub(crate) fn of_join(_: tokio::task::JoinError) -> Status {
    Status::internal("the hub could not finish this call")
}
