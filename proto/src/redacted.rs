//! `Debug` of messages that hold personal data: the name and nothing else, so that no log line can leak a field.

use std::fmt;

macro_rules! redacted {
    ($($message:ty),+ $(,)?) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($message), "(redacted)"))
            }
        }
    )+};
}

redacted!(
    crate::v1::SubmittedEvent,
    crate::v1::PersonClaim,
    crate::v1::CheckRequest,
    crate::v1::FindPersonsRequest,
    crate::v1::PersonCandidate,
    crate::v1::CandidateClaim,
    crate::v1::ViewDocument,
    crate::v1::MatchSheltersRequest,
    crate::v1::ViewChange,
    crate::v1::ReplayEvent,
    crate::v1::BundleEvent,
    crate::v1::BundlePart,
    crate::registry::PlacementRecorded,
    crate::registry::Evidence,
    crate::registry::CostCharged,
    crate::registry::ContractChange,
    crate::police::CaseUpdated,
    crate::police::CasePerson,
    crate::embassy::IntakeRecorded,
    crate::embassy::ScreeningSubmitted,
);
