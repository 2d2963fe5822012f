//! Event types that the options of the contract describe: no code per type, and every field in its class.

use prost::Message;
use simpul_proto::{
    catalogue, immigration, justice, nrm,
    prevention::{DeparturePrevented, IndicatorClaim, IndicatorKind, IndicatorReported},
    returns, v1,
    village::{FamilyNews, FamilyNotified},
};
use simpul_types::{FieldClass as F, View};

use crate::support::*;

const LP: &str = "LP/B/149/II/2026/SPKT/POLDA JAMBI";

fn entry(agency: &'static str, stream: &str, event_type: &'static str, payload: &impl Message) -> Input {
    Input { agency, stream: stream.into(), event_type, payload: payload.encode_to_vec() }
}

fn requested(case_ref: &str, person: v1::PersonClaim) -> Input {
    let requested = returns::RepatriationRequested {
        case_ref: case_ref.into(),
        person: Some(person),
        requested_on: "2026-04-01".into(),
        from_country: "MMR".into(),
        to_region: "6171".into(),
        payer: "STATE".into(),
    };
    entry("kbri-yangon", "mission-return/a", "simpul.returns.v1.RepatriationRequested", &requested)
}

fn cleared() -> Input {
    let cleared = returns::ReturnCleared {
        cleared_on: "2026-04-03".into(),
        cleared_by: "KBRI YANGON".into(),
        escort: "PETUGAS SATU".into(),
    };
    entry("kbri-yangon", "mission-return/a", "simpul.returns.v1.ReturnCleared", &cleared)
}

#[test]
fn a_stream_is_shown_whole_in_its_view_and_in_its_case_with_each_field_in_its_class() {
    let mut log = TestLog::new();
    log.append(&[intake("i", "C-1", claim("SITI", "", "X1111111", ""))]);
    log.append(&[requested("C-1", claim("SITI", "", "X1111111", ""))]);
    log.append(&[cleared()]);
    let (models, handle) = log.start(64);

    let case = models.document(View::Case, "C-1").unwrap().unwrap();
    assert_eq!(case.position.get(), 2);
    let record = case.classes[&F::Reference]["records"][1]["record"].as_str().unwrap().to_owned();
    let journey = models.document(View::Return, &record).unwrap().unwrap();
    for (document, named) in [(&case, true), (&journey, false)] {
        let events = document.classes[&F::Reference]["events"].as_array().unwrap();
        assert_eq!(
            (events[0]["type"].as_str(), events[1]["type"].as_str()),
            (Some("RepatriationRequested"), Some("ReturnCleared"))
        );
        assert_eq!((&events[0]["from_country"], &events[0]["position"]), (&"MMR".into(), &1.into()));
        assert_eq!(events[0].get("to_region"), None, "where a person goes is not for everybody");
        let identity = document.classes[&F::Identity]["events"].as_array().unwrap();
        assert_eq!(
            (&identity[0]["person"]["name"], &identity[0]["to_region"]),
            (&"SITI".into(), &"6171".into())
        );
        assert_eq!(identity[1]["escort"], "PETUGAS SATU");
        assert_eq!(identity[0].get("record").is_some(), named);
    }
    assert!(models.document(View::Complaint, &record).unwrap().is_none(), "it has one view");

    let changed: Vec<_> =
        models.changes(Default::default()).map(|change| change.unwrap().document.view).collect();
    assert_eq!(changed, [View::Case, View::Case, View::Return, View::Case, View::Return]);
    let digest = models.digest().unwrap();
    assert_eq!(log.rebuilt(&digest).digest, digest.digest, "PRJ-2");
    log.stop(handle);
}

#[test]
fn what_names_a_police_report_joins_its_case_and_suspects_stay_suspects() {
    let mut log = TestLog::new();
    log.append(&[report("lp", LP, "", vec![])]);
    let judgment = justice::JudgmentRendered {
        court_no: "12/Pid.Sus/2026/PN Jmb".into(),
        lp_number: LP.into(),
        suspect: Some(claim("RUDI", &nik(9), "", "")),
        instance: justice::Instance::First.into(),
        rendered_on: "2026-06-01".into(),
        judgment: justice::Judgment::Acquitted.into(),
        ..Default::default()
    };
    log.append(&[entry("kejaksaan", "court/a", "simpul.justice.v1.JudgmentRendered", &judgment)]);
    let (models, handle) = log.start(64);
    let case = models.document(View::Case, LP).unwrap().unwrap();
    let suspect = &case.classes[&F::Suspect]["events"][0];
    assert_eq!((&suspect["suspect"]["name"], &suspect["judgment"]), (&"RUDI".into(), &"ACQUITTED".into()));
    assert!(!case.classes.contains_key(&F::Identity), "a suspect is not shown as a person of the case");
    log.stop(handle);
}

#[test]
fn one_person_is_recognised_across_event_types() {
    let mut log = TestLog::new();
    let prevented = DeparturePrevented {
        incident_no: "BP3MI-KEPRI/2026/17".into(),
        person: Some(claim("SITI", &nik(1), "X1111111", "")),
        prevented_on: "2026-01-20".into(),
        place: "PELABUHAN BATAM CENTRE".into(),
        unit: "BP3MI KEPULAUAN RIAU".into(),
        grounds: vec!["TOURIST_VISA".into()],
        recruiter_indicators: vec![
            IndicatorClaim {
                kind: IndicatorKind::Phone.into(),
                value: "+6281200000001".into(),
                ..Default::default()
            },
            IndicatorClaim {
                kind: IndicatorKind::Handle.into(),
                value: "@loker".into(),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    log.append(&[entry("kp2mi", "bp3mi/17", "simpul.prevention.v1.DeparturePrevented", &prevented)]);
    let crossing = immigration::CrossingObserved {
        person: Some(claim("SITI", "", "X1111111", "")),
        direction: immigration::Direction::Outbound.into(),
        checkpoint: "SOEKARNO-HATTA".into(),
        crossed_on: "2026-07-20".into(),
        ..Default::default()
    };
    log.append(&[entry("imipas", "bcm/1", "simpul.immigration.v1.CrossingObserved", &crossing)]);
    let (models, handle) = log.start(64);
    let siti = models.person_by(simpul_projection::IdentifierKind::Nik, &nik(1)).unwrap().unwrap();
    let siti = models.person(&siti).unwrap().unwrap();
    assert_eq!(siti.records.len(), 2, "the second attempt is hers, though only the passport names her");
    let document = models.document(View::Departure, &siti.records[0].reference).unwrap().unwrap();
    let recruiter = &document.classes[&F::Suspect]["events"][0]["recruiter_indicators"];
    assert_eq!((&recruiter[0]["kind"], &recruiter[1]["value"]), (&"PHONE".into(), &"@loker".into()));
    log.stop(handle);
}

#[test]
fn a_case_tells_its_stage_holder_roles_decisions_referrals_and_clocks_each_to_its_readers() {
    let mut log = TestLog::new();
    log.append(&[intake("i", "C-1", claim("SITI", "", "X1111111", ""))]);
    let nrm = |agency, stream: &str, event_type, payload: &dyn Fn() -> Vec<u8>| Input {
        agency,
        stream: stream.into(),
        event_type,
        payload: payload(),
    };
    let offered = nrm::ReferralOffered {
        case_ref: "C-1".into(),
        person: Some(claim("SITI", "", "X1111111", "")),
        service: "SHELTER".into(),
        to_agencies: vec!["kemensos".into()],
        offered_on: "2026-03-02".into(),
        answer_by: "2026-03-09".into(),
        needs: vec!["MATERNITY".into()],
    };
    let suspect = nrm::RoleAssigned {
        case_ref: "C-1".into(),
        suspect: Some(claim("RUDI", &nik(9), "", "")),
        suspect_role: nrm::PersonRole::Recruiter.into(),
        from: "2026-03-02".into(),
        decided_by: "POLDA KEPRI".into(),
        ..Default::default()
    };
    let decided = nrm::IdentificationDecided {
        case_ref: "C-1".into(),
        person: Some(claim("SITI", "", "X1111111", "")),
        decided_under: nrm::DecidedUnder::HostCountry.into(),
        result: nrm::IdentificationResult::NotIdentified.into(),
        decided_on: "2026-03-01".into(),
        decided_by: "host police".into(),
    };
    let stage = nrm::StageChanged {
        case_ref: "C-1".into(),
        stage: nrm::Stage::UrgentSafety.into(),
        changed_on: "2026-03-01".into(),
        holder: "kbri-yangon".into(),
        ..Default::default()
    };
    let clock = nrm::ClockSet {
        case_ref: "C-1".into(),
        rule: "services-7d".into(),
        act: nrm::ClockAct::Start.into(),
        on: "2026-03-01".into(),
        ..Default::default()
    };
    let accepted = nrm::ReferralAccepted { accepted_on: "2026-03-03".into(), ..Default::default() };
    log.append(&[nrm("kbri-yangon", "nrm/c", "simpul.nrm.v1.StageChanged", &|| stage.encode_to_vec())]);
    log.append(&[nrm("kbri-yangon", "nrm/d", "simpul.nrm.v1.IdentificationDecided", &|| {
        decided.encode_to_vec()
    })]);
    log.append(&[nrm("polri", "nrm/r", "simpul.nrm.v1.RoleAssigned", &|| suspect.encode_to_vec())]);
    log.append(&[nrm("kbri-yangon", "nrm/k", "simpul.nrm.v1.ClockSet", &|| clock.encode_to_vec())]);
    log.append(&[nrm("kbri-yangon", "ref/1", "simpul.nrm.v1.ReferralOffered", &|| offered.encode_to_vec())]);
    log.append(&[nrm("kemensos", "ref/1", "simpul.nrm.v1.ReferralAccepted", &|| accepted.encode_to_vec())]);
    let (models, handle) = log.start(3);
    let case = models.document(View::Case, "C-1").unwrap().unwrap();
    let reference = &case.classes[&F::Reference];
    assert_eq!(
        (&reference["stage"]["stage"], &reference["stage"]["holder"]),
        (&"URGENT_SAFETY".into(), &"kbri-yangon".into())
    );
    let referral = &reference["referrals"][0];
    assert_eq!((&referral["state"], &referral["by"]), (&"ACCEPTED".into(), &"kemensos".into()));
    assert_eq!((&reference["clocks"][0]["due"], reference.get("flags")), (&"2026-03-08".into(), None));
    assert_eq!(case.classes[&F::Suspect]["roles"][0]["role"], "RECRUITER");
    assert_eq!(case.classes[&F::ScreeningResult]["decisions"][0]["result"], "NOT_IDENTIFIED");
    let shown = serde_json::to_string(reference).unwrap();
    for hidden in ["SITI", "RUDI", "MATERNITY", "RECRUITER", "NOT_IDENTIFIED"] {
        assert!(!shown.contains(hidden), "{hidden} is not for everybody");
    }
    log.stop(handle);
}

#[test]
fn a2_a_telephone_that_two_records_name_is_told_to_both_without_victims() {
    let mut log = TestLog::new();
    let reported = |agency, stream: &str, lp: &str, phone: &str| {
        let indicator =
            IndicatorClaim { kind: IndicatorKind::Phone.into(), value: phone.into(), ..Default::default() };
        let report = IndicatorReported {
            indicators: vec![indicator.clone(), indicator],
            modus: "ONLINE_SCAM".into(),
            seen_on: "2026-01-02".into(),
            lp_number: lp.into(),
            ..Default::default()
        };
        entry(agency, stream, "simpul.prevention.v1.IndicatorReported", &report)
    };
    log.append(&[reported("polri", "indicator/1", "LP/B/1/I/2026/SPKT/POLDA JAMBI", "0812-0000-0001")]);
    log.append(&[reported("polri", "indicator/1", "LP/B/1/I/2026/SPKT/POLDA JAMBI", "0812-0000-0001")]);
    let prevented = DeparturePrevented {
        incident_no: "17".into(),
        person: Some(claim("SITI", &nik(1), "", "")),
        prevented_on: "2026-01-20".into(),
        place: "BATAM CENTRE".into(),
        unit: "BP3MI KEPULAUAN RIAU".into(),
        grounds: vec!["TOURIST_VISA".into()],
        recruiter_indicators: vec![IndicatorClaim {
            kind: IndicatorKind::Phone.into(),
            value: "+62 812 0000 0001".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    log.append(&[entry("kp2mi", "bp3mi/17", "simpul.prevention.v1.DeparturePrevented", &prevented)]);
    let (models, handle) = log.start(2);
    let changes: Vec<_> = models.changes(Default::default()).map(|change| change.unwrap().document).collect();
    let views: Vec<_> = changes.iter().map(|document| document.view).collect();
    assert_eq!(views, [View::Indicator, View::Indicator, View::Departure, View::Indicator]);
    let shared = &changes[3];
    let reference = &shared.classes[&F::Reference];
    assert_eq!((&reference["kind"], &reference["records_total"]), (&"shared_indicator".into(), &2.into()));
    let sources: Vec<_> = (0..2).map(|n| reference["sightings"][n]["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["polri", "kp2mi"]);
    assert_eq!(reference["sightings"][1]["unit"], "BP3MI KEPULAUAN RIAU");
    assert_eq!(shared.classes[&F::Suspect]["reports"][0]["lp_number"], "LP/B/1/I/2026/SPKT/POLDA JAMBI");
    let whole = serde_json::to_string(&shared.cut(&F::ALL.iter().copied().collect())).unwrap();
    assert!(!whole.contains("SITI") && !whole.contains(&nik(1)));
    let again = models.document(View::Indicator, &shared.r#ref).unwrap().unwrap();
    assert!(again == *shared, "asked for now, it is what was sent");
    let digest = models.digest().unwrap();
    assert_eq!(log.rebuilt(&digest).digest, digest.digest, "PRJ-2");
    log.stop(handle);
}

/// A class or a view that the hub does not know would be shown to nobody.
#[test]
fn every_type_of_the_catalogue_names_a_view_and_classes_that_there_are() {
    for kind in catalogue::kinds() {
        assert!(kind.view.parse::<View>().is_ok(), "{}: view {}", kind.name(), kind.view);
        for class in kind.classes() {
            assert!(class.parse::<F>().is_ok(), "{}: class {class}", kind.name());
        }
    }
}

#[test]
fn a_document_for_one_agency_does_not_show_what_its_stream_held_for_another() {
    let notice = |village: &str, news: FamilyNews| {
        let notified = FamilyNotified {
            village_agency: village.into(),
            name: "SITI".into(),
            news: news.into(),
            consent_on: "2026-02-01".into(),
            told_on: "2026-02-03".into(),
        };
        entry("kp2mi", "registry-notice/a", "simpul.village.v1.FamilyNotified", &notified)
    };
    let mut log = TestLog::new();
    log.append(&[notice("desa-satu", FamilyNews::NotDeparted)]);
    log.append(&[notice("desa-satu", FamilyNews::Departed)]);
    log.append(&[notice("desa-dua", FamilyNews::Returned)]);
    let (models, handle) = log.start(64);
    let told = |change: usize| {
        let document = models.changes(Default::default()).nth(change).unwrap().unwrap().document;
        let events = document.classes[&F::Reference]["events"].as_array().unwrap();
        let news = events.iter().map(|event| event["news"].as_str().unwrap().to_owned());
        (document.addressee.clone(), news.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(told(1), ("desa-satu".into(), "NOT_DEPARTED DEPARTED".into()));
    assert_eq!(told(2), ("desa-dua".into(), "RETURNED".into()));
    log.stop(handle);
}
