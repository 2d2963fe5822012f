//! What the directory holds of those who take part.

use std::{collections::BTreeMap, sync::Arc};

use simpul_types::{AgencyCode, ConnectorName, KeyId, Position, Timestamp};

/// An agency that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyRecord {
    /// Its code.
    pub code: AgencyCode,
    /// Its name for people.
    pub name: String,
    /// What policies know it as: `registry`, `police`, `mission`, `oversight`, …
    pub kind: String,
    /// Its connectors and clients.
    pub connectors: BTreeMap<ConnectorName, ConnectorRecord>,
}

/// A connector or client of an agency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorRecord {
    /// Keys that were ever registered to it; none is ever taken out, so that old signatures stay explicable.
    pub keys: BTreeMap<KeyId, KeyRecord>,
}

/// A signing key and when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Ed25519.
    pub public_key: [u8; 32],
    /// The client certificate that was issued with it, PEM.
    pub certificate: Option<Arc<str>>,
    /// First moment.
    pub valid_from: Timestamp,
    /// First moment at which it no longer counts; `None`: no end.
    pub valid_until: Option<Timestamp>,
    /// From when on it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Position of the event that registered it; `None` for the authority's first key, which comes from the configuration.
    pub registered: Option<Position>,
    /// Position of the proposal of that event, under dual control.
    pub proposed: Option<Position>,
    /// Positions of the events that revoked it, and of their proposals.
    pub revocations: Vec<Position>,
}

impl KeyRecord {
    /// Whether a signature made with it counts at that time.
    pub fn counts_at(&self, at: Timestamp) -> bool {
        self.valid_from <= at
            && self.valid_until.is_none_or(|end| at < end)
            && self.revoked_at.is_none_or(|end| at < end)
    }
}
