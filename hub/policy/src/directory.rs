//! The directory: who takes part, with which keys, under which policy. A fold over directory events, in the
//! order of the log; two hubs at the same position have the same directory.
//!
//! ```text
//! AgencyDeclared ─▶ ConnectorDeclared ─▶ KeyRegistered ─▶ KeyRevoked        PolicyDeclared (replaces the whole set)
//! ```
//!
//! A [`Directory`] is used as a snapshot: whoever changes it clones it, applies, and puts the new one in its
//! place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost::Message;
use ring::digest;
use simpul_proto::directory as wire;
use simpul_types::{
    AgencyCode, ConnectorName, FieldClass, KeyId, Position, Purpose, Sender, Timestamp, View, id::IdError,
};

use crate::{
    Action, AgencyRecord, Ask, ConnectorRecord, Decision, KeyRecord, PolicyError, cache::Cache,
    policies::Policies,
};

/// Code of the agency that exists before any event: the directory itself.
pub const AUTHORITY_AGENCY: &str = "directory";
/// Its connector, which signs directory events.
pub const AUTHORITY_CONNECTOR: &str = "authority";
/// Package of the directory's event types, with the dot.
pub const EVENT_PACKAGE: &str = "simpul.directory.v1.";

/// What decides for the authority in place of a policy, so that no declared policy can lock it out or widen
/// it.
const BUILT_IN: &str = "built-in-directory-authority";

/// Longest name or reason, bytes.
const TEXT_BYTES_MAX: usize = 200;

/// The directory up to a position. Cheap enough to clone for every directory event, which are rare.
#[derive(Clone)]
pub struct Directory {
    agencies: BTreeMap<AgencyCode, AgencyRecord>,
    policies: Arc<Policies>,
    policy_version: String,
    position: Position,
    /// Decisions depend on kinds and policies, so every change starts a new one.
    cache: Arc<Cache>,
}

/// Why a directory event cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The event is not one of the directory's.
    #[error("not a directory event")]
    NotDirectory,
    /// The payload does not decode.
    #[error("not such a message")]
    Decode,
    /// A field is missing or out of bounds.
    #[error("{field}: {rule}")]
    Field {
        /// Name of the field in the payload.
        field: &'static str,
        /// What it must be.
        rule: String,
    },
    /// It hangs on an agency or connector that was not declared before.
    #[error("{field}: {name} is not declared")]
    NotDeclared {
        /// Name of the field in the payload.
        field: &'static str,
        /// What it names.
        name: String,
    },
    /// A key belongs to one connector, once.
    #[error("public_key: key {0} was registered before")]
    KeyKnown(KeyId),
    /// There is no such key.
    #[error("key_id: key {0} is not registered")]
    KeyUnknown(KeyId),
    /// The directory's own agency keeps its kind.
    #[error("code: `directory` is the directory's own")]
    Reserved,
    /// The policy set is not taken.
    #[error("cedar")]
    Policy(#[from] PolicyError),
}

impl Directory {
    /// The directory before its first event: agency `directory` with connector `authority` and this Ed25519
    /// key.
    pub fn new(authority: [u8; 32]) -> Self {
        let code: AgencyCode = AUTHORITY_AGENCY.parse().expect("a valid agency code");
        let key = KeyRecord {
            public_key: authority,
            valid_from: Timestamp::from_us(i64::MIN),
            valid_until: None,
            revoked_at: None,
            registered: None,
            revocations: Vec::new(),
        };
        let connector = ConnectorRecord { keys: BTreeMap::from([(key_id(&authority), key)]) };
        let name: ConnectorName = AUTHORITY_CONNECTOR.parse().expect("a valid connector name");
        let record = AgencyRecord {
            code: code.clone(),
            name: "Directory authority".into(),
            kind: AUTHORITY_AGENCY.into(),
            connectors: BTreeMap::from([(name, connector)]),
        };
        Self {
            agencies: BTreeMap::from([(code, record)]),
            policies: Arc::new(Policies::none()),
            policy_version: String::new(),
            position: Position::ZERO,
            cache: Arc::new(Cache::new()),
        }
    }

    /// Applies the directory event at `position`. On an error nothing has changed.
    ///
    /// # Errors
    /// [`DirectoryError`], naming the field of the payload.
    pub fn apply(
        &mut self,
        event_type: &str,
        payload: &[u8],
        position: Position,
    ) -> Result<(), DirectoryError> {
        match event_type.strip_prefix(EVENT_PACKAGE) {
            Some("AgencyDeclared") => self.declare_agency(decode(payload)?)?,
            Some("ConnectorDeclared") => self.declare_connector(&decode(payload)?)?,
            Some("KeyRegistered") => self.register_key(&decode(payload)?, position)?,
            Some("KeyRevoked") => self.revoke_key(&decode(payload)?, position)?,
            Some("PolicyDeclared") => self.declare_policy(&decode(payload)?)?,
            _ => return Err(DirectoryError::NotDirectory),
        }
        self.position = position.plus(1);
        self.cache = Arc::new(Cache::new());
        Ok(())
    }

    fn declare_agency(&mut self, declared: wire::AgencyDeclared) -> Result<(), DirectoryError> {
        let code: AgencyCode = name("code", &declared.code)?;
        text("name", &declared.name, TEXT_BYTES_MAX)?;
        // A kind has the alphabet of an agency's code.
        let _: AgencyCode = name("kind", &declared.kind)?;
        if (code.as_str() == AUTHORITY_AGENCY) != (declared.kind == AUTHORITY_AGENCY) {
            return Err(DirectoryError::Reserved);
        }
        let connectors = self.agencies.remove(&code).map(|known| known.connectors).unwrap_or_default();
        let record =
            AgencyRecord { code: code.clone(), name: declared.name, kind: declared.kind, connectors };
        self.agencies.insert(code, record);
        Ok(())
    }

    fn declare_connector(&mut self, declared: &wire::ConnectorDeclared) -> Result<(), DirectoryError> {
        let connector = name("connector", &declared.connector)?;
        self.declared(&declared.agency)?.connectors.entry(connector).or_default();
        Ok(())
    }

    fn register_key(
        &mut self,
        registered: &wire::KeyRegistered,
        position: Position,
    ) -> Result<(), DirectoryError> {
        let connector: ConnectorName = name("connector", &registered.connector)?;
        let public_key: [u8; 32] = registered
            .public_key
            .as_ref()
            .try_into()
            .map_err(|_| DirectoryError::Field { field: "public_key", rule: "32 bytes".into() })?;
        let valid_until = optional_time(registered.valid_until_us);
        let valid_from = Timestamp::from_us(registered.valid_from_us);
        if valid_until.is_some_and(|end| end <= valid_from) {
            let rule = "after valid_from_us, or 0".into();
            return Err(DirectoryError::Field { field: "valid_until_us", rule });
        }
        let id = key_id(&public_key);
        let known = self.connectors().any(|connector| connector.keys.contains_key(&id));
        let agency = self.declared(&registered.agency)?;
        let record = agency
            .connectors
            .get_mut(&connector)
            .ok_or_else(|| DirectoryError::NotDeclared { field: "connector", name: connector.to_string() })?;
        if known {
            return Err(DirectoryError::KeyKnown(id));
        }
        let registered = Some(position);
        let (revoked_at, revocations) = (None, Vec::new());
        let key = KeyRecord { public_key, valid_from, valid_until, revoked_at, registered, revocations };
        record.keys.insert(id, key);
        Ok(())
    }

    /// A key that was revoked twice counts as revoked from the earlier time on.
    fn revoke_key(&mut self, revoked: &wire::KeyRevoked, position: Position) -> Result<(), DirectoryError> {
        let id: KeyId = name("key_id", &revoked.key_id)?;
        let at = optional_time(revoked.revoked_at_us)
            .ok_or(DirectoryError::Field { field: "revoked_at_us", rule: "required".into() })?;
        if revoked.reason.len() > TEXT_BYTES_MAX {
            return Err(DirectoryError::Field {
                field: "reason",
                rule: format!("at most {TEXT_BYTES_MAX} bytes"),
            });
        }
        let key = self
            .agencies
            .values_mut()
            .flat_map(|agency| agency.connectors.values_mut())
            .find_map(|connector| connector.keys.get_mut(&id))
            .ok_or(DirectoryError::KeyUnknown(id))?;
        key.revocations.push(position);
        key.revoked_at = Some(key.revoked_at.map_or(at, |known| known.min(at)));
        Ok(())
    }

    fn declare_policy(&mut self, declared: &wire::PolicyDeclared) -> Result<(), DirectoryError> {
        text("version", &declared.version, 64)?;
        self.policies = Arc::new(Policies::parse(&declared.cedar)?);
        self.policy_version.clone_from(&declared.version);
        Ok(())
    }

    fn declared(&mut self, agency: &str) -> Result<&mut AgencyRecord, DirectoryError> {
        let code: AgencyCode = name("agency", agency)?;
        self.agencies
            .get_mut(&code)
            .ok_or_else(|| DirectoryError::NotDeclared { field: "agency", name: code.to_string() })
    }

    fn connectors(&self) -> impl Iterator<Item = &ConnectorRecord> {
        self.agencies.values().flat_map(|agency| agency.connectors.values())
    }

    /// Position after the last directory event that was applied.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The sender's public key of that id, if it counts at that time.
    pub fn key(&self, sender: &Sender, key_id: &KeyId, at: Timestamp) -> Option<[u8; 32]> {
        let key = self.connector(sender)?.keys.get(key_id)?;
        key.counts_at(at).then_some(key.public_key)
    }

    /// Whether this connector of this agency is declared.
    pub fn knows(&self, sender: &Sender) -> bool {
        self.connector(sender).is_some()
    }

    fn connector(&self, sender: &Sender) -> Option<&ConnectorRecord> {
        self.agencies.get(&sender.agency)?.connectors.get(&sender.connector)
    }

    /// One agency.
    pub fn agency(&self, code: &AgencyCode) -> Option<&AgencyRecord> {
        self.agencies.get(code)
    }

    /// All agencies, by code.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyRecord> {
        self.agencies.values()
    }

    /// Version of the policy set, for people; empty before the first.
    pub fn policy_version(&self) -> &str {
        &self.policy_version
    }

    /// May this agency do this? What nothing permits is refused.
    pub fn decide(&self, ask: &Ask<'_>) -> Decision {
        Decision::clone(&self.decide_shared(ask))
    }

    /// As [`Self::decide`], without a copy; for the hot path.
    pub fn decide_shared(&self, ask: &Ask<'_>) -> Arc<Decision> {
        self.cache.get_or(ask, || {
            let (allowed, policies) = self.decide_anew(ask);
            Decision { allowed, policies, directory_position: self.position }
        })
    }

    fn decide_anew(&self, ask: &Ask<'_>) -> (bool, Vec<String>) {
        let Some(agency) = self.agencies.get(ask.agency) else { return (false, Vec::new()) };
        if agency.kind != AUTHORITY_AGENCY {
            return self.policies.decide(&agency.kind, ask);
        }
        let allowed = match ask.action {
            Action::Submit => ask.resource.starts_with(EVENT_PACKAGE),
            Action::Administer => ask.resource == AUTHORITY_AGENCY,
            _ => false,
        };
        (allowed, if allowed { vec![BUILT_IN.into()] } else { Vec::new() })
    }

    /// Field classes of a view that an agency may see: asked for, for this purpose; or, with no purpose, sent
    /// unasked ([`Action::Publish`]).
    pub fn classes(
        &self,
        agency: &AgencyCode,
        view: View,
        purpose: Option<&Purpose>,
    ) -> BTreeSet<FieldClass> {
        let action = if purpose.is_some() { Action::View } else { Action::Publish };
        let may = |class: &FieldClass| {
            let ask = Ask { agency, action, resource: view.as_str(), field_class: Some(*class), purpose };
            self.decide_shared(&ask).allowed
        };
        FieldClass::ALL.iter().copied().filter(may).collect()
    }
}

fn decode<M: Message + Default>(payload: &[u8]) -> Result<M, DirectoryError> {
    M::decode(payload).map_err(|_| DirectoryError::Decode)
}

fn name<T: std::str::FromStr<Err = IdError>>(field: &'static str, text: &str) -> Result<T, DirectoryError> {
    text.parse().map_err(|error: IdError| DirectoryError::Field { field, rule: error.to_string() })
}

fn text(field: &'static str, value: &str, bytes_max: usize) -> Result<(), DirectoryError> {
    let right = !value.trim().is_empty() && value.len() <= bytes_max;
    right
        .then_some(())
        .ok_or_else(|| DirectoryError::Field { field, rule: format!("1 to {bytes_max} bytes") })
}

fn optional_time(us: i64) -> Option<Timestamp> {
    (us != 0).then(|| Timestamp::from_us(us))
}

/// As `simpul_signing::key_id`, which this crate must not depend on; admission's tests hold the two together.
fn key_id(public_key: &[u8; 32]) -> KeyId {
    let digest = digest::digest(&digest::SHA256, public_key);
    let hex = data_encoding::HEXLOWER.encode(&digest.as_ref()[..8]);
    hex.parse().expect("16 hex digits are a key id")
}
