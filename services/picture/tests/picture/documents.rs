//! GetCase, GetPlacement, GetPosition.

use simpul_proto::v1::{
    GetCaseRequest, GetPlacementRequest, GetPositionRequest, picture_service_server::PictureService,
};
use tonic::Code;

use crate::support::*;

fn case(case_ref: &str, purpose: &str) -> GetCaseRequest {
    GetCaseRequest {
        case_ref: case_ref.into(),
        purpose: purpose.into(),
        official: "petugas-7".into(),
        at_least_position: None,
        emergency_position: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn qry_1_a_case_is_cut_to_the_agency_and_its_entry_is_there_before_the_answer() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let mut request = case("c-1", "ASSIST");
    request.at_least_position = Some(2);
    let seen = hub.service.get_case(by("kbri-yangon", request)).await.unwrap().into_inner();
    assert_eq!((seen.view.as_str(), seen.position), ("case", 2));
    assert!(seen.json.contains("SITI CONTOH") && seen.json.contains("canary-narrative"));
    assert!(!seen.json.contains("canary-recruiter"));
    assert_eq!(seen.withheld, ["suspect"]);
    assert!(!seen.checkpoint.is_empty());
    let entries = hub.entries();
    let entry = &entries[seen.access_entry as usize];
    assert_eq!((entry.action.as_str(), entry.answer.as_str()), ("picture.case", "DOCUMENT"));
    assert_eq!((entry.case_ref.as_str(), entry.subject_ref.as_str()), ("C-1", seen.r#ref.as_str()));
    assert_eq!((entry.official.as_str(), entry.purpose.as_str()), ("petugas-7", "ASSIST"));
    assert!(entry.disclosed.contains(&"screening".to_owned()) && !entry.policies.is_empty());

    let seen = hub.service.get_case(by("kp2mi", case("C-1", "RETURN"))).await.unwrap().into_inner();
    for secret in ["canary-narrative", "canary-shelter", "canary-recruiter"] {
        assert!(!seen.json.contains(secret), "{secret}");
    }
    assert_eq!(
        seen.withheld,
        ["screening", "health", "shelter_location", "suspect"],
        "named whether there or not"
    );
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_the_word_that_there_is_nothing_leave_entries_too() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let refused = hub.service.get_case(by("ombudsman", case("C-1", "OVERSIGHT"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let purpose = hub.service.get_case(by("kp2mi", case("C-1", "CURIOSITY"))).await.unwrap_err();
    assert_eq!(purpose.code(), Code::PermissionDenied);
    let nothing = hub.service.get_case(by("kp2mi", case("LP/B/1/2026", "RETURN"))).await.unwrap_err();
    assert_eq!(nothing.code(), Code::NotFound);
    let answers: Vec<_> = hub.entries().into_iter().map(|entry| (entry.answer, entry.case_ref)).collect();
    let bare = |answer: &str| (answer.to_owned(), String::new());
    assert_eq!(
        answers,
        [bare("DENIED"), bare("DENIED"), bare("NO_RECORD")],
        "what was asked is sealed beside them"
    );
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_names_its_field_and_leaves_its_entry() {
    let hub = Hub::new();
    let mut no_official = case("C-1", "RETURN");
    no_official.official.clear();
    for (request, field) in [
        (no_official, "official"),
        (case("", "RETURN"), "case_ref"),
        (case(&"x".repeat(129), "RETURN"), "case_ref"),
        (case("C-1", "not a purpose"), "purpose"),
    ] {
        let status = hub.service.get_case(by("kp2mi", request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{}", status.message());
    }
    let nobody = hub.service.get_case(tonic::Request::new(case("C-1", "RETURN"))).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    // Who tries is told too; nothing of what was asked stands in clear.
    let entries = hub.entries();
    assert_eq!(entries.len(), 4);
    assert!(
        entries.iter().all(|entry| entry.answer == "MALFORMED"
            && entry.case_ref.is_empty()
            && entry.official.is_empty())
    );
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_is_found_by_the_reference_that_facts_name() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let person = hub.models.person_by(simpul_projection::IdentifierKind::Nik, NIK).unwrap().unwrap();
    let reference = hub.models.facts(&person).unwrap().placements[0].reference.clone();
    let request = GetPlacementRequest {
        placement_ref: reference.clone(),
        purpose: "VERIFY_LEGALITY".into(),
        official: "petugas-7".into(),
        case_ref: "C-9".into(),
        ..GetPlacementRequest::default()
    };
    let seen = hub.service.get_placement(by("kbri-yangon", request.clone())).await.unwrap().into_inner();
    assert_eq!(seen.r#ref, reference);
    let entry = hub.entries().pop().unwrap();
    assert_eq!(
        (entry.case_ref.as_str(), entry.links.len()),
        ("C-9", 1),
        "the case that it was said to belong to"
    );
    let json: serde_json::Value = serde_json::from_str(&seen.json).unwrap();
    assert_eq!(json["reference"]["destination"], "HKG");
    assert_eq!(json["placement"]["placement_no"], "PN-1");
    assert!(json.get("identity").is_none() && seen.withheld.contains(&"identity".to_owned()));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_agencies_learn_how_far_everything_has_come() {
    let mut hub = Hub::new();
    hub.with_case().await;
    let seen = hub.service.get_position(by("ombudsman", GetPositionRequest {})).await.unwrap().into_inner();
    assert_eq!((seen.log_position, seen.read_position), (2, 2));
    let stranger = hub.service.get_position(by("stranger", GetPositionRequest {})).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied);
    let answers: Vec<_> = hub.entries().into_iter().map(|entry| entry.answer).collect();
    assert_eq!(answers, ["POSITION", "DENIED"]);
    hub.stop().await;
}
