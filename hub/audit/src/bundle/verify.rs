//! Checking a bundle with nothing but keys: `simpul audit verify --bundle FILE`.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use simpul_proto::v1::{self, evidence_bundle::Subject};
use simpul_signing::{VerifyingKey, sha256};
use simpul_tlog::{
    checkpoint::Checkpoint,
    leaf_hash,
    policy::Policy,
    proof::{self, ProofError},
};
use simpul_types::{Digest, Header, Leaf, Position, limits};

use super::decode;
use crate::{
    trust::TrustedKeys,
    verify::{
        VerifyError,
        chain::signed_by,
        keyring::{KeyRing, Lookup},
    },
};

/// One event that the bundle bears out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleEventLine {
    /// Where it stands in the log.
    pub position: u64,
    /// Leaf it belongs to.
    pub leaf: u64,
    /// Id, UUID.
    pub event_id: String,
    /// Type of its payload.
    pub event_type: String,
    /// Stream of the source record.
    pub stream: String,
    /// Who signed.
    pub sender: String,
    /// When the hub admitted it.
    pub admitted_at: String,
    /// Whether the payload is disclosed in the bundle.
    pub disclosed: bool,
}

/// One sender's key, and on whose word it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SenderLine {
    /// Who.
    pub sender: String,
    /// Which key.
    pub key_id: String,
    /// The trust root.
    pub trust: String,
}

/// A part of the bundle that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleViolation {
    /// `file`, `checkpoint`, `leaf 7`, `event at position 12`, `directory leaf 0`, …
    pub part: String,
    /// What is wrong.
    pub what: String,
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// Whether there is no violation.
    pub ok: bool,
    /// What was asked for.
    pub subject: String,
    /// Agency that it was given to.
    pub issued_to: String,
    /// Entry of the access log that recorded it.
    pub access_entry: u64,
    /// Origin of the log.
    pub origin: String,
    /// Leaves of the checkpoint.
    pub size: u64,
    /// Witnesses of the policy that cosigned.
    pub witnesses: Vec<String>,
    /// Name of the policy's quorum.
    pub quorum: String,
    /// The events.
    pub events: Vec<BundleEventLine>,
    /// The senders' keys.
    pub senders: Vec<SenderLine>,
    /// All that does not hold, the most telling first.
    pub violations: Vec<BundleViolation>,
    /// What cannot be seen from the bundle, and is no violation.
    pub notes: Vec<String>,
}

/// Verifies a bundle under a trust policy and, where there are any, senders' keys that the verifier brings along.
///
/// # Errors
/// Only where the verifier's own keys cannot be used; what is wrong with the bundle is in the report.
pub fn verify_bundle(file: &Bytes, policy: &Policy, keys: &TrustedKeys) -> Result<BundleReport, VerifyError> {
    let mut report = BundleReport { quorum: policy.quorum().into(), ..Default::default() };
    match decode(file) {
        Ok((bundle, whole)) => {
            let mut check = Check { given: keys.ring()?, extract: None, tree: None, report };
            check.bundle(&bundle, policy, keys);
            report = check.report;
            if !whole {
                report.violation(
                    "file",
                    "does not have the SHA-256 that it ends with: it was changed or damaged",
                );
            }
        }
        Err(what) => report.violation("file", what),
    }
    report.ok = report.violations.is_empty();
    Ok(report)
}

impl BundleReport {
    fn violation(&mut self, part: impl Into<String>, what: impl Into<String>) {
        self.violations.push(BundleViolation { part: part.into(), what: what.into() });
    }
}

struct Check {
    /// What the verifier brings along.
    given: KeyRing,
    /// What the bundle's directory extract says, and on whose word.
    extract: Option<(KeyRing, String)>,
    tree: Option<Checkpoint>,
    report: BundleReport,
}

impl Check {
    fn bundle(&mut self, bundle: &v1::EvidenceBundle, policy: &Policy, keys: &TrustedKeys) {
        self.report.issued_to.clone_from(&bundle.issued_to);
        self.report.access_entry = bundle.access_entry;
        match policy.judge(&bundle.checkpoint) {
            Ok(accepted) => {
                self.report.origin.clone_from(&accepted.checkpoint.origin);
                self.report.size = accepted.checkpoint.size;
                self.report.witnesses = accepted.cosigned.iter().map(ToString::to_string).collect();
                self.tree = Some(accepted.checkpoint);
            }
            Err(error) => {
                let what = match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                self.report.violation("checkpoint", what);
            }
        }
        self.directory(bundle, keys);
        if bundle.leaves.is_empty() {
            self.report.violation("file", "holds no event");
        }
        let mut before = None;
        for leaf in &bundle.leaves {
            let part = format!("leaf {}", leaf.leaf_index);
            if before.is_some_and(|before| before >= leaf.leaf_index) {
                self.report.violation(&part, "the leaves are not in the order of the log");
            }
            before = Some(leaf.leaf_index);
            self.leaf(leaf, &part);
        }
        self.subject(bundle);
    }

    /// The directory extract: the senders' keys, signed by the directory authority and in the log like everything else.
    fn directory(&mut self, bundle: &v1::EvidenceBundle, keys: &TrustedKeys) {
        let own = <[u8; 32]>::try_from(&bundle.authority_key[..]).ok();
        let (authority, trust) = match (keys.authority, own) {
            (Some(given), own) => {
                if own != Some(given) {
                    self.report
                        .violation("authority key", "is not the directory authority that the verifier knows");
                }
                (given, "the directory authority that you gave")
            }
            (None, Some(own)) => {
                (own, "the bundle's own word on the directory authority; give --authority to be sure")
            }
            (None, None) => return self.report.violation("authority key", "does not have 32 bytes"),
        };
        let mut ring = KeyRing::new(Some(authority), &[], false);
        for wire in &bundle.directory {
            let part = format!("directory leaf {}", wire.leaf_index);
            let Some(leaf) = self.proven(wire, &part) else { continue };
            match ring.find(&leaf) {
                Lookup::Key(key) if leaf.statement.sender.agency.as_str() == "directory" => {
                    if let Err(what) = signed_by(&leaf, &key) {
                        self.report.violation(&part, what);
                    }
                }
                _ => {
                    self.report.violation(&part, "is not signed with the directory authority's key");
                    continue;
                }
            }
            for event in &wire.events {
                if let Some(header) = self.event(event, &leaf, &part) {
                    if event.opened.is_empty() {
                        self.report.violation(&part, "a directory event is not disclosed");
                    }
                    let payload = event.opened.get(limits::SALT_BYTES..).unwrap_or_default();
                    ring.apply(header.event_type.as_str(), payload, Position::new(event.position));
                }
            }
        }
        self.extract = Some((ring, format!("the bundle's directory extract, by {trust}")));
    }

    /// A leaf with its events.
    fn leaf(&mut self, wire: &v1::BundleLeaf, part: &str) {
        let Some(leaf) = self.proven(wire, part) else { return };
        if let Some((key, trust)) = self.key(&leaf, part) {
            if let Err(what) = signed_by(&leaf, &key) {
                self.report.violation(part, what);
            }
            let (sender, key_id) = (leaf.statement.sender.to_string(), leaf.key_id.to_string());
            let line = SenderLine { sender, key_id, trust };
            if !self.report.senders.contains(&line) {
                self.report.senders.push(line);
            }
        }
        if wire.events.is_empty() {
            self.report.violation(part, "holds no event");
        }
        for event in &wire.events {
            if let Some(header) = self.event(event, &leaf, "") {
                self.report.events.push(BundleEventLine {
                    position: event.position,
                    leaf: wire.leaf_index,
                    event_id: header.event_id.to_string(),
                    event_type: header.event_type.to_string(),
                    stream: header.stream.to_string(),
                    sender: leaf.statement.sender.to_string(),
                    admitted_at: leaf.admitted_at.to_string(),
                    disclosed: !event.opened.is_empty(),
                });
            }
        }
    }

    /// The leaf, where it decodes; that it does not lead to the checkpoint is noted.
    fn proven(&mut self, wire: &v1::BundleLeaf, part: &str) -> Option<Leaf> {
        if let Some(tree) = &self.tree {
            let path = path(&wire.inclusion_proof);
            let held = path.and_then(|path| {
                proof::verify_inclusion(wire.leaf_index, tree.size, &leaf_hash(&wire.leaf), &path, &tree.root)
            });
            if let Err(error) = held {
                self.report.violation(part, format!("does not lead to the checkpoint's root: {error}"));
            }
        }
        match Leaf::decode(&wire.leaf) {
            Ok(leaf) => Some(leaf),
            Err(error) => {
                self.report.violation(part, format!("the leaf does not decode: {error}"));
                None
            }
        }
    }

    /// The sender's key: the verifier's own where he has one, else the one of the directory extract.
    fn key(&mut self, leaf: &Leaf, part: &str) -> Option<(Arc<VerifyingKey>, String)> {
        let (key_id, sender) = (&leaf.key_id, &leaf.statement.sender);
        match self.given.find(leaf) {
            Lookup::Key(key) => return Some((key, "a key that you gave".into())),
            Lookup::NotRegistered => {
                self.report.violation(part, format!("key {key_id} did not count for {sender} then"));
                return None;
            }
            Lookup::Unknown => {}
        }
        let (ring, trust) = self.extract.as_ref()?;
        match ring.find(leaf) {
            Lookup::Key(key) => Some((key, trust.clone())),
            Lookup::NotRegistered => {
                self.report.violation(part, format!("key {key_id} did not count for {sender} then"));
                None
            }
            Lookup::Unknown => {
                let what = format!("no key {key_id} of {sender} in the directory extract or among yours");
                self.report.violation(part, what);
                None
            }
        }
    }

    /// One event under its leaf.
    fn event(&mut self, event: &v1::BundleEvent, leaf: &Leaf, inside: &str) -> Option<Header> {
        let place = format!("event at position {}", event.position);
        let part = if inside.is_empty() { place } else { format!("{inside}, {place}") };
        let mut wrong = |what: String| self.report.violation(&part, what);
        let count = u64::from(leaf.statement.event_count);
        let number = event.position.checked_sub(leaf.first_position.get()).filter(|number| *number < count);
        let Some(number) = number else {
            wrong("does not lie in its leaf".into());
            return None;
        };
        let under = |hash: Digest, hashes: &[Bytes], root: &Digest| {
            path(hashes).and_then(|path| proof::verify_inclusion(number, count, &hash, &path, root))
        };
        let signed = &leaf.statement.events_root;
        if let Err(error) = under(leaf_hash(&event.header), &event.header_path, signed) {
            wrong(format!("the header does not lead to the signed events root: {error}"));
        }
        let sealed = &leaf.sealed_root;
        if let Err(error) = under(leaf_hash(&event.sealed_digest), &event.sealed_path, sealed) {
            wrong(format!("the sealed payload's digest does not lead to the leaf's sealed root: {error}"));
        }
        match Header::decode(&event.header, "header") {
            Ok(header) => {
                if !event.opened.is_empty() && sha256(&[&event.opened]) != header.payload_commitment {
                    wrong("the payload is not the one that its sender committed to".into());
                }
                Some(header)
            }
            Err(rejection) => {
                wrong(format!("the header does not decode: {rejection}"));
                None
            }
        }
    }

    fn subject(&mut self, bundle: &v1::EvidenceBundle) {
        let events = &self.report.events;
        let (subject, fits) = match &bundle.subject {
            Some(Subject::Position(position)) => {
                let fits = events.iter().all(|event| event.position == *position);
                (format!("event at position {position}"), fits)
            }
            Some(Subject::Stream(stream)) => {
                self.report.notes.push(
                    "that a stream has no further events is the hub's word; a replay of the log shows it"
                        .into(),
                );
                (format!("stream {stream}"), events.iter().all(|event| event.stream == *stream))
            }
            Some(Subject::CaseRef(case_ref)) => {
                self.report.notes.push(
                    "which events belong to a case is said in their payloads: the selection is the hub's word".into(),
                );
                (format!("case {case_ref}"), true)
            }
            None => return self.report.violation("subject", "the bundle does not say what it is about"),
        };
        self.report.subject = subject;
        if !fits {
            self.report.violation("subject", "holds events of something else");
        }
    }
}

fn path(hashes: &[Bytes]) -> Result<Vec<Digest>, ProofError> {
    let hashes = hashes.iter().map(|hash| hash[..].try_into().map_err(|_| ProofError::Root));
    hashes.collect()
}

impl std::fmt::Display for BundleViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.part, self.what)
    }
}
