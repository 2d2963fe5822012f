//! A placement with everything that the law asks for, and the licences that it rests on. Stories take away what they are about.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act};

/// Licences of the placer, and for the recruitment.
pub fn licences(world: &World) {
    let record = |key: &str, payload: Value| {
        let by = ("kp2mi", "PLACEMENT");
        act(world, by, In::Key(key), "simpul.registry.v1.LicenceRecorded", payload).unwrap();
    };
    let licence = json!({
        "licence_no": "SIP3MI 77/2022", "kind": "SIP3MI", "holder": "PT CONTOH KARYA", "valid_from": "2022-01-01",
        "valid_until": "2028-01-01",
    });
    record("sisko-licence/77", licence);
    let permit = json!({
        "licence_no": "SIP2MI 5/2023", "kind": "SIP2MI", "holder": "PT CONTOH KARYA", "valid_from": "2022-06-01",
        "valid_until": "2025-01-01", "parent_licence_no": "SIP3MI 77/2022", "destinations": ["HKG"],
    });
    record("sisko-licence/5", permit);
}

/// Departed to Hong Kong on that day.
pub fn complete(nik: &str, placement_no: &str, departed: &str) -> Value {
    let kinds = [
        "IDENTITY_CHECK",
        "COMPETENCE_CERTIFICATE",
        "MEDICAL",
        "PSYCHOLOGY",
        "SOCIAL_SECURITY",
        "MARITAL_STATUS",
        "FAMILY_PERMISSION",
        "PASSPORT",
        "VISA",
        "PLACEMENT_AGREEMENT",
        "EMPLOYMENT_CONTRACT",
        "PRE_DEPARTURE_ORIENTATION",
        "WORKER_CARD",
        "DISTRICT_RECORD",
    ];
    let evidence = |kind: &str| {
        json!({
            "kind": kind, "number": "E-1", "issued_on": "2023-06-01", "valid_until": "2027-04-01", "result": "VALID",
            "detail": if kind == "VISA" { "WORK" } else { "" },
        })
    };
    json!({
        "placement_no": placement_no, "person": { "name": "SITI CONTOH", "nik": nik, "birth_date": "1995-06-12" },
        "scheme": "P_TO_P", "destination": "HKG", "occupation": "CAREGIVER", "status": "DEPARTED", "departure_date": departed,
        "contract_signed_on": "2023-06-01", "placer_licence_no": "SIP3MI 77/2022", "recruitment_permit_no": "SIP2MI 5/2023",
        "employer": { "name": "Rumah Contoh", "kind": "HOUSEHOLD" }, "evidence": kinds.map(evidence),
    })
}

/// Takes one kind of evidence away.
pub fn without(placement: &mut Value, kind: &str) {
    placement["evidence"].as_array_mut().unwrap().retain(|evidence| evidence["kind"] != kind);
}
