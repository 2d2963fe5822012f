//! The directory: who takes part, with which keys, under which policy. A fold over directory events, in the
//! order of the log; two hubs at the same position have the same directory.
//!
//! ```text
//! AgencyDeclared ─▶ ConnectorDeclared ─▶ KeyRegistered ─▶ KeyRevoked        PolicyDeclared (replaces the whole set)
//!                ├▶ AgreementConcluded ─▶ AgreementEnded
//!                ├▶ UnitDeclared ─▶ UnitSucceeded      OfficialDeclared ─▶ OfficialEnded
//!                └▶ EmbargoOrdered ─▶ EmbargoEnded                        two keys, always
//! PurposeDeclared ─▶ PurposeEnded                                          RuleBookDeclared (replaces the whole book)
//! DualControlBegun ─▶ ChangeProposed ─▶ ChangeApproved | ChangeWithdrawn     from then on the only way to the others
//! ```
//!
//! A [`Directory`] is used as a snapshot: whoever changes it clones it, applies, and puts the new one in its
//! place. What this file does not say of agreements and dual control, `directory/` does.

mod agreements;
mod control;
mod embargoes;
mod register;
mod units;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use embargoes::Embargo;
use prost::Message;
pub use register::{OfficialRecord, PurposeRecord};
use ring::digest;
use simpul_proto::directory as wire;
use simpul_types::{
    AgencyCode, ConnectorName, FieldClass, KeyId, Position, Purpose, Sender, Timestamp, View, id::IdError,
};
pub use units::{Succession, UnitRecord};

use crate::{
    Action, AgencyRecord, Agreement, Ask, ConnectorRecord, Decision, KeyRecord, PolicyError,
    cache::{Cache, Validity},
    change::{ControlError, Proposal},
    policies::Policies,
    rules::Rules,
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

/// Largest client certificate in a directory event, bytes of PEM.
const CERTIFICATE_BYTES_MAX: usize = 8_192;

/// A directory event, as its leaf has it.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// Full name of its type.
    pub event_type: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its place; of one that is judged, the place it would get.
    pub position: Position,
    /// Key that signed its submission.
    pub key_id: &'a KeyId,
}

/// The directory up to a position. Cheap enough to clone for every directory event, which are rare.
#[derive(Clone)]
pub struct Directory {
    agencies: BTreeMap<AgencyCode, AgencyRecord>,
    policies: Arc<Policies>,
    policy_version: String,
    /// Client certificates that no longer count, by their SHA-256 in hex, and from when on.
    revoked_certificates: BTreeMap<String, Timestamp>,
    /// By reference, ended and expired ones too.
    agreements: BTreeMap<String, Agreement>,
    /// By reference, ended ones too.
    embargoes: BTreeMap<String, Embargo>,
    /// By code, those that ended too.
    units: BTreeMap<String, UnitRecord>,
    /// By pseudonym, those who ended too.
    officials: BTreeMap<AgencyCode, BTreeMap<String, OfficialRecord>>,
    /// Ended ones too.
    purposes: BTreeMap<Purpose, PurposeRecord>,
    rules: Rules,
    /// By reference.
    proposals: BTreeMap<String, Proposal>,
    dual_control: bool,
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
    /// There is no such agreement.
    #[error("agreement: {0} was never concluded")]
    AgreementUnknown(String),
    /// Dual control does not let it pass.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl Directory {
    /// The directory before its first event: agency `directory` with connector `authority` and this Ed25519
    /// key.
    pub fn new(authority: [u8; 32]) -> Self {
        let code: AgencyCode = AUTHORITY_AGENCY.parse().expect("a valid agency code");
        let key = KeyRecord {
            public_key: authority,
            certificate: None,
            valid_from: Timestamp::from_us(i64::MIN),
            valid_until: None,
            revoked_at: None,
            registered: None,
            proposed: None,
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
            revoked_certificates: BTreeMap::new(),
            agreements: BTreeMap::new(),
            embargoes: BTreeMap::new(),
            units: BTreeMap::new(),
            officials: BTreeMap::new(),
            purposes: BTreeMap::new(),
            rules: Rules::built_in(),
            proposals: BTreeMap::new(),
            dual_control: false,
            position: Position::ZERO,
            cache: Arc::new(Cache::new()),
        }
    }

    /// Applies a directory event. On an error nothing has changed.
    ///
    /// # Errors
    /// [`DirectoryError`], naming the field of the payload.
    pub fn apply(&mut self, word: &Word<'_>) -> Result<(), DirectoryError> {
        match word.event_type.strip_prefix(EVENT_PACKAGE) {
            Some("DualControlBegun") => self.begin_dual_control(&decode(word.payload)?)?,
            Some("ChangeProposed") => self.propose(decode(word.payload)?, word)?,
            Some("ChangeApproved") => self.approve(&decode(word.payload)?, word)?,
            Some("ChangeWithdrawn") => self.withdraw(&decode(word.payload)?, word.position)?,
            Some(_) if self.dual_control => return Err(ControlError::Direct.into()),
            _ => self.change(word, None)?,
        }
        self.position = word.position.plus(1);
        self.cache = Arc::new(Cache::new());
        Ok(())
    }

    /// What changes the directory itself, proposed at a position or not. On an error nothing has changed.
    fn change(&mut self, word: &Word<'_>, proposed: Option<Position>) -> Result<(), DirectoryError> {
        let Word { payload, position, .. } = *word;
        match word.event_type.strip_prefix(EVENT_PACKAGE) {
            Some("AgencyDeclared") => self.declare_agency(decode(payload)?),
            Some("ConnectorDeclared") => self.declare_connector(&decode(payload)?),
            Some("KeyRegistered") => self.register_key(&decode(payload)?, position, proposed),
            Some("KeyRevoked") => self.revoke_key(&decode(payload)?, position, proposed),
            Some("CertificateRevoked") => self.revoke_certificate(&decode(payload)?),
            Some("PolicyDeclared") => self.declare_policy(&decode(payload)?),
            Some("AgreementConcluded") => self.conclude(&decode(payload)?, position),
            Some("AgreementEnded") => self.end_agreement(&decode(payload)?),
            Some("EmbargoOrdered") => self.order_embargo(decode(payload)?, position),
            Some("EmbargoEnded") => self.end_embargo(&decode(payload)?),
            Some("UnitDeclared") => self.declare_unit(decode(payload)?),
            Some("UnitSucceeded") => self.succeed_unit(decode(payload)?),
            Some("OfficialDeclared") => self.declare_official(decode(payload)?),
            Some("OfficialEnded") => self.end_official(&decode(payload)?),
            Some("PurposeDeclared") => self.declare_purpose(decode(payload)?),
            Some("PurposeEnded") => self.end_purpose(&decode(payload)?),
            Some("RuleBookDeclared") => self.declare_rules(&decode(payload)?),
            _ => Err(DirectoryError::NotDirectory),
        }
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
        proposed: Option<Position>,
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
        let certificate = registered.certificate_pem.as_str();
        if certificate.len() > CERTIFICATE_BYTES_MAX
            || !(certificate.is_empty() || certificate.starts_with("-----BEGIN CERTIFICATE-----"))
        {
            let rule = format!("a certificate in PEM of at most {CERTIFICATE_BYTES_MAX} bytes, or nothing");
            return Err(DirectoryError::Field { field: "certificate_pem", rule });
        }
        let certificate = (!certificate.is_empty()).then(|| certificate.into());
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
        let key = KeyRecord {
            public_key,
            certificate,
            valid_from,
            valid_until,
            revoked_at,
            registered,
            proposed,
            revocations,
        };
        record.keys.insert(id, key);
        Ok(())
    }

    /// A key that was revoked twice counts as revoked from the earlier time on.
    fn revoke_key(
        &mut self,
        revoked: &wire::KeyRevoked,
        position: Position,
        proposed: Option<Position>,
    ) -> Result<(), DirectoryError> {
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
        key.revocations.extend(proposed);
        key.revocations.push(position);
        key.revoked_at = Some(key.revoked_at.map_or(at, |known| known.min(at)));
        Ok(())
    }

    /// Of two revocations the earlier one counts.
    fn revoke_certificate(&mut self, revoked: &wire::CertificateRevoked) -> Result<(), DirectoryError> {
        let digest = &revoked.certificate;
        let right = digest.len() == 64
            && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !right {
            let rule = "64 hexadecimal digits, small letters".into();
            return Err(DirectoryError::Field { field: "certificate", rule });
        }
        let at = optional_time(revoked.revoked_at_us)
            .ok_or(DirectoryError::Field { field: "revoked_at_us", rule: "required".into() })?;
        text("reason", &revoked.reason, TEXT_BYTES_MAX)?;
        let known = self.revoked_certificates.entry(digest.clone()).or_insert(at);
        *known = (*known).min(at);
        Ok(())
    }

    fn declare_policy(&mut self, declared: &wire::PolicyDeclared) -> Result<(), DirectoryError> {
        text("version", &declared.version, 64)?;
        self.policies = Arc::new(Policies::parse(&declared.cedar)?);
        self.policy_version.clone_from(&declared.version);
        Ok(())
    }

    fn declare_rules(&mut self, declared: &wire::RuleBookDeclared) -> Result<(), DirectoryError> {
        text("version", &declared.version, 64)?;
        let wrong = |rule| DirectoryError::Field { field: "toml", rule };
        self.rules = Rules::declared(&declared.toml, &declared.version).map_err(wrong)?;
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

    /// Whether a client certificate counts at that time, by its SHA-256 in hex.
    pub fn certificate_counts(&self, certificate: &str, at: Timestamp) -> bool {
        self.revoked_certificates.get(certificate).is_none_or(|revoked| at < *revoked)
    }

    /// The next moment after `at` at which a certificate stops counting.
    pub fn next_revocation(&self, at: Timestamp) -> Option<Timestamp> {
        self.revoked_certificates.values().copied().filter(|revoked| *revoked > at).min()
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

    /// What placements are judged by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// May this agency do this? What nothing permits is refused.
    pub fn decide(&self, ask: &Ask<'_>) -> Decision {
        Decision::clone(&self.decide_shared(ask))
    }

    /// As [`Self::decide`], without a copy; for the hot path.
    pub fn decide_shared(&self, ask: &Ask<'_>) -> Arc<Decision> {
        if !self.official_counts(ask) {
            return Arc::new(Decision::refused(self.position));
        }
        self.cache.get_or(ask, || self.decide_anew(ask))
    }

    fn decide_anew(&self, ask: &Ask<'_>) -> (Decision, Validity) {
        let mut validity = Validity::ALWAYS;
        validity.narrow(self.purpose_turns(), ask.at);
        if !self.purpose_counts(ask) {
            return (Decision::refused(self.position), validity);
        }
        validity.narrow(self.units().flat_map(UnitRecord::turns), ask.at);
        let (mut agreements, mut quotas, mut limited) = (Vec::new(), Vec::new(), true);
        // Within the realm an agency needs no agreement for what it brought itself.
        let own = ask.provider == Some(ask.agency);
        for agreement in self.agreements_of(ask.agency) {
            validity.narrow(agreement.turns(), ask.at);
            if self.covers(agreement, ask).is_ok() {
                agreements.push(agreement.reference.clone());
                limited &= agreement.answers_a_day.is_some();
                quotas.extend(agreement.answers_a_day.map(|answers| (agreement.reference.clone(), answers)));
            }
        }
        if own || !limited {
            // What is free of a limit is answered under that, and takes nothing from the others.
            agreements.retain(|agreement| !quotas.iter().any(|(limited, _)| limited == agreement));
            quotas.clear();
        }
        let (allowed, policies) = self.permits(ask, own || !agreements.is_empty());
        let decision = Decision { allowed, policies, agreements, quotas, directory_position: self.position };
        (decision, validity)
    }

    /// What policy says, with or without an agreement.
    fn permits(&self, ask: &Ask<'_>, agreement: bool) -> (bool, Vec<String>) {
        let Some(agency) = self.agencies.get(ask.agency) else { return (false, Vec::new()) };
        if agency.kind != AUTHORITY_AGENCY {
            return self.policies.decide(&agency.kind, ask, agreement);
        }
        let allowed = match ask.action {
            Action::Submit => ask.resource.starts_with(EVENT_PACKAGE),
            Action::Administer => ask.resource == AUTHORITY_AGENCY,
            _ => false,
        };
        (allowed, if allowed { vec![BUILT_IN.into()] } else { Vec::new() })
    }

    /// Whether it would be allowed if an agreement covered it.
    pub fn allows_under_agreement(&self, ask: &Ask<'_>) -> bool {
        self.official_counts(ask) && self.purpose_counts(ask) && self.permits(ask, true).0
    }

    /// What a refusal is for want of, as a sentence begins: `no policy`, or `no agreement in force` where policy would allow it under
    /// one; before both, what the directory lists.
    pub fn want(&self, ask: &Ask<'_>) -> &'static str {
        if !self.official_counts(ask) {
            "no entry in the register of officials"
        } else if !self.purpose_counts(ask) {
            "no declared purpose"
        } else if self.allows_under_agreement(ask) {
            "no agreement in force"
        } else {
            "no policy"
        }
    }

    /// Field classes of a view that an agency may see of anybody's data: asked for, for this purpose; or, with no purpose, sent
    /// unasked ([`Action::Publish`]).
    pub fn classes(
        &self,
        agency: &AgencyCode,
        view: View,
        purpose: Option<&Purpose>,
        at: Timestamp,
    ) -> BTreeSet<FieldClass> {
        self.classes_from(agency, view, purpose, None, at)
    }

    /// The same of the data of one agency; `None`: of anybody's.
    pub fn classes_from(
        &self,
        agency: &AgencyCode,
        view: View,
        purpose: Option<&Purpose>,
        provider: Option<&AgencyCode>,
        at: Timestamp,
    ) -> BTreeSet<FieldClass> {
        let action = if purpose.is_some() { Action::View } else { Action::Publish };
        let may = |class: &FieldClass| {
            let (resource, field_class) = (view.as_str(), Some(*class));
            let official = None;
            let ask = Ask { agency, official, action, resource, field_class, purpose, provider, at };
            self.decide_shared(&ask).allowed
        };
        FieldClass::ALL.iter().copied().filter(may).collect()
    }
}

fn decode<M: Message + Default>(payload: &[u8]) -> Result<M, DirectoryError> {
    M::decode(payload).map_err(|_| DirectoryError::Decode)
}

pub(crate) fn name<T: std::str::FromStr<Err = IdError>>(
    field: &'static str,
    text: &str,
) -> Result<T, DirectoryError> {
    text.parse().map_err(|error: IdError| DirectoryError::Field { field, rule: error.to_string() })
}

pub(crate) fn text(field: &'static str, value: &str, bytes_max: usize) -> Result<(), DirectoryError> {
    let right = !value.trim().is_empty() && value.len() <= bytes_max;
    right
        .then_some(())
        .ok_or_else(|| DirectoryError::Field { field, rule: format!("1 to {bytes_max} bytes") })
}

pub(crate) fn field(field: &'static str, rule: &str) -> DirectoryError {
    DirectoryError::Field { field, rule: rule.into() }
}

pub(crate) fn optional_time(us: i64) -> Option<Timestamp> {
    (us != 0).then(|| Timestamp::from_us(us))
}

/// A reference of an agreement or a proposal.
pub(crate) fn reference(field: &'static str, text: &str) -> Result<String, DirectoryError> {
    let right = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let rule = || "1 to 64 characters of a-z, 0-9 and '-'".into();
    right.then(|| text.to_owned()).ok_or_else(|| DirectoryError::Field { field, rule: rule() })
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// As `simpul_signing::key_id`, which this crate must not depend on; admission's tests hold the two together.
fn key_id(public_key: &[u8; 32]) -> KeyId {
    let hex = data_encoding::HEXLOWER.encode(&sha256(public_key)[..8]);
    hex.parse().expect("16 hex digits are a key id")
}
