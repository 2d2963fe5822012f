//! A person is shown everybody who looked, in whatever way: found or not, allowed or not, by whichever of her papers; and the proof
//! is checked with no hub.
#![allow(clippy::unwrap_used, reason = "a test")]

use prost::Message;
use serde_json::Value;
use simpul_connector::EventDraft;
use simpul_proto::{embassy, v1};
use simpul_tests::{World, drafts};
use simpul_types::Timestamp;

const CASE: &str = "JEJAK-2026-01";
const NUMBER: u64 = 77;

fn intake() -> EventDraft {
    let intake = embassy::IntakeRecorded {
        intake_no: "IN-77".into(),
        mission: "KBRI YANGON".into(),
        case_ref: CASE.into(),
        person: drafts::placement(NUMBER, 0).person,
        stay_category: embassy::StayCategory::Worker.into(),
        contact_date: "2026-10-01".into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.embassy.v1.IntakeRecorded".parse().unwrap(),
        "mission-intake/j77".parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    )
}

/// Who and what of every look that concerns her alone.
fn looks(report: &Value) -> Vec<(String, String, String)> {
    let of = |look: &Value, name: &str| look[name].as_str().unwrap().to_owned();
    let looks = report["looks"].as_array().unwrap().iter().filter(|look| look["everybody"] == false);
    looks.map(|look| (of(look, "agency"), of(look, "action"), of(look, "answer"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn qry_2_everybody_who_looked_is_in_the_report_and_it_is_checked_with_no_hub() {
    let world = World::new();
    let hub = world.hub();
    let person: v1::PersonClaim = drafts::placement(NUMBER, 0).person.unwrap();
    let check = |arguments: &[&str]| {
        let purpose = ["legality", "check", "--purpose", "VERIFY_LEGALITY"];
        world.cli("kbri-yangon", "desk", &[&purpose, arguments].concat())
    };
    // Before anybody knew her; and a stranger, who is not in her report.
    assert!(check(&["--nik", &person.nik]).status.success());
    assert!(check(&["--nik", &drafts::nik(NUMBER + 1)]).status.success());
    let sisko = world.client("kp2mi", "sisko").await;
    sisko.submit(vec![drafts::placement_draft(NUMBER, 0)]).await.expect("accepted");
    let forms = world.client("kbri-yangon", "forms").await;
    let receipt = forms.submit(vec![intake()]).await.expect("accepted");
    let reached = (receipt.first_position().get() + 1).to_string();

    assert!(
        check(&["--passport", &person.passport, "--case", CASE, "--at-least", &reached]).status.success()
    );
    // A question that is none leaves its entry, but names nobody.
    assert!(!check(&["--nik", "3201"]).status.success());
    let view = world.cli("kbri-yangon", "desk", &["case", "show", CASE, "--purpose", "ASSIST"]);
    assert!(view.status.success(), "{}", String::from_utf8_lossy(&view.stderr));
    let found = world.cli_json(
        "kbri-yangon",
        "desk",
        &["person", "find", "--name", &person.name, "--purpose", "ASSIST"],
    );
    let reference = found["candidates"][0]["person_ref"].as_str().unwrap().to_owned();
    // Refused: what is asked for is recorded all the same.
    let refused =
        world.cli("polri", "desk", &["legality", "check", "--nik", &person.nik, "--purpose", "ASSIST"]);
    assert!(!refused.status.success());

    let kept = world.path().join("looks.report");
    let kept = kept.to_str().unwrap();
    let report =
        |how: &[&str]| world.cli_json("ombudsman", "desk", &[&["audit", "subject-report"], how].concat());
    let first = report(&["--nik", &person.nik, "--out", kept]);
    let mission =
        |action: &str, answer: &str| ("kbri-yangon".to_owned(), action.to_owned(), answer.to_owned());
    let shown = looks(&first);
    assert_eq!(first["ok"], true);
    assert_eq!(shown[0], mission("legality.check", "NO_RECORD"));
    assert_eq!((shown[1].0.as_str(), shown[1].1.as_str()), ("kbri-yangon", "legality.check"));
    assert_ne!(shown[1].2, "NO_RECORD");
    assert_eq!(
        shown[2..],
        [
            // A case is shown with its placements, and what they are worth.
            mission("picture.case", "DOCUMENT"),
            mission("legality.check", shown[1].2.as_str()),
            mission("picture.placement", "DOCUMENT"),
            mission("picture.find_persons", "CANDIDATES"),
            ("polri".into(), "legality.check".into(), "DENIED".into()),
            ("ombudsman".into(), "audit.subject_report".into(), "SUBJECT_REPORT".into()),
        ]
    );
    // By her other names it is the same report, and the one before is in it.
    for how in [["--passport", &person.passport], ["--person", &reference]] {
        let again = looks(&report(&how));
        assert_eq!(again[..shown.len()], shown, "{how:?}");
    }
    assert_eq!(looks(&report(&["--nik", &drafts::nik(NUMBER + 1)])).len(), 2);
    // An agency that is no oversight body gets none.
    let refused = world.cli("polri", "desk", &["audit", "subject-report", "--nik", &person.nik]);
    assert!(!refused.status.success());
    // Failed questions are in the access log.
    let entries = world.cli_lines("ombudsman", "desk", &["audit", "access", "--purpose", "OVERSIGHT"]);
    let malformed = entries.iter().filter(|entry| entry["entry"]["answer"] == "MALFORMED");
    assert_eq!(malformed.count(), 1);

    let breach = world.cli_json(
        "ombudsman",
        "desk",
        &["audit", "breach-report", "--since", "2020-01-01T00:00:00Z", "--agency", "kbri-yangon"],
    );
    let answers = |action: &str| {
        let received = breach["received"].as_array().unwrap().iter().filter(|one| one["action"] == action);
        received.map(|one| one["answers"].as_u64().unwrap()).sum::<u64>()
    };
    // What found nobody disclosed nothing.
    assert_eq!((answers("legality.check"), answers("picture.case")), (2, 1), "{breach}");
    assert_eq!(breach["persons"], 1);
    hub.stop();

    // With no hub, and with its data: nothing is left out of any chain.
    let verified = world.cli("ombudsman", "desk", &["audit", "verify", "--subject-report", kept]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let mut bytes = std::fs::read(kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(kept, bytes).unwrap();
    assert!(!world.cli("ombudsman", "desk", &["audit", "verify", "--subject-report", kept]).status.success());
    let data = world.data();
    let verified = world.cli("ombudsman", "desk", &["audit", "verify", "--data", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
