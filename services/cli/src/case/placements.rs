//! Placements of the people of a case: how they left, and whether that was legal then. Every question is one of its own, on the record.

use std::collections::BTreeSet;

use serde_json::Value;
use simpul_proto::v1::{
    self, check_request::Subject, legality_service_client::LegalityServiceClient,
    picture_service_client::PictureServiceClient,
};

use super::page::{Step, claims};
use crate::{
    connection::{self, Connection},
    trust,
};

/// People asked about; a case of hundreds is read person by person.
const PEOPLE_MAX: usize = 5;

/// Steps from the placements of those whom class `identity` names. What policy refuses for this purpose is left out.
pub async fn steps(
    hub: &Connection,
    document: &Value,
    (case_ref, purpose, official): (&str, &str, &str),
) -> anyhow::Result<Vec<Step>> {
    let identity = &document["identity"];
    let of = |name: &str| identity[name].as_array().map_or(&[][..], Vec::as_slice);
    let named = of("persons").iter().chain(of("events").iter().flat_map(claims));
    let ids: BTreeSet<&str> = named.filter_map(|claim| claim["person"].as_str()).collect();
    let key = connection::verdict_key(&hub.file, None)?;
    let log = connection::log_key(&hub.file)?;
    let mut steps = Vec::new();
    for id in ids.into_iter().take(PEOPLE_MAX) {
        let request = v1::CheckRequest {
            subject: Some(Subject::PersonRef(id.to_owned())),
            purpose: purpose.to_owned(),
            case_ref: case_ref.to_owned(),
            official: official.to_owned(),
            ..Default::default()
        };
        let Ok(answer) = LegalityServiceClient::new(hub.channel.clone()).check(request).await else {
            continue;
        };
        let Some(signed) = answer.into_inner().signed else { continue };
        let verdict = trust::verdict(&signed, &key, log.as_ref())?.verdict;
        if verdict.placement_ref.is_empty() {
            continue;
        }
        let request = v1::GetPlacementRequest {
            placement_ref: verdict.placement_ref.clone(),
            purpose: purpose.to_owned(),
            official: official.to_owned(),
            case_ref: case_ref.to_owned(),
            ..v1::GetPlacementRequest::default()
        };
        let Ok(placement) = PictureServiceClient::new(hub.channel.clone()).get_placement(request).await
        else {
            continue;
        };
        let placement = placement.into_inner();
        steps.extend(of_placement(&serde_json::from_str(&placement.json)?, placement.position, &verdict));
    }
    Ok(steps)
}

fn of_placement(fields: &Value, position: u64, verdict: &v1::Verdict) -> Vec<Step> {
    let word = |class: &str, name: &str| fields[class][name].as_str().unwrap_or_default().to_owned();
    let source = word("reference", "source");
    let step = |day: String, title: (&str, &str), details: Vec<String>| Step {
        day,
        position,
        title: (title.0.into(), title.1.into()),
        details,
        source: source.clone(),
    };
    let said = |name: &str, value: String| (!value.is_empty()).then(|| format!("{name}: {value}"));
    let mut steps = Vec::new();
    let signed = word("placement", "contract_signed_on");
    if !signed.is_empty() {
        let employer = fields["placement"]["employer"]["name"].as_str().unwrap_or_default().to_owned();
        let details = [
            said("employer", employer),
            said("occupation", word("placement", "occupation")),
            said("placer licence", word("placement", "placer_licence_no")),
        ];
        let title = ("Direkrut, kontrak ditandatangani", "Recruited, contract signed");
        steps.push(step(signed, title, details.into_iter().flatten().collect()));
    }
    let details = [
        said("destination", word("reference", "destination")),
        said("scheme", word("reference", "scheme")),
        said("status", word("reference", "status")),
        said("legality", verdict.kind().as_str_name().to_owned()),
        said("rule set", verdict.rule_set.clone()),
    ];
    let departed = word("reference", "departure_date");
    let day = if departed.is_empty() { "----------".to_owned() } else { departed };
    steps.push(step(
        day,
        ("Penempatan, berangkat", "Placement, departed"),
        details.into_iter().flatten().collect(),
    ));
    steps
}
