//! Why an event may not stand in the register.

use simpul_types::{AgencyCode, StreamName};

/// A rule that an event breaks; told to its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The reference was used before.
    #[error("a request with this reference stands in the register")]
    Known,
    /// No request has this reference.
    #[error("no request with this reference stands in the register")]
    Unknown,
    /// The digest is of another request.
    #[error("the digest is not that of the request: something else would be approved or executed")]
    OtherRequest,
    /// It is executed.
    #[error("the request is executed")]
    Executed,
    /// It is vetoed.
    #[error("the request was vetoed by {0}")]
    Vetoed(AgencyCode),
    /// It ran out.
    #[error("the request has expired")]
    Expired,
    /// It would run too long.
    #[error("a request runs for at most {days} days, and ends in the future")]
    Expiry {
        /// At most.
        days: u64,
    },
    /// It asks for less than the hub's rule.
    #[error(
        "a request needs at least {approvals} approvals and a cooling-off of at least {cooling_off_s} seconds"
    )]
    TooEasy {
        /// By the rule.
        approvals: u32,
        /// By the rule.
        cooling_off_s: u64,
    },
    /// A legal hold.
    #[error("{stream} is under a legal hold by {by}")]
    Held {
        /// Which stream.
        stream: StreamName,
        /// Who vetoed.
        by: AgencyCode,
    },
    /// An open request names the stream.
    #[error("another request for {0} is open")]
    Open(StreamName),
    /// Whoever asks does not approve.
    #[error("whoever asked for an erasure does not approve it: another agency with another key has to")]
    SelfApproval,
    /// An agency or key approves once.
    #[error("this agency or this key has approved already")]
    Twice,
    /// Too few approvals.
    #[error("{given} of {needed} approvals are given")]
    Approvals {
        /// So far.
        given: u32,
        /// Needed.
        needed: u32,
    },
    /// Too early.
    #[error("the cooling-off lasts until {0} (microseconds since 1970)")]
    CoolingOff(i64),
    /// Neither whoever asked nor who approved.
    #[error("an erasure is executed by an agency that asked for it or approved it")]
    NoParty,
    /// The execution names other streams.
    #[error("the streams are not those of the request, in its order")]
    OtherStreams,
    /// There is no hold, or it is another's.
    #[error("a hold is lifted by the agency that vetoed, once")]
    NoHold,
}

impl Refusal {
    /// Whether it may stand later, or might have stood earlier: the time or the state is wrong, not the sender.
    pub fn is_of_state(&self) -> bool {
        !matches!(
            self,
            Self::SelfApproval | Self::Twice | Self::NoParty | Self::TooEasy { .. } | Self::OtherRequest
        )
    }
}
