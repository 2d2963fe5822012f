//! A placement with its evidence.

use serde_json::{Value, json};
use simpul_proto::registry::{Evidence, EvidenceKind, PlacementRecorded};
use simpul_types::{FieldClass, View};

use super::{Dated, named, object, person, text};
use crate::{document::Document, key};

/// Renders it. Status, scheme, destination and dates name nobody and are references; numbers of a passport, a card or a
/// population record identify and are class `identity`; medical findings are class `health`.
pub(crate) fn placement(dated: &Dated<'_>, placement: &PlacementRecorded) -> Document {
    let mut document = dated.document(View::Placement);
    let reference = [
        ("status", named(placement.status().as_str_name())),
        ("scheme", named(placement.scheme().as_str_name())),
        ("destination", text(&placement.destination)),
        ("departure_date", text(&placement.departure_date)),
    ];
    for (name, value) in reference {
        document.set(FieldClass::Reference, name, value);
    }
    if let Some(claim) = &placement.person {
        for (name, value) in person(claim, key::unpack(&dated.snapshot.persons).next()) {
            document.set(FieldClass::Identity, &name, value);
        }
    }
    let employer = placement.employer.as_ref().map(|employer| {
        object([
            ("name", text(&employer.name)),
            ("kind", named(employer.kind().as_str_name())),
            ("city", text(&employer.city)),
        ])
    });
    let facts = [
        ("placement_no", text(&placement.placement_no)),
        ("occupation", text(&placement.occupation)),
        ("employer", employer.unwrap_or_default()),
        ("placer_licence_no", text(&placement.placer_licence_no)),
        ("recruitment_permit_no", text(&placement.recruitment_permit_no)),
        ("first_departure_date", text(&placement.first_departure_date)),
        ("contract_signed_on", text(&placement.contract_signed_on)),
    ];
    for (name, value) in facts {
        document.set(FieldClass::Placement, name, value);
    }
    for one in &placement.evidence {
        match one.kind() {
            EvidenceKind::Medical | EvidenceKind::Psychology => {
                document.push(FieldClass::Health, "evidence", evidence(one, true));
            }
            EvidenceKind::IdentityCheck
            | EvidenceKind::Passport
            | EvidenceKind::WorkerCard
            | EvidenceKind::FamilyPermission
            | EvidenceKind::MaritalStatus => {
                document.push(FieldClass::Placement, "evidence", evidence(one, false));
                if !one.number.is_empty() {
                    let number = json!({ "kind": one.kind().as_str_name(), "number": one.number });
                    document.push(FieldClass::Identity, "documents", number);
                }
            }
            _ => document.push(FieldClass::Placement, "evidence", evidence(one, true)),
        }
    }
    document
}

fn evidence(evidence: &Evidence, with_number: bool) -> Value {
    object([
        ("kind", named(evidence.kind().as_str_name())),
        ("number", if with_number { text(&evidence.number) } else { Value::Null }),
        ("issuer", text(&evidence.issuer)),
        ("issued_on", text(&evidence.issued_on)),
        ("valid_from", text(&evidence.valid_from)),
        ("valid_until", text(&evidence.valid_until)),
        ("result", named(evidence.result().as_str_name())),
        ("detail", text(&evidence.detail)),
    ])
}
