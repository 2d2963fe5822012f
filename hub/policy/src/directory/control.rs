//! Dual control: what is judged before a change, and the steps by which one key proposes and another approves.
//!
//! Read [`crate::change`] for what a proposal is and why a step is refused.

use simpul_proto::directory as wire;
use simpul_types::{Position, Timestamp};

use super::{
    AUTHORITY_AGENCY, Directory, DirectoryError, EVENT_PACKAGE, TEXT_BYTES_MAX, Word, decode, reference,
    sha256, text,
};
use crate::change::{ControlError, DAYS_MAX, Outcome, Proposal};

/// Events that are steps of dual control and not changes.
const STEPS: [&str; 4] = ["DualControlBegun", "ChangeProposed", "ChangeApproved", "ChangeWithdrawn"];
/// Longest payload of a proposed change: a policy set fits.
const PROPOSED_BYTES_MAX: usize = 196_608;
const US_A_DAY: i64 = 86_400_000_000;
/// Keys of the authority that dual control needs.
const KEYS_MIN: usize = 2;

impl Directory {
    /// The directory after an event that comes at that time: what [`Self::apply`] asks, and what depends on the clock, which a fold of
    /// the log does not ask again.
    ///
    /// # Errors
    /// [`DirectoryError`], naming the field of the payload.
    pub fn judge(&self, word: &Word<'_>, at: Timestamp) -> Result<Self, DirectoryError> {
        let mut after = self.clone();
        after.apply(word)?;
        match word.event_type.strip_prefix(EVENT_PACKAGE) {
            Some("ChangeProposed") => {
                let proposed: wire::ChangeProposed = decode(word.payload)?;
                let latest = at.as_us().saturating_add(DAYS_MAX * US_A_DAY);
                if proposed.expires_at_us <= at.as_us() || proposed.expires_at_us > latest {
                    return Err(ControlError::Expiry.into());
                }
                // It has to hold as the directory stands, or the second key would sign for nothing.
                let mut approved = after.clone();
                let (event_type, payload) = (proposed.r#type.as_str(), &proposed.payload[..]);
                approved.change(&Word { event_type, payload, ..*word }, None)?;
                if event_type.strip_prefix(EVENT_PACKAGE) == Some("EmbargoOrdered") {
                    Self::judge_embargo(&decode(payload)?, at)?;
                }
                approved.keeps_its_keys(at)?;
            }
            Some("ChangeApproved") => {
                let approved: wire::ChangeApproved = decode(word.payload)?;
                if self.open_proposal(&approved.proposal)?.expires_at <= at {
                    return Err(ControlError::Expired.into());
                }
            }
            _ => {}
        }
        after.keeps_its_keys(at)?;
        Ok(after)
    }

    /// DIR-1: two keys that count, of which none is revoked, not even from a later day on.
    fn keeps_its_keys(&self, at: Timestamp) -> Result<(), ControlError> {
        let authority = self.agencies().find(|agency| agency.code.as_str() == AUTHORITY_AGENCY);
        let connectors = authority.into_iter().flat_map(|agency| agency.connectors.values());
        let keys = connectors.flat_map(|connector| connector.keys.values());
        let lasting = keys.filter(|key| key.counts_at(at) && key.revoked_at.is_none());
        if self.dual_control && lasting.count() < KEYS_MIN { Err(ControlError::Keys) } else { Ok(()) }
    }

    pub(super) fn begin_dual_control(
        &mut self,
        begun: &wire::DualControlBegun,
    ) -> Result<(), DirectoryError> {
        text("reason", &begun.reason, TEXT_BYTES_MAX)?;
        if self.dual_control {
            return Err(ControlError::Begun.into());
        }
        self.dual_control = true;
        Ok(())
    }

    pub(super) fn propose(
        &mut self,
        proposed: wire::ChangeProposed,
        word: &Word<'_>,
    ) -> Result<(), DirectoryError> {
        if !self.dual_control {
            return Err(ControlError::NotBegun.into());
        }
        let reference = reference("proposal", &proposed.proposal)?;
        if self.proposals.contains_key(&reference) {
            return Err(ControlError::Known.into());
        }
        text("reason", &proposed.reason, TEXT_BYTES_MAX)?;
        if proposed.payload.len() > PROPOSED_BYTES_MAX {
            let rule = format!("at most {PROPOSED_BYTES_MAX} bytes");
            return Err(DirectoryError::Field { field: "payload", rule });
        }
        if STEPS.iter().any(|name| proposed.r#type.strip_prefix(EVENT_PACKAGE) == Some(name)) {
            return Err(ControlError::Nested.into());
        }
        let proposal = Proposal {
            event_type: proposed.r#type,
            payload: proposed.payload.to_vec(),
            reason: proposed.reason,
            expires_at: Timestamp::from_us(proposed.expires_at_us),
            proposed_by: word.key_id.clone(),
            digest: sha256(word.payload),
            position: word.position,
            outcome: Outcome::Open,
            reference: reference.clone(),
        };
        self.proposals.insert(reference, proposal);
        Ok(())
    }

    pub(super) fn approve(
        &mut self,
        approved: &wire::ChangeApproved,
        word: &Word<'_>,
    ) -> Result<(), DirectoryError> {
        let proposal = self.open_proposal(&approved.proposal)?;
        if approved.digest != proposal.digest[..] {
            return Err(ControlError::OtherBytes.into());
        }
        if proposal.proposed_by == *word.key_id {
            return Err(ControlError::SelfApproval.into());
        }
        let Proposal { event_type, payload, position, .. } = proposal.clone();
        self.change(&Word { event_type: &event_type, payload: &payload, ..*word }, Some(position))?;
        if let Some(proposal) = self.proposals.get_mut(&approved.proposal) {
            proposal.outcome = Outcome::Approved(word.position);
        }
        Ok(())
    }

    pub(super) fn withdraw(
        &mut self,
        withdrawn: &wire::ChangeWithdrawn,
        position: Position,
    ) -> Result<(), DirectoryError> {
        text("reason", &withdrawn.reason, TEXT_BYTES_MAX)?;
        self.open_proposal(&withdrawn.proposal)?;
        if let Some(proposal) = self.proposals.get_mut(&withdrawn.proposal) {
            proposal.outcome = Outcome::Withdrawn(position);
        }
        Ok(())
    }

    fn open_proposal(&self, reference: &str) -> Result<&Proposal, DirectoryError> {
        let proposal = self.proposals.get(reference).ok_or(ControlError::Unknown)?;
        match proposal.outcome {
            Outcome::Open => Ok(proposal),
            Outcome::Approved(_) | Outcome::Withdrawn(_) => Err(ControlError::Closed.into()),
        }
    }

    /// All changes that were ever proposed, by reference.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.values()
    }

    /// Whether two keys are needed for a change.
    pub fn dual_control(&self) -> bool {
        self.dual_control
    }
}
