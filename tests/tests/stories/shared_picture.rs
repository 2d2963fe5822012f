//! One picture, each agency its part of it: from the hub and from NATS the same, for two agencies the same wherever both see it,
//! and for a late joiner the whole of it from last values.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simpul_tests::World;

use crate::{
    act::{In, act},
    scene::{received, sent},
};

const CASE: &str = "KBRI-YGN/2026/0051";
const MISSION: (&str, &str) = ("kbri-yangon", "ASSIST");
const POLICE: (&str, &str) = ("polri", "INVESTIGATE");

fn dewi() -> Value {
    json!({ "name": "DEWI CONTOH", "nik": "3201015206950021", "birth_date": "1995-06-12" })
}

/// The newest of every document, by view and reference: field classes and what they hold.
fn picture(world: &World, agency: &str) -> BTreeMap<(String, String), Value> {
    let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    let newest =
        |message: Value| ((text(&message, "view"), text(&message, "ref")), message["fields"].clone());
    received(world, agency).into_iter().map(newest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_agency_has_its_part_of_one_picture_complete_and_the_same_wherever_it_asks() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let say = |by: (&str, &str), key: &str, event: &str, payload: Value| {
        act(&world, by, In::Key(key), &format!("simpul.{event}"), payload)
            .unwrap_or_else(|error| panic!("{event}: {error:?}"))
    };
    let licence = json!({
        "licence_no": "SIP3MI 51/2023", "kind": "SIP3MI", "holder": "PT CONTOH", "valid_from": "2023-01-01", "valid_until": "2028-01-01",
    });
    say(("kp2mi", "PLACEMENT"), "sisko-licence/51", "registry.v1.LicenceRecorded", licence);
    let intake = json!({
        "intake_no": "IN-51", "mission": "KBRI YANGON", "case_ref": CASE, "person": dewi(), "stay_category": "TOURIST",
        "contact_date": "2026-01-20", "location_country": "MMR", "urgent_needs": ["MEDICAL"], "shelter_address": "Rumah aman contoh 7",
        "narrative": "kisah-contoh",
    });
    say(MISSION, "mission-intake/51", "embassy.v1.IntakeRecorded", intake);
    let stage = |stage: &str, day: &str| {
        let payload = json!({ "case_ref": CASE, "stage": stage, "changed_on": day, "holder": "kbri-yangon" });
        say(MISSION, "case/51", "nrm.v1.StageChanged", payload);
    };
    stage("URGENT_SAFETY", "2026-01-21");
    let report = json!({
        "lp_number": "LP/B/51/II/2026", "report_type": "PUBLIC_REPORT", "stage": "INQUIRY", "stage_date": "2026-02-01",
        "unit": "SUBDIT IV", "articles": ["KUHP 455"], "related_case_ref": CASE,
        "persons": [{ "roles": ["VICTIM"], "person": dewi() }, { "roles": ["SUSPECT"], "person": { "name": "TUAN CONTOH" } }],
    });
    say(POLICE, "lp/51", "police.v1.CaseUpdated", report);
    stage("FORMAL_IDENTIFICATION", "2026-02-03");
    let is_last =
        |message: &Value| message["fields"]["reference"]["stage"]["stage"] == "FORMAL_IDENTIFICATION";
    for agency in ["kbri-yangon", "polri"] {
        sent(&world, agency, is_last);
    }

    // Complete, of one log, and the same from the hub, from NATS and from last values.
    let verified = |(agency, purpose): (&str, &str)| {
        let report = world.cli_json(agency, "desk", &["watch", "--verify", "--purpose", purpose]);
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!((&report["first"], &report["nats"]["first"]), (&json!(1), &json!(1)));
        assert_eq!(report["nats"]["compared"], report["digest_at"]);
        assert_eq!(report["nats"]["last_values"], report["documents"]);
        report
    };
    let (mission, police) = (verified(MISSION), verified(POLICE));
    assert_ne!(mission["digest"], police["digest"], "each has its part");
    let said = world.cli("polri", "desk", &["watch", "--verify", "--purpose", "INVESTIGATE"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("without a gap") && said.contains("NATS tells the same"), "{said}");

    // Field by field: where both see a class of a document, they see the same; what one does not see is the other's by right.
    let (mission, police) = (picture(&world, "kbri-yangon"), picture(&world, "polri"));
    let shared: Vec<_> = mission.keys().filter(|document| police.contains_key(*document)).collect();
    assert!(shared.iter().any(|(view, _)| view == "case"), "{:?}", mission.keys());
    let mut only = BTreeMap::new();
    for document in shared {
        let (one, two) = (mission[document].as_object().unwrap(), police[document].as_object().unwrap());
        for (class, fields) in one {
            match two.get(class) {
                Some(same) => assert_eq!(fields, same, "{document:?} {class}"),
                None => *only.entry(class.clone()).or_insert(0) += 1,
            }
        }
    }
    assert!(!only.contains_key("reference"), "{only:?}");
    let text = |picture: &BTreeMap<_, Value>| picture.values().map(Value::to_string).collect::<String>();
    assert!(
        !text(&police).contains("Rumah aman contoh 7"),
        "a shelter's address is nobody's but the mission's"
    );

    // Who joined late goes on where the picture ends.
    let next = (verified(POLICE)["last"].as_u64().unwrap() + 1).to_string();
    stage("REHABILITATION", "2026-02-05");
    let follows = ["watch", "--purpose", "INVESTIGATE", "--from", &next, "--limit", "1", "--json"];
    let change: Value =
        serde_json::from_slice(&world.cli("polri", "desk", &follows).stdout).expect("one change");
    assert_eq!(change["sequence"].to_string(), next);
    assert_eq!(change["fields"]["reference"]["stage"]["stage"], "REHABILITATION");

    hub.expect_quiet();
    hub.stop();
}
