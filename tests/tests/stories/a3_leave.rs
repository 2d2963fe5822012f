//! A3: two workers go back from leave without social security, one on 15 and one on 17 August 2023; between the two days the rule changed.
//! Two verdicts differ, and both can be had again today, with the text of their rule.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::{
    act::{In, act},
    placement,
};

const REGISTRY: (&str, &str) = ("kp2mi", "PLACEMENT");
const BEFORE: &str = "3201015206950031";
const AFTER: &str = "3201015206950032";

fn leave(nik: &str, number: u32, departed: &str) -> Value {
    let mut worker = placement::complete(nik, &format!("PN-{number}"), departed);
    worker["scheme"] = "RE_ENTRY".into();
    placement::without(&mut worker, "SOCIAL_SECURITY");
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_leave_on_15_and_17_august_2023_is_judged_by_two_rules_and_both_verdicts_can_be_had_again() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    placement::licences(&world);
    let record = |key: &str, payload: Value| {
        act(&world, REGISTRY, In::Key(key), "simpul.registry.v1.PlacementRecorded", payload).unwrap()
    };
    record("sisko-placement/31", leave(BEFORE, 31, "2023-08-15"));
    let at = record("sisko-placement/32", leave(AFTER, 32, "2023-08-17"));

    let reached = (at + 1).to_string();
    let ask = |(agency, purpose): (&str, &str), nik: &str, more: &[&str]| {
        let asked = ["legality", "check", "--nik", nik, "--purpose", purpose, "--at-least", &reached];
        world.cli_json(agency, "desk", &[&asked[..], more].concat())["verdict"].clone()
    };
    let rule = |verdict: &Value| {
        let rows = verdict["requirements"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == "R5").unwrap().clone()
    };
    let mission = ("kbri-yangon", "VERIFY_LEGALITY");
    let (first, second) = (ask(mission, BEFORE, &[]), ask(mission, AFTER, &[]));
    assert_eq!((&first["kind"], &second["kind"]), (&json!("NON_PROCEDURAL"), &json!("PROCEDURAL")));
    assert_eq!((&rule(&first)["state"], &rule(&first)["decides"]), (&json!("NOT_MET"), &json!(true)));
    // The rule text of the day, in both languages, with its source.
    let relief = rule(&second);
    assert_eq!(
        (&relief["state"], &relief["rule"]),
        (&json!("NOT_APPLICABLE"), &json!("R5.leave-re-entry.2023-08-16"))
    );
    assert!(relief["reason"].as_str().unwrap().contains("16 August 2023"), "{relief:#}");
    assert!(relief["reason_id"].as_str().unwrap().contains("16 Agustus 2023"), "{relief:#}");
    assert!(!relief["legal_source"].as_str().unwrap().is_empty());
    assert_ne!(first["rule_set"], second["rule_set"]);
    // Had she left two days earlier, the older rule would have been hers.
    assert_eq!(ask(mission, AFTER, &["--valid-at", "2023-08-15"])["kind"], "NON_PROCEDURAL");

    // Later her membership turns up: today's answer is another, and what was known then can still be had, by the police too.
    let then = jiff::Timestamp::now().to_string();
    let mut found = placement::complete(BEFORE, "PN-31", "2023-08-15");
    found["scheme"] = "RE_ENTRY".into();
    let at = record("sisko-placement/31", found);
    let reached = (at + 1).to_string();
    let today =
        ["legality", "check", "--nik", BEFORE, "--purpose", "VERIFY_LEGALITY", "--at-least", &reached];
    assert_eq!(world.cli_json("kbri-yangon", "desk", &today)["verdict"]["kind"], "PROCEDURAL");
    for whoever in [mission, ("polri", "INVESTIGATE")] {
        let again = ask(whoever, BEFORE, &["--known-at", &then]);
        assert_eq!(
            (&again["kind"], rule_then(&rule(&again))),
            (&json!("NON_PROCEDURAL"), rule_then(&rule(&first)))
        );
    }

    hub.expect_quiet();
    hub.stop();
}

/// As known at a time nothing is said of how fresh a source is: that is of today.
fn rule_then(row: &Value) -> Value {
    let mut row = row.clone();
    for of_today in ["freshness", "source_heard_at_us"] {
        row.as_object_mut().unwrap().remove(of_today);
    }
    row
}
