//! GetRecord, ListDefinitions, Count. Every event is invented.

use simpul_proto::{
    police::CaseUpdated,
    prevention::DeparturePrevented,
    statistics::{FigureStated, Unit},
    v1::{
        CountRequest, GetRecordRequest, ListDefinitionsRequest, PersonClaim,
        picture_service_server::PictureService,
    },
};
use tonic::Code;

use crate::support::*;

fn count(code: &str) -> CountRequest {
    CountRequest {
        code: code.into(),
        from: "2025-01-01".into(),
        until: "2025-12-31".into(),
        purpose: "STATISTICS".into(),
        official: "analis-1".into(),
        ..CountRequest::default()
    }
}

async fn with_reports(hub: &mut Hub, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let report = CaseUpdated {
            lp_number: format!("LP/B/{number}/V/2025/SPKT/POLDA KEPRI"),
            stage_date: "2025-05-05".into(),
            unit: if number % 20 == 0 { "POLDA JAMBI" } else { "POLDA KEPRI" }.into(),
            articles: vec!["UU 21/2007 pasal 2".into()],
            ..CaseUpdated::default()
        };
        hub.append("polri", "simpul.police.v1.CaseUpdated", &format!("polri-lp/{number}"), &report).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_count_names_its_definition_and_cut_off_hides_small_cells_and_explains_stated_figures() {
    let mut hub = Hub::new();
    with_reports(&mut hub, 0..40).await;
    let stated = FigureStated {
        title: "TPPO 2025".into(),
        unit: Unit::Case.into(),
        period_from: "2025-01-01".into(),
        period_until: "2025-11-30".into(),
        value: 403,
        source: "siaran pers".into(),
        stated_on: "2026-01-05".into(),
        ..FigureStated::default()
    };
    let end = hub.append("kemenko", "simpul.statistics.v1.FigureStated", "figure/1", &stated).await;
    with_reports(&mut hub, 40..45).await;

    let mut asked = count("tppo-police-reports");
    (asked.compare, asked.cut_off_position) = (true, Some(end.get()));
    let counted = hub.service.count(by("ombudsman", asked.clone())).await.unwrap().into_inner();
    assert_eq!(counted.total.unwrap().value, Some(40), "what came after the cut-off is not counted");
    assert_eq!(
        (counted.cut_off_position, counted.definition.unwrap().unit.as_str()),
        (end.get(), "POLICE_REPORT")
    );
    let why: Vec<_> = counted.figures[0].differences.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(why, ["UNIT", "PERIOD", "SOURCE", "UNSTATED"]);
    assert_eq!(hub.entries()[counted.access_entry as usize].action, "picture.count");

    let grouped = CountRequest { group_by: "unit".into(), ..count("tppo-police-reports") };
    let grouped = hub.service.count(by("ombudsman", grouped)).await.unwrap().into_inner();
    let rows: Vec<_> = grouped.rows.iter().map(|cell| (cell.group.as_str(), cell.value)).collect();
    assert_eq!(
        rows,
        [("POLDA JAMBI", None), ("POLDA KEPRI", None)],
        "three reports would show by subtraction"
    );
    assert_eq!(grouped.total.unwrap().value, Some(45));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_refused_or_malformed_by_field() {
    let hub = Hub::new();
    let list = ListDefinitionsRequest { purpose: "STATISTICS".into(), official: "analis-1".into() };
    let listed = hub.service.list_definitions(by("kp2mi", list)).await.unwrap().into_inner();
    assert!(listed.definitions.iter().any(|one| one.code == "tppo-cases"));
    let other = CountRequest { purpose: "RETURN".into(), ..count("tppo-cases") };
    assert_eq!(hub.service.count(by("kp2mi", other)).await.unwrap_err().code(), Code::PermissionDenied);
    type Break = fn(&mut CountRequest);
    let cases: [(&str, Break); 5] = [
        ("code", |asked| asked.code = "tppo".into()),
        ("from", |asked| asked.from = "2025-13-01".into()),
        ("until", |asked| asked.until = "2024-12-31".into()),
        ("group_by", |asked| asked.group_by = "persons".into()),
        ("cut_off_position", |asked| asked.cut_off_position = Some(9_999)),
    ];
    for (field, change) in cases {
        let mut asked = count("tppo-cases");
        change(&mut asked);
        let refused = hub.service.count(by("kp2mi", asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(refused.message().contains(field), "{field}: {}", refused.message());
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_view_is_cut_like_a_case() {
    let mut hub = Hub::new();
    let prevented = DeparturePrevented {
        incident_no: "BP3MI-KEPRI/2026/17".into(),
        person: Some(PersonClaim { name: "SITI CONTOH".into(), nik: NIK.into(), ..PersonClaim::default() }),
        prevented_on: "2026-01-20".into(),
        place: "PELABUHAN BATAM CENTRE".into(),
        unit: "BP3MI KEPULAUAN RIAU".into(),
        grounds: vec!["TOURIST_VISA".into()],
        case_ref: "C-1".into(),
        ..DeparturePrevented::default()
    };
    hub.append("kp2mi", "simpul.prevention.v1.DeparturePrevented", "bp3mi/17", &prevented).await;
    let case = hub.models.document(simpul_types::View::Case, "C-1").unwrap().unwrap();
    let reference =
        case.classes[&simpul_types::FieldClass::Reference]["records"][0]["record"].as_str().unwrap();
    let ask = |view: &str, purpose: &str| GetRecordRequest {
        view: view.into(),
        record_ref: reference.into(),
        purpose: purpose.into(),
        official: "petugas-7".into(),
        ..GetRecordRequest::default()
    };
    let seen = hub.service.get_record(by("kp2mi", ask("departure", "PLACEMENT"))).await.unwrap().into_inner();
    assert!(seen.json.contains("SITI CONTOH") && seen.json.contains("TOURIST_VISA"));
    let seen =
        hub.service.get_record(by("kbri-yangon", ask("departure", "ASSIST"))).await.unwrap().into_inner();
    assert!(!seen.json.contains("SITI CONTOH") && seen.json.contains("PELABUHAN BATAM CENTRE"));
    assert!(seen.withheld.contains(&"identity".to_owned()));
    let wrong = hub.service.get_record(by("kp2mi", ask("case", "PLACEMENT"))).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let other = hub.service.get_record(by("kp2mi", ask("complaint", "PLACEMENT"))).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound);
    hub.stop().await;
}
