//! One request as far as the register has come.

use simpul_types::{AgencyCode, Digest, KeyId, Position, StreamName, Timestamp};

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Reference.
    pub request: String,
    /// Of its event.
    pub position: Position,
    /// Of its header bytes; what approvals sign.
    pub digest: Digest,
    /// Who asked.
    pub agency: AgencyCode,
    /// With which key.
    pub key_id: KeyId,
    /// What is to be erased.
    pub streams: Vec<StreamName>,
    /// Until then it may be approved and executed.
    pub expires_at: Timestamp,
    /// Approvals needed.
    pub needed: u32,
    /// Between the last approval needed and the execution.
    pub cooling_off_s: u64,
    /// Given, in order.
    pub approvals: Vec<Approval>,
    /// How far it is.
    pub stage: Stage,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Of its event.
    pub position: Position,
    /// Who.
    pub agency: AgencyCode,
    /// With which key.
    pub key_id: KeyId,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Approvals are missing.
    Requested,
    /// It may be executed from then on.
    Approved {
        /// End of the cooling-off.
        ready_at: Timestamp,
    },
    /// It ended, and its streams are held.
    Vetoed {
        /// Of the veto.
        position: Position,
        /// Who.
        by: AgencyCode,
        /// The hold is gone.
        lifted: bool,
    },
    /// Keys are dead.
    Executed {
        /// Of the execution.
        position: Position,
    },
}

impl Request {
    /// Whether it may still be executed, but for time.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Requested | Stage::Approved { .. })
    }

    /// Who holds its streams.
    pub fn held_by(&self) -> Option<&AgencyCode> {
        match &self.stage {
            Stage::Vetoed { by, lifted: false, .. } => Some(by),
            _ => None,
        }
    }
}
