//! Dual control: a change of the directory that one key proposes and another approves.
//!
//! ```text
//! ChangeProposed ─▶ OPEN ─┬─ ChangeApproved (another key, the same bytes, in time) ─▶ applied at that position
//!                         ├─ ChangeWithdrawn
//!                         └─ its time is over
//! ```

use simpul_types::{KeyId, Position, RejectReason, Timestamp};

/// Most days that a proposal runs.
pub(crate) const DAYS_MAX: i64 = 30;

/// A proposed change. Directory data is not personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its reference.
    pub reference: String,
    /// Full name of the directory event that it proposes.
    pub event_type: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Why.
    pub reason: String,
    /// First moment at which an approval no longer counts.
    pub expires_at: Timestamp,
    /// Who proposed it.
    pub proposed_by: KeyId,
    /// SHA-256 of the payload of the `ChangeProposed`.
    pub digest: [u8; 32],
    /// Where it stands.
    pub position: Position,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for a second key, or its time is over.
    Open,
    /// Applied, at that position.
    Approved(Position),
    /// Closed, at that position.
    Withdrawn(Position),
}

impl Proposal {
    /// `OPEN`, `APPROVED`, `WITHDRAWN`, `EXPIRED`.
    pub fn state(&self, at: Timestamp) -> &'static str {
        match self.outcome {
            Outcome::Open if self.expires_at <= at => "EXPIRED",
            Outcome::Open => "OPEN",
            Outcome::Approved(_) => "APPROVED",
            Outcome::Withdrawn(_) => "WITHDRAWN",
        }
    }
}

/// Why a step of dual control is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Changes need two.
    #[error("the directory is under dual control; propose the change, and let another key approve it")]
    Direct,
    /// Dual control with one key would stop the directory for ever.
    #[error("dual control needs two keys of the authority that count")]
    Keys,
    /// It has begun.
    #[error("dual control has begun already")]
    Begun,
    /// Nothing is to be proposed yet.
    #[error("the directory is not under dual control; submit the change itself")]
    NotBegun,
    /// A reference is used once.
    #[error("proposal: this reference was used before")]
    Known,
    /// No such proposal.
    #[error("proposal: there is no such proposal")]
    Unknown,
    /// It was applied or withdrawn.
    #[error("proposal: it was approved or withdrawn before")]
    Closed,
    /// Its time is over.
    #[error("proposal: it has expired")]
    Expired,
    /// Too long, or over already.
    #[error("expires_at_us: in the future, at most {DAYS_MAX} days ahead")]
    Expiry,
    /// The approval is of other bytes.
    #[error("digest: it is not that of the proposal")]
    OtherBytes,
    /// One key is one voice.
    #[error("key_id: the key that proposed it cannot approve it")]
    SelfApproval,
    /// What is ordered by one key alone hides a look from everybody.
    #[error("an embargo is countersigned: it needs a directory under dual control")]
    NotCountersigned,
    /// Proposals of proposals.
    #[error("type: only what changes the directory can be proposed")]
    Nested,
}

impl ControlError {
    /// What a submission is refused with: against the rule of two, against the state, or as a payload.
    pub fn reason(self) -> RejectReason {
        match self {
            Self::Direct | Self::SelfApproval | Self::Keys | Self::NotCountersigned => {
                RejectReason::PolicyDenied
            }
            Self::Begun | Self::NotBegun | Self::Unknown | Self::Closed | Self::Expired | Self::Known => {
                RejectReason::OutOfOrder
            }
            Self::Expiry | Self::OtherBytes | Self::Nested => RejectReason::InvalidPayload,
        }
    }
}
