//! The service over its real parts: every answer signed, every answer and refusal recorded first.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::Duration;

use prost::Message;
use simpul_proto::{
    registry::{Evidence, EvidenceKind, LicenceKind, LicenceRecorded},
    v1::{
        Certificate, CheckRequest, Freshness, VerdictKind, check_request::Subject,
        legality_service_client::LegalityServiceClient, legality_service_server::LegalityServiceServer,
    },
};
use simpul_signing::{CERTIFICATE_TYPE, VERDICT_TYPE, sha256};
use support::{HOUR_US, Hub, NOON_US, ZONE, by_nik, caller, placement, question};
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{Code, Request};

#[tokio::test]
async fn qry_1_a_verdict_carries_the_index_of_its_durable_access_entry() {
    let hub = Hub::new().await;
    let verdict = hub.verdict(&by_nik()).await;
    assert_eq!(verdict.kind(), VerdictKind::Procedural, "{:?}", verdict.requirements);
    assert_eq!((verdict.valid_at.as_str(), verdict.rule_set.as_str()), ("2023-09-01", "id-pmi-2023-08"));
    assert_eq!((verdict.agency.as_str(), verdict.purpose.as_str()), ("kbri-yangon", "VERIFY_LEGALITY"));
    assert_eq!((verdict.destination.as_str(), verdict.version, verdict.position), ("TWN", 1, 3));
    assert_eq!(verdict.requirements.len(), 22);
    assert_eq!(verdict.requirements[0].source, "kp2mi");
    assert_eq!(verdict.requirements[11].evidence_position, Some(0));

    let second = hub.verdict(&by_nik()).await;
    assert_eq!((verdict.access_entry, second.access_entry), (0, 1));
    let entry = &hub.entries()[0];
    assert_eq!((entry.agency.as_str(), entry.official.as_str()), ("kbri-yangon", "petugas-7"));
    assert_eq!((entry.action.as_str(), entry.answer.as_str()), ("legality.check", "PROCEDURAL"));
    assert_eq!((entry.subject_ref.clone(), entry.position), (verdict.subject_ref, verdict.position));
    assert_eq!(entry.policies, ["mission-checks-legality"]);
    assert_eq!(entry.disclosed, ["placement"]);
    assert_eq!(entry.checkpoint_digest[..], sha256(&[verdict.checkpoint.as_bytes()]));
    assert_eq!(entry.directory_position, 2);
    hub.stop().await;
}

#[tokio::test]
async fn every_way_to_name_a_person_leads_to_the_same_placement() {
    let hub = Hub::new().await;
    let reference = hub.verdict(&by_nik()).await.placement_ref;
    assert!(!reference.is_empty());
    for subject in [
        Subject::Nik(" 32010152 06750001".into()),
        Subject::Passport("x 123 4567".into()),
        Subject::Card("epmi202301".into()),
        Subject::Mrz(ZONE.to_lowercase()),
    ] {
        let verdict = hub.verdict(&question(subject)).await;
        assert_eq!((verdict.placement_ref, verdict.warnings), (reference.clone(), vec![]));
    }
    // A damaged birth date is told; the number still leads to the person.
    let damaged = hub.verdict(&question(Subject::Mrz(ZONE.replace("7506121F", "7506131F")))).await;
    assert_eq!((damaged.placement_ref, damaged.warnings), (reference, vec!["MRZ_CHECK_DIGIT".to_owned()]));
    hub.stop().await;
}

#[tokio::test]
async fn a_person_unknown_to_the_registry_is_never_non_procedural() {
    let hub = Hub::new().await;
    let verdict = hub.verdict(&question(Subject::Passport("B7654321".into()))).await;
    assert_eq!(verdict.kind(), VerdictKind::InsufficientEvidence);
    assert_eq!(verdict.can_answer, ["kp2mi"]);
    assert_eq!(verdict.valid_at, "2026-01-15", "today in Jakarta");
    let entry = &hub.entries()[0];
    assert_eq!(entry.answer, "NO_RECORD");
    assert!(!entry.subject_ref.is_empty());
    hub.stop().await;
}

#[tokio::test]
async fn qry_1_a_refusal_is_recorded_before_it_is_told() {
    let hub = Hub::new().await;
    for (agency, purpose) in [("kbri-yangon", "PLACEMENT"), ("stranger", "VERIFY_LEGALITY")] {
        let request = CheckRequest { purpose: purpose.into(), ..by_nik() };
        let error = hub.service.check(&caller(agency), &request).await.expect_err("refused");
        assert_eq!(error.code(), Code::PermissionDenied);
    }
    let entries = hub.entries();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.answer == "DENIED" && entry.disclosed.is_empty()));
    hub.stop().await;
}

#[tokio::test]
async fn a_malformed_question_is_refused_naming_the_field_and_leaves_its_entry() {
    let hub = Hub::new().await;
    let request = question(Subject::Nik("3201015206750000".into()));
    let error = hub.service.check(&caller("kbri-yangon"), &request).await.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().starts_with("nik: "), "{}", error.message());
    let known = CheckRequest { known_at_us: Some(i64::MAX), ..by_nik() };
    let error = hub.service.check(&caller("kbri-yangon"), &known).await.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().starts_with("known_at_us: "), "{}", error.message());
    // Who tries is told too; nothing of the question stands in clear.
    let entries = hub.entries();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!(
            (entry.answer.as_str(), entry.purpose.as_str(), entry.subject_ref.as_str()),
            ("MALFORMED", "", "")
        );
        assert!(entry.links.is_empty() && entry.disclosed.is_empty());
    }
    hub.stop().await;
}

#[tokio::test]
async fn qry_1_no_answer_leaves_where_the_access_cannot_be_recorded() {
    let hub = Hub::new().await;
    hub.access.close();
    let error = hub.service.check(&caller("kbri-yangon"), &by_nik()).await.expect_err("refused");
    assert_eq!(error.code(), Code::Unavailable);
    hub.stop().await;
}

#[tokio::test]
async fn an_answer_waits_for_the_position_that_is_asked_for() {
    let mut hub = Hub::new().await;
    let mut changed = placement();
    changed.evidence.retain(|piece| piece.kind() != EvidenceKind::Visa);
    let end = hub.record("simpul.registry.v1.PlacementRecorded", "sisko-placement/p", &changed).await;
    let verdict = hub.verdict(&CheckRequest { at_least_position: Some(end.get()), ..by_nik() }).await;
    assert_eq!((verdict.kind(), verdict.position), (VerdictKind::NonProcedural, end.get()));
    let decides: Vec<_> =
        verdict.requirements.iter().filter(|row| row.decides).map(|row| row.id.as_str()).collect();
    assert_eq!(decides, ["R9"]);
    hub.stop().await;
}

#[tokio::test]
async fn a_certificate_is_short_names_nobody_and_is_bound_to_its_verdict() {
    let hub = Hub::new().await;
    let asked = CheckRequest { certificate: true, ..by_nik() };
    let response = hub.service.check(&caller("kbri-yangon"), &asked).await.unwrap();
    let short = response.certificate.clone().unwrap();
    hub.key.verifying_key().verify_dsse(CERTIFICATE_TYPE, &short.verdict, &short.signature).unwrap();
    assert!(
        hub.key.verifying_key().verify_dsse(VERDICT_TYPE, &short.verdict, &short.signature).is_err(),
        "a certificate never passes for a verdict"
    );
    assert!(short.encode_to_vec().len() < 450, "{} bytes for a QR code", short.encode_to_vec().len());
    let certificate = Certificate::decode(short.verdict).unwrap();
    assert_eq!(certificate.verdict_digest[..], sha256(&[&response.signed.as_ref().unwrap().verdict]));
    assert_eq!((certificate.kind(), certificate.decides.len()), (VerdictKind::Procedural, 0));
    let verdict = hub.open(response);
    assert_eq!((certificate.access_entry, certificate.position), (verdict.access_entry, verdict.position));
    assert_eq!(hub.service.check(&caller("kbri-yangon"), &by_nik()).await.unwrap().certificate, None);
    hub.stop().await;
}

#[tokio::test]
async fn a9_a_verdict_says_when_its_source_was_last_heard_of() {
    let mut hub = Hub::new().await;
    let freshness = |verdict: &simpul_proto::v1::Verdict| {
        let row = &verdict.requirements[0];
        (row.freshness(), row.source_heard_at_us, verdict.warnings.clone())
    };
    assert_eq!(freshness(&hub.verdict(&by_nik()).await), (Freshness::Fresh, NOON_US, vec![]));
    hub.clock.set_hours_past_noon(24 * 5);
    let stale = vec!["SOURCE_STALE".to_owned()];
    assert_eq!(freshness(&hub.verdict(&by_nik()).await), (Freshness::Stale, NOON_US, stale));
    // The backlog comes in, about whomever.
    let licence = support::licence(LicenceKind::Sip3mi, "C 3");
    let end = hub.record("simpul.registry.v1.LicenceRecorded", "sisko-licence/c", &licence).await;
    let verdict = hub.verdict(&CheckRequest { at_least_position: Some(end.get()), ..by_nik() }).await;
    assert_eq!(freshness(&verdict), (Freshness::Fresh, NOON_US + 24 * 5 * HOUR_US, vec![]));
    hub.stop().await;
}

#[tokio::test]
async fn an_investigator_sees_what_an_officer_could_have_known() {
    let mut hub = Hub::new().await;
    let kp2mi = "simpul.registry.v1.PlacementRecorded";
    // An hour on, the registry takes back the visa and learns of a second passport; two hours on, the company is revoked.
    hub.clock.set_hours_past_noon(1);
    let mut changed = placement();
    changed.evidence.retain(|piece| piece.kind() != EvidenceKind::Visa);
    let second = "X7654321";
    let passport = changed.evidence.iter().find(|piece| piece.kind() == EvidenceKind::Passport).unwrap();
    changed.evidence.push(Evidence { number: second.into(), ..passport.clone() });
    hub.record(kp2mi, "sisko-placement/p", &changed).await;
    hub.clock.set_hours_past_noon(2);
    let revoked =
        LicenceRecorded { revoked_on: "2023-06-01".into(), ..support::licence(LicenceKind::Sip3mi, "A 1") };
    let end = hub.record("simpul.registry.v1.LicenceRecorded", "sisko-licence/a", &revoked).await;
    assert!(hub.models.wait_for(end, Duration::from_secs(30)).await);
    hub.clock.set_hours_past_noon(24);

    let told = async |subject: Subject, minutes: i64| {
        let known_at_us = Some(NOON_US + minutes * HOUR_US / 60);
        let verdict = hub.verdict(&CheckRequest { known_at_us, ..question(subject) }).await;
        assert_eq!(verdict.known_at_us, known_at_us);
        let rows = verdict.requirements.iter().filter(|row| row.decides);
        let decides: Vec<_> = rows.map(|row| row.id.clone()).collect();
        if decides.len() > 5 {
            assert!(verdict.placement_ref.is_empty());
            return format!("{} nobody at {}", verdict.kind().as_str_name(), verdict.position);
        }
        format!("{} {} at {}", verdict.kind().as_str_name(), decides.join(" "), verdict.position)
    };
    let nik = || Subject::Nik(support::NIK.into());
    assert_eq!(told(nik(), -1).await, "INSUFFICIENT_EVIDENCE nobody at 0");
    assert_eq!(told(nik(), 0).await, "PROCEDURAL  at 3");
    assert_eq!(told(nik(), 59).await, "PROCEDURAL  at 3");
    assert_eq!(told(nik(), 60).await, "NON_PROCEDURAL R9 at 4");
    assert_eq!(told(nik(), 120).await, "NON_PROCEDURAL R9 R12 at 5");
    // A number that was not on record yet led nobody to the person.
    let passport = || Subject::Passport(second.into());
    assert_eq!(told(passport(), 59).await, "INSUFFICIENT_EVIDENCE nobody at 3");
    assert_eq!(told(passport(), 60).await, "NON_PROCEDURAL R9 at 4");
    // Without a time: everything.
    let now = hub.verdict(&by_nik()).await;
    assert_eq!((now.position, now.known_at_us), (5, None));
    hub.stop().await;
}

#[tokio::test]
async fn valid_at_is_the_day_that_is_judged() {
    let hub = Hub::new().await;
    let verdict = hub.verdict(&CheckRequest { valid_at: "2023-08-20".into(), ..by_nik() }).await;
    assert_eq!(
        (verdict.valid_at.as_str(), verdict.warnings),
        ("2023-08-20", vec!["NOT_DEPARTED".to_owned()])
    );
    hub.stop().await;
}

/// A server on port 0 that takes every connection for the mission's.
async fn client(hub: &Hub) -> LegalityServiceClient<tonic::transport::Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::result_large_err, reason = "tonic's own type")]
    let named = |mut request: Request<()>| {
        request.extensions_mut().insert(caller("kbri-yangon"));
        Ok(request)
    };
    let service = LegalityServiceServer::with_interceptor(hub.service.clone(), named);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    LegalityServiceClient::connect(format!("http://{address}")).await.unwrap()
}

#[tokio::test]
async fn a_line_up_is_answered_in_order_row_by_row() {
    let hub = Hub::new().await;
    let mut client = client(&hub).await;
    let subject = |n: u32| match n % 3 {
        0 => by_nik(),
        _ => question(Subject::Passport(format!("B{n:07}"))),
    };
    let mut questions: Vec<_> = (0..100).map(subject).collect();
    questions.push(question(Subject::Card("#".into())));
    questions.push(by_nik());
    let mut answers = client.check_batch(tokio_stream::iter(questions)).await.unwrap().into_inner();
    let mut faults = Vec::new();
    for n in 0..102_u32 {
        let answer = tokio::time::timeout(Duration::from_secs(30), answers.next()).await.unwrap();
        let answer = answer.unwrap().unwrap();
        if let Some(fault) = answer.fault {
            assert!(answer.signed.is_none());
            faults.push((n, fault.code, fault.field, fault.message));
            continue;
        }
        let verdict = hub.open(answer);
        assert_eq!(verdict.kind() == VerdictKind::Procedural, n % 3 == 0 || n == 101, "{n}");
    }
    assert!(answers.next().await.is_none());
    let [(100, code, field, message)] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((*code, field.as_str()), (Code::InvalidArgument as u32, "card"));
    assert!(message.starts_with("card: must be"), "{message}");
    let entries = hub.entries();
    let malformed = entries.iter().filter(|entry| entry.answer == "MALFORMED").count();
    assert_eq!((entries.len(), malformed), (102, 1));
    let answer = client.check(by_nik()).await.unwrap().into_inner();
    assert_eq!(hub.open(answer).kind(), VerdictKind::Procedural, "the connection is still usable");
    hub.stop().await;
}
