//! What the fold reads: one event of a case, its payload typed.

use simpul_proto::{hub, justice, nrm, returns, shelter};

/// One event of a case. Holds personal data: no `Debug`.
pub struct Fact {
    /// Where it stands in the log.
    pub position: u64,
    /// Agency that submitted it.
    pub source: String,
    /// Opaque id of its stream: what referral, what bed.
    pub record: String,
    /// Opaque ids of the persons it names, in the order of its fields.
    pub persons: Vec<String>,
    /// Its payload.
    pub kind: FactKind,
}

/// A payload that the fold knows.
#[derive(Clone)]
#[allow(missing_docs, reason = "each variant is the message of its name")]
pub enum FactKind {
    StageChanged(nrm::StageChanged),
    IdentificationDecided(nrm::IdentificationDecided),
    RoleAssigned(nrm::RoleAssigned),
    ConsentRecorded(nrm::ConsentRecorded),
    ClockSet(nrm::ClockSet),
    ReferralOffered(nrm::ReferralOffered),
    ReferralAccepted(nrm::ReferralAccepted),
    ReferralDeclined(nrm::ReferralDeclined),
    ReferralLapsed(nrm::ReferralLapsed),
    ServiceDelivered(nrm::ServiceDelivered),
    ReferralClosed(nrm::ReferralClosed),
    BedHeld(shelter::BedHeld),
    BedReleased(shelter::BedReleased),
    BedOccupied(shelter::BedOccupied),
    BedVacated(shelter::BedVacated),
    ClockBreached(hub::ClockBreached),
    JourneyDocumentRecorded(returns::JourneyDocumentRecorded),
    ProsecutionStepped(justice::ProsecutionStepped),
    JudgmentRendered(justice::JudgmentRendered),
}
