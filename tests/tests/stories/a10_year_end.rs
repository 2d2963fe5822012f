//! A10: the year-end report. One office says 609, another 403; both are right, and what they count is told by definition, period and
//! source. The same counts come out again at a stated cut-off, whatever has come since.

use std::fs;

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act};

const OFFICE: (&str, &str) = ("kemenko", "STATISTICS");

#[tokio::test(flavor = "multi_thread")]
async fn a10_609_and_403_are_both_right_and_come_out_again_at_their_cut_off() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();

    // 609 reports on 403 cases, by two regional offices, in one file each.
    let report = |number: u32, day: &str, case: u32| {
        json!({
            "type": "simpul.police.v1.CaseUpdated", "stream_key": format!("lp/{number}"), "purpose": "INVESTIGATE",
            "legal_basis": "UU 21/2007", "occurred_at": "2025-12-21T08:00:00Z",
            "payload": {
                "lp_number": format!("LP/B/{number}/2025"), "report_type": "PUBLIC_REPORT", "stage": "INQUIRY", "stage_date": day,
                "unit": "SUBDIT IV", "articles": ["UU 21/2007 2"], "related_case_ref": format!("TPPO/2025/{case}"),
            },
        })
    };
    let submit = |agency: &str, lines: Vec<Value>| {
        let file = world.path().join(format!("{agency}.jsonl"));
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let sent = world.cli(agency, "desk", &["submit", file.to_str().unwrap(), "--json"]);
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        let text = String::from_utf8_lossy(&sent.stdout).into_owned();
        let answers = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        answers.filter_map(|answer| answer["position"].as_u64()).max().unwrap()
    };
    let day = |number: u32| if number <= 500 { "2025-05-05" } else { "2025-12-20" };
    let all: Vec<_> = (1..=609).map(|number| report(number, day(number), number.min(403))).collect();
    submit("polri", all[..400].to_vec());
    let cut_off = submit("polri-kalbar", all[400..].to_vec()) + 1;

    // Two figures that were stated in public.
    let figure = |key: &str, unit: &str, until: &str, value: u64, source: &str| {
        let payload = json!({
            "title": "TPPO 2025", "unit": unit, "period_from": "2025-01-01", "period_until": until, "value": value,
            "source": source, "stated_on": "2026-01-10",
        });
        act(&world, OFFICE, In::Key(key), "simpul.statistics.v1.FigureStated", payload).unwrap()
    };
    figure("figure/1", "POLICE_REPORT", "2025-12-31", 609, "Bareskrim, rilis akhir tahun");
    let at = figure("figure/2", "CASE", "2025-11-30", 403, "siaran pers Januari 2026");

    let count = |code: &str, more: &[&str]| {
        let asked = ["statistic", "count", code, "--from", "2025-01-01", "--until", "2025-12-31"];
        world.cli_json("kemenko", "desk", &[&asked[..], more].concat())
    };
    let start = std::time::Instant::now();
    while count("tppo-police-reports", &["--compare"])["figures"].as_array().is_none_or(|all| all.len() < 2) {
        assert!(start.elapsed() < crate::scene::PATIENCE, "the figures are not there, stated at {at}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (reports, cases) = (count("tppo-police-reports", &["--compare"]), count("tppo-cases", &[]));
    assert_eq!((&reports["total"]["value"], &cases["total"]["value"]), (&json!(609), &json!(403)));
    // Why the other figure is not this one.
    let figures = reports["figures"].as_array().unwrap();
    let other = figures.iter().find(|figure| figure["value"] == 403).unwrap();
    let why: Vec<_> =
        other["differences"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    for reason in ["UNIT", "PERIOD"] {
        assert!(why.contains(&json!(reason)), "{why:?}");
    }
    let same = figures.iter().find(|figure| figure["value"] == 609).unwrap();
    let why: Vec<_> = same["differences"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert!(!why.contains(&json!("UNIT")) && !why.contains(&json!("PERIOD")), "{why:?}");

    // Another twenty come late. At the stated cut-off the old counts come out again, for oversight too.
    let late = (610..630).map(|number| report(number, "2025-12-28", number)).collect();
    let end = submit("polri", late) + 1;
    let start = std::time::Instant::now();
    while count("tppo-police-reports", &[])["total"]["value"] != 629 {
        assert!(start.elapsed() < crate::scene::PATIENCE, "the late reports are not counted, up to {end}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let at = cut_off.to_string();
    for (code, number) in [("tppo-police-reports", 609), ("tppo-cases", 403)] {
        let again = count(code, &["--cut-off", &at]);
        assert_eq!((&again["total"]["value"], &again["cut_off_position"]), (&json!(number), &json!(cut_off)));
    }

    hub.expect_quiet();
    hub.stop();
}
