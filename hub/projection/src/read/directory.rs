//! The directory as it stands.

use simpul_types::{Position, Timestamp};

use super::ReadModels;
use crate::{
    error::StateError,
    key,
    row::{self, Participant, PublicKey},
};

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryRows {
    /// By code.
    pub agencies: Vec<DirectoryAgency>,
    /// `<agency>/<connector>`, in order.
    pub connectors: Vec<String>,
    /// By key id.
    pub keys: Vec<DirectoryKey>,
    /// Version of the policy set, and the position that declared it.
    pub policy: Option<(String, Position)>,
}

/// An agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryAgency {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Position of the event that said so last.
    pub position: Position,
}

/// A registered key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryKey {
    /// First 16 hex digits of SHA-256 of the key.
    pub key_id: String,
    /// Whose.
    pub agency: String,
    /// Which connector's.
    pub connector: String,
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
    /// From when on it counts.
    pub valid_from: Timestamp,
    /// Until when; `None`: no end.
    pub valid_until: Option<Timestamp>,
    /// From when on it no longer counts.
    pub revoked_at: Option<Timestamp>,
}

impl ReadModels {
    /// The directory as it stands.
    ///
    /// # Errors
    /// The store.
    pub fn directory(&self) -> Result<DirectoryRows, StateError> {
        let state = &self.shared.state;
        let name = |key: &[u8]| String::from_utf8_lossy(key.get(3..).unwrap_or_default()).into_owned();
        let time = |us: i64| (us != 0).then(|| Timestamp::from_us(us));
        let mut out = DirectoryRows::default();
        for item in state.scan(&key::directory(b'a')) {
            let (key, bytes) = item?;
            let row: Participant = row::decode(&bytes)?;
            let position = Position::new(row.position);
            out.agencies.push(DirectoryAgency { code: name(&key), name: row.name, kind: row.kind, position });
        }
        for item in state.scan(&key::directory(b'c')) {
            out.connectors.push(name(&item?.0));
        }
        for item in state.scan(&key::directory(b'k')) {
            let (key, bytes) = item?;
            let row: PublicKey = row::decode(&bytes)?;
            out.keys.push(DirectoryKey {
                key_id: name(&key),
                agency: row.agency,
                connector: row.connector,
                public_key: row.public_key,
                valid_from: Timestamp::from_us(row.valid_from),
                valid_until: time(row.valid_until),
                revoked_at: time(row.revoked_at),
            });
        }
        let policy: Option<Participant> = state.row(key::POLICY)?;
        out.policy = policy.map(|row| (row.name, Position::new(row.position)));
        Ok(out)
    }
}
