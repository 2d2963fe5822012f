//! The one place where a reject reason becomes a gRPC status, and back.

use prost::Message;
use tonic::{Code, Status};

use crate::v1::{RejectReason, Rejection};

/// gRPC code of a reject reason.
pub fn code(reason: RejectReason) -> Code {
    use RejectReason as R;
    match reason {
        R::Unspecified => Code::Internal,
        R::Malformed
        | R::Oversized
        | R::UnknownType
        | R::UnknownVersion
        | R::FutureDated
        | R::CommitmentMismatch
        | R::InvalidPayload => Code::InvalidArgument,
        R::UnknownKey | R::BadSignature | R::IdentityMismatch => Code::Unauthenticated,
        R::PolicyDenied => Code::PermissionDenied,
        R::SubmissionIdReused | R::EventIdReused => Code::AlreadyExists,
        R::SequenceGap | R::SequenceFork | R::WrongExpectedVersion | R::OutOfOrder => Code::Aborted,
        R::QueueFull | R::QuotaExceeded | R::DiskFull => Code::ResourceExhausted,
        R::Draining | R::LogPoisoned => Code::Unavailable,
        R::BrokenChain => Code::DataLoss,
    }
}

/// Whether the same bytes can succeed later.
pub fn retryable(reason: RejectReason) -> bool {
    use RejectReason as R;
    matches!(
        reason,
        R::SequenceGap | R::QueueFull | R::QuotaExceeded | R::Draining | R::LogPoisoned | R::DiskFull
    )
}

/// Status with the whole rejection in its details.
pub fn to_status(rejection: &Rejection) -> Status {
    let message = if rejection.field.is_empty() {
        rejection.message.clone()
    } else {
        format!("{}: {}", rejection.field, rejection.message)
    };
    Status::with_details(code(rejection.reason()), message, rejection.encode_to_vec().into())
}

/// The rejection that a status carries, or `None` where it is not one of the hub's.
pub fn from_status(status: &Status) -> Option<Rejection> {
    let rejection = Rejection::decode(status.details()).ok()?;
    (rejection.reason() != RejectReason::Unspecified && code(rejection.reason()) == status.code())
        .then_some(rejection)
}

/// Class of a call that failed before there was an answer or a refusal, for its access entry; `None` for those that leave an
/// entry of their own.
pub fn failure_class(code: tonic::Code) -> Option<&'static str> {
    match code {
        tonic::Code::InvalidArgument => Some("MALFORMED"),
        tonic::Code::Unavailable => Some("UNAVAILABLE"),
        tonic::Code::Internal | tonic::Code::DataLoss => Some("FAULT"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_makes_the_round_trip() {
        for value in 1..=23 {
            let reason = RejectReason::try_from(value).expect("reasons are dense");
            let rejection = Rejection {
                reason: reason as i32,
                message: "a sentence".into(),
                field: "events[3].header.stream".into(),
                expected: Some(7),
                retryable: retryable(reason),
            };
            let status = to_status(&rejection);
            assert_eq!(status.code(), code(reason));
            assert_eq!(from_status(&status), Some(rejection));
        }
        assert!(RejectReason::try_from(24).is_err(), "a new reason belongs in this test");
    }
}
