//! The directory as a fold over its events.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::Bytes;
use prost::Message;
use simpul_policy::{Action, Ask, Directory, DirectoryError, FIRST_MATRIX, PolicyError, Word};
use simpul_proto::directory as wire;
use simpul_types::{KeyId, Position, Sender, Timestamp};

const AUTHORITY: [u8; 32] = [1; 32];

struct Fold {
    directory: Directory,
    next: u64,
}

impl Fold {
    fn new() -> Self {
        Self { directory: Directory::new(AUTHORITY), next: 0 }
    }

    fn apply<M: Message>(&mut self, name: &str, payload: &M) -> Result<(), DirectoryError> {
        let event_type = format!("simpul.directory.v1.{name}");
        let result = self.directory.apply(&Word {
            event_type: &event_type,
            payload: &payload.encode_to_vec(),
            position: Position::new(self.next),
            key_id: &"0011223344556677".parse().unwrap(),
        });
        self.next += 1;
        result
    }

    fn agency(&mut self, code: &str, kind: &str) -> Result<(), DirectoryError> {
        let declared = wire::AgencyDeclared { code: code.into(), name: "N".into(), kind: kind.into() };
        self.apply("AgencyDeclared", &declared)
    }

    fn connector(&mut self, agency: &str, connector: &str) -> Result<(), DirectoryError> {
        let declared = wire::ConnectorDeclared { agency: agency.into(), connector: connector.into() };
        self.apply("ConnectorDeclared", &declared)
    }

    fn key(
        &mut self,
        agency: &str,
        connector: &str,
        key: [u8; 32],
        times: (i64, i64),
    ) -> Result<(), DirectoryError> {
        let registered = wire::KeyRegistered {
            agency: agency.into(),
            connector: connector.into(),
            public_key: Bytes::copy_from_slice(&key),
            valid_from_us: times.0,
            valid_until_us: times.1,
            certificate_pem: String::new(),
        };
        self.apply("KeyRegistered", &registered)
    }

    fn counts(&self, key_id: &KeyId, at: i64) -> bool {
        self.directory.key(&polri(), key_id, Timestamp::from_us(at)).is_some()
    }
}

fn polri() -> Sender {
    Sender::from_spiffe("spiffe://simpul/agency/polri/connector/desk").unwrap()
}

fn only_key(directory: &Directory) -> KeyId {
    let agency = directory.agency(&polri().agency).unwrap();
    agency.connectors[&polri().connector].keys.keys().next().unwrap().clone()
}

#[test]
fn a_key_counts_from_its_start_to_its_end_and_not_once_revoked() {
    let mut fold = Fold::new();
    fold.agency("polri", "police").unwrap();
    fold.connector("polri", "desk").unwrap();
    fold.key("polri", "desk", [2; 32], (100, 200)).unwrap();
    assert_eq!(fold.directory.position(), Position::new(3));
    let id = only_key(&fold.directory);
    assert_eq!([99, 100, 199, 200].map(|at| fold.counts(&id, at)), [false, true, true, false]);
    for at in [150, 170] {
        let revoked = wire::KeyRevoked { key_id: id.to_string(), revoked_at_us: at, reason: String::new() };
        fold.apply("KeyRevoked", &revoked).unwrap();
    }
    assert_eq!([149, 150, 160].map(|at| fold.counts(&id, at)), [true, false, false]);
    // A revoked key does not come back.
    assert_eq!(fold.key("polri", "desk", [2; 32], (300, 0)), Err(DirectoryError::KeyKnown(id)));
}

#[test]
fn what_hangs_on_nothing_is_refused_and_changes_nothing() {
    let mut fold = Fold::new();
    assert!(matches!(
        fold.connector("polri", "desk"),
        Err(DirectoryError::NotDeclared { field: "agency", .. })
    ));
    fold.agency("polri", "police").unwrap();
    let before = fold.directory.position();
    let missing = fold.key("polri", "desk", [2; 32], (0, 0));
    assert!(matches!(missing, Err(DirectoryError::NotDeclared { field: "connector", .. })));
    fold.connector("polri", "desk").ok();
    assert!(matches!(fold.key("polri", "desk", [2; 32], (5, 5)), Err(DirectoryError::Field { .. })));
    assert!(matches!(fold.key("polri", "desk", AUTHORITY, (0, 0)), Err(DirectoryError::KeyKnown(_))));
    assert_eq!(fold.agency("polri", "directory"), Err(DirectoryError::Reserved));
    assert_eq!(fold.agency("directory", "police"), Err(DirectoryError::Reserved));
    assert!(matches!(fold.agency("POLRI", "police"), Err(DirectoryError::Field { field: "code", .. })));
    let bad = wire::PolicyDeclared { cedar: "permit".into(), version: "v".into() };
    assert!(matches!(
        fold.apply("PolicyDeclared", &bad),
        Err(DirectoryError::Policy(PolicyError::Syntax(_)))
    ));
    let revoked = wire::KeyRevoked { key_id: "0".repeat(16), revoked_at_us: 1, reason: String::new() };
    assert!(matches!(fold.apply("KeyRevoked", &revoked), Err(DirectoryError::KeyUnknown(_))));
    assert_eq!(fold.apply("Unheard", &bad), Err(DirectoryError::NotDirectory));
    assert!(fold.directory.position() > before);
    assert!(fold.directory.key(&polri(), &"0".repeat(16).parse().unwrap(), Timestamp::from_us(1)).is_none());
}

#[test]
fn an_agency_that_is_declared_again_keeps_its_connectors_and_gets_its_new_kind() {
    let mut fold = Fold::new();
    fold.agency("polri", "police").unwrap();
    fold.connector("polri", "desk").unwrap();
    fold.apply("PolicyDeclared", &wire::PolicyDeclared { cedar: FIRST_MATRIX.into(), version: "1".into() })
        .unwrap();
    let purpose = "OVERSIGHT".parse().unwrap();
    let replays = |directory: &Directory| {
        let (agency, action) = (&polri().agency, Action::Replay);
        let (field_class, purpose, provider, at) = (None, Some(&purpose), None, Timestamp::from_us(1));
        directory.decide(&Ask {
            agency,
            official: None,
            action,
            resource: "log",
            field_class,
            purpose,
            provider,
            at,
        })
    };
    assert!(!replays(&fold.directory).allowed);
    fold.agency("polri", "oversight").unwrap();
    let decision = replays(&fold.directory);
    assert!(decision.allowed, "the cache must not outlive the kind");
    assert_eq!(decision.policies, ["oversight-replays"]);
    assert_eq!(decision.directory_position, fold.directory.position());
    assert!(fold.directory.knows(&polri()));
}

#[test]
fn no_policy_widens_or_locks_out_the_authority() {
    let mut fold = Fold::new();
    let authority = "directory".parse().unwrap();
    let everything = r#"@id("all") permit (principal, action, resource);"#;
    let nothing = r#"@id("none") forbid (principal, action, resource);"#;
    for cedar in [everything, nothing] {
        fold.apply("PolicyDeclared", &wire::PolicyDeclared { cedar: cedar.into(), version: "1".into() })
            .unwrap();
        let may = |action, resource| {
            let (field_class, purpose, provider, at) = (None, None, None, Timestamp::from_us(1));
            let ask = Ask {
                agency: &authority,
                official: None,
                action,
                resource,
                field_class,
                purpose,
                provider,
                at,
            };
            fold.directory.decide(&ask).allowed
        };
        assert!(may(Action::Submit, "simpul.directory.v1.KeyRevoked"));
        assert!(!may(Action::Submit, "simpul.police.v1.CaseUpdated"));
        assert!(!may(Action::Replay, "log"));
    }
}

#[test]
fn an_agency_that_nobody_declared_may_nothing() {
    let mut fold = Fold::new();
    let cedar = r#"@id("all") permit (principal, action, resource);"#.to_owned();
    fold.apply("PolicyDeclared", &wire::PolicyDeclared { cedar, version: "1".into() }).unwrap();
    let agency = "polri".parse().unwrap();
    let (action, resource, at) = (Action::Replay, "log", Timestamp::from_us(1));
    let ask = Ask {
        agency: &agency,
        official: None,
        action,
        resource,
        field_class: None,
        purpose: None,
        provider: None,
        at,
    };
    assert!(!fold.directory.decide(&ask).allowed);
}

#[test]
fn a_certificate_counts_until_it_is_revoked() {
    let mut fold = Fold::new();
    let (certificate, other) = ("ab".repeat(32), "cd".repeat(32));
    let revoked = |certificate: &str, at: i64, reason: &str| wire::CertificateRevoked {
        certificate: certificate.into(),
        revoked_at_us: at,
        reason: reason.into(),
    };
    let at = Timestamp::from_us;
    assert_eq!(fold.directory.next_revocation(at(0)), None);
    fold.apply("CertificateRevoked", &revoked(&certificate, 50, "stolen")).unwrap();
    // Of two revocations the earlier one counts.
    fold.apply("CertificateRevoked", &revoked(&certificate, 70, "stolen")).unwrap();
    let counts =
        |fold: &Fold, certificate: &str, us: i64| fold.directory.certificate_counts(certificate, at(us));
    assert!(counts(&fold, &certificate, 49) && counts(&fold, &other, 99));
    assert!(!counts(&fold, &certificate, 50));
    assert_eq!(fold.directory.next_revocation(at(49)), Some(at(50)));
    assert_eq!(fold.directory.next_revocation(at(50)), None);
    for (wrong, name) in [
        (revoked("AB", 1, "stolen"), "certificate"),
        (revoked(&certificate.to_uppercase(), 1, "stolen"), "certificate"),
        (revoked(&other, 0, "stolen"), "revoked_at_us"),
        (revoked(&other, 1, " "), "reason"),
    ] {
        let error = fold.apply("CertificateRevoked", &wrong).unwrap_err();
        assert!(matches!(&error, DirectoryError::Field { field, .. } if *field == name), "{error}");
    }
    assert!(counts(&fold, &other, 99), "what was refused changed nothing");
}
