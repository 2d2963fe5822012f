//! A placement with its evidence.

use serde_json::{Value, json};
use simpul_proto::registry::{
    ContractChange, CostCharged, Evidence, EvidenceKind, PlacementRecorded, SeaContract,
};
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
    for (name, value) in after_signing(placement) {
        document.set(FieldClass::Placement, name, value);
    }
    if let Some(code) = placement.sea_contract.as_ref().map(|contract| &contract.seafarer_code) {
        document.set(FieldClass::Identity, "seafarer_code", text(code));
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
            | EvidenceKind::MaritalStatus
            | EvidenceKind::SeafarerBook => {
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

/// Costs, the sea crew's agreement, the report of arrival, changes of the contract.
fn after_signing(placement: &PlacementRecorded) -> [(&'static str, Value); 4] {
    let cost = |cost: &CostCharged| {
        object([
            ("kind", named(cost.kind().as_str_name())),
            ("amount_idr", cost.amount_idr.into()),
            ("means", named(cost.means().as_str_name())),
            ("charged_by", text(&cost.charged_by)),
            ("charged_on", text(&cost.charged_on)),
        ])
    };
    let change = |change: &ContractChange| {
        object([
            ("changed_on", text(&change.changed_on)),
            ("kind", named(change.kind().as_str_name())),
            ("recorded_by", text(&change.recorded_by)),
            ("destination", text(&change.destination)),
            ("employer", text(&change.employer)),
        ])
    };
    let arrival = placement.arrival_report.as_ref().map(|report| {
        object([
            ("reported_on", text(&report.reported_on)),
            ("channel", text(&report.channel)),
            ("mission", text(&report.mission)),
        ])
    });
    [
        ("costs", placement.costs.iter().map(cost).collect()),
        ("sea_contract", placement.sea_contract.as_ref().map(sea_contract).unwrap_or_default()),
        ("arrival_report", arrival.unwrap_or_default()),
        ("contract_changes", placement.contract_changes.iter().map(change).collect()),
    ]
}

fn sea_contract(contract: &SeaContract) -> Value {
    let number = |number: u64| if number == 0 { Value::Null } else { number.into() };
    object([
        ("vessel_name", text(&contract.vessel_name)),
        ("imo_number", text(&contract.imo_number)),
        ("registry_no", text(&contract.registry_no)),
        ("flag", text(&contract.flag)),
        ("rank", text(&contract.rank)),
        ("hours_per_day_max", number(contract.hours_per_day_max.into())),
        ("hours_per_week_max", number(contract.hours_per_week_max.into())),
        ("wage_month", number(contract.wage_month)),
        ("wage_currency", text(&contract.wage_currency)),
        ("repatriation_by", text(&contract.repatriation_by)),
        ("endorsed_by", text(&contract.endorsed_by)),
        ("endorsed_on", text(&contract.endorsed_on)),
    ])
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
