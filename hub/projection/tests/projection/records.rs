//! Placements with evidence, licences, directory rows.

use std::collections::BTreeSet;

use simpul_projection::IdentifierKind::Nik;
use simpul_proto::{
    directory::{AgencyDeclared, ConnectorDeclared, KeyRegistered, KeyRevoked, PolicyDeclared},
    registry::EvidenceKind,
};
use simpul_types::{FieldClass, View};

use crate::support::*;

#[test]
fn the_newest_snapshot_stands_for_a_placement_and_earlier_positions_are_kept() {
    let mut log = TestLog::new();
    log.append(&[licence("l", "SIP3MI 12/2024", "2029-01-01")]);
    for occupation in ["CARER", "FACTORY", "DOMESTIC_WORKER"] {
        log.append(&[placement_with("a", claim("SITI", &nik(1), "", ""), |placement| {
            placement.occupation = occupation.into();
            placement.placer_licence_no = "sip3mi  12/2024".into();
            placement.recruitment_permit_no = "NO SUCH".into();
        })]);
    }
    let (models, handle) = log.start(64);
    let person = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let facts = models.facts(&person).unwrap();
    assert_eq!(facts.placements.len(), 1);
    let found = &facts.placements[0];
    assert_eq!(
        (found.placement.value.occupation.as_str(), found.placement.position.get()),
        ("DOMESTIC_WORKER", 3)
    );
    let placer = found.placer.as_ref().unwrap();
    assert_eq!((placer.value.holder.as_str(), placer.position.get()), ("PT CONTOH KARYA", 0));
    assert!(found.permit.is_none());

    let document = models.document(View::Placement, &found.reference).unwrap().unwrap();
    assert_eq!(document.classes[&FieldClass::Reference]["positions"], serde_json::json!([1, 2, 3]));
    assert_eq!(models.placement(&found.reference).unwrap().unwrap().position.get(), 3);
    assert!(models.document(View::Placement, "no such reference").unwrap().is_none());
    log.stop(handle);
}

#[test]
fn a_placement_is_sorted_by_field_class() {
    let mut log = TestLog::new();
    log.append(&[placement_with("a", claim("CANARY NAME", &nik(1), "X1111111", "CARD1"), |placement| {
        placement.evidence = vec![
            evidence(EvidenceKind::Medical, "MCU-1"),
            evidence(EvidenceKind::Passport, "X1111111"),
            evidence(EvidenceKind::Visa, "V-1"),
        ];
    })]);
    let (models, handle) = log.start(64);
    let person = models.person_by(Nik, &nik(1)).unwrap().unwrap();
    let reference = models.facts(&person).unwrap().placements[0].reference.clone();
    let document = models.document(View::Placement, &reference).unwrap().unwrap();
    let shown = |class: FieldClass| document.cut(&BTreeSet::from([class])).to_string();
    let secrets = ["CANARY NAME", &nik(1), "X1111111", "CARD1"];
    for secret in secrets {
        assert!(shown(FieldClass::Identity).contains(secret));
        for class in [FieldClass::Reference, FieldClass::Placement, FieldClass::Health] {
            assert!(!shown(class).contains(secret), "{secret} in {class}");
        }
    }
    assert!(shown(FieldClass::Health).contains("MCU-1"));
    assert!(!shown(FieldClass::Placement).contains("MCU-1"));
    assert!(shown(FieldClass::Placement).contains("V-1"));
    let allowed = BTreeSet::from([FieldClass::Reference, FieldClass::Health]);
    assert_eq!(document.withheld(&allowed), [FieldClass::Identity, FieldClass::Placement]);
    log.stop(handle);
}

#[test]
fn a_licence_is_found_by_the_number_it_has_now() {
    let mut log = TestLog::new();
    log.append(&[licence("l", "OLD-1", "2029-01-01")]);
    log.append(&[licence("l", "NEW-1", "2030-01-01")]);
    let (models, handle) = log.start(1);
    assert!(models.licence("OLD-1").unwrap().is_none());
    assert_eq!(models.licence(" new-1").unwrap().unwrap().value.valid_until, "2030-01-01");
    let document = models.document(View::Licence, "NEW-1").unwrap().unwrap();
    assert_eq!(models.document(View::Licence, &document.r#ref).unwrap().unwrap().position.get(), 1);
    log.stop(handle);
}

#[test]
fn the_directory_shows_current_rows() {
    let mut log = TestLog::new();
    let key = KeyRegistered {
        agency: "polri".into(),
        connector: "desk".into(),
        public_key: vec![5; 32].into(),
        valid_from_us: 1,
        valid_until_us: 0,
        certificate_pem: String::new(),
    };
    let digest = simpul_signing::sha256(&[&[5; 32]]);
    let key_id = data_encoding::HEXLOWER.encode(&digest[..8]);
    let agency =
        |name: &str| AgencyDeclared { code: "polri".into(), name: name.into(), kind: "police".into() };
    log.append(&[
        declared("simpul.directory.v1.AgencyDeclared", &agency("Kepolisian")),
        declared(
            "simpul.directory.v1.ConnectorDeclared",
            &ConnectorDeclared { agency: "polri".into(), connector: "desk".into() },
        ),
        declared("simpul.directory.v1.KeyRegistered", &key),
        declared(
            "simpul.directory.v1.PolicyDeclared",
            &PolicyDeclared {
                cedar: "permit(principal,action,resource);".into(),
                version: "2026-11-22".into(),
            },
        ),
        declared("simpul.directory.v1.AgencyDeclared", &agency("POLRI")),
        declared(
            "simpul.directory.v1.KeyRevoked",
            &KeyRevoked { key_id: key_id.clone(), revoked_at_us: 9, reason: String::new() },
        ),
    ]);
    let (models, handle) = log.start(64);
    let rows = models.directory().unwrap();
    assert_eq!(rows.agencies.len(), 1);
    assert_eq!((rows.agencies[0].name.as_str(), rows.agencies[0].position.get()), ("POLRI", 4));
    assert_eq!(rows.connectors, ["polri/desk"]);
    assert_eq!(
        (rows.keys[0].key_id.as_str(), rows.keys[0].revoked_at.map(|at| at.as_us())),
        (key_id.as_str(), Some(9))
    );
    assert_eq!(rows.policy.unwrap().0, "2026-11-22");
    log.stop(handle);
}
