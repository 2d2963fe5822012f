//! A7: the shelter in Kalimantan Barat is full. A hold that nobody came for ends by itself, the next best shelter is found by constraints, a
//! missed deadline goes to the provincial task force, and nobody sees the address outside the purpose of placing somebody.

use std::time::Instant;

use serde_json::{Value, json};
use simpul_tests::World;

use crate::{
    act::{In, act, case, day},
    scene::{PATIENCE, received, sent},
};

const POLICE: (&str, &str) = ("polri-kalbar", "INVESTIGATE");
const SOCIAL: (&str, &str) = ("kemensos", "SHELTER");
const CASE: &str = "POLDA-KALBAR/2026/0012";
const ADDRESS: &str = "Jalan Rahasia Nomor 7";

fn shelter(code: &str, province: &str, more: Value) -> Value {
    let mut shelter = json!({
        "code": code, "province": province, "country": "IDN", "address": ADDRESS, "contact": "Ibu Contoh",
        "takes_women": true, "takes_children": true, "security_level": 2, "beds": 1,
    });
    shelter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    shelter
}

fn found(world: &World, (agency, purpose): (&str, &str), more: &[&str]) -> Value {
    let asked = ["shelter", "match", "--province", "61", "--sex", "female", "--purpose", purpose];
    world.cli_json(agency, "desk", &[&asked[..], more].concat())
}

fn codes(found: &Value) -> Vec<&str> {
    found["matches"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_the_next_best_bed_and_a_deadline_that_goes_up() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();

    // Task forces of the province and of the centre stand in the directory of units; the city has none yet.
    let unit = |code: &str, agency: &str, level: &str, jurisdiction: Value| {
        let unit = json!({
            "code": code, "name": code, "agency": agency, "jurisdiction": jurisdiction, "effective_from": "2024-01-01",
            "task_force_level": level,
        });
        let by = ("kemenko", "STATISTICS");
        act(&world, by, In::Key(&format!("unit/{code}")), "simpul.organisation.v1.UnitDeclared", unit)
            .unwrap()
    };
    unit("gugus-tugas/kalbar", "gugus-tugas-kalbar", "PROVINSI", json!(["61"]));
    unit("gugus-tugas/pusat", "kemenko", "PUSAT", json!([]));

    // Three shelters: one bed for women in the province, one for men, one bed far away.
    let declare = |code: &str, province: &str, more: Value| {
        let payload = shelter(code, province, more);
        act(&world, SOCIAL, In::Key(&format!("shelter/{code}")), "simpul.shelter.v1.ShelterDeclared", payload)
            .unwrap()
    };
    declare("SH-61-01", "61", json!({}));
    declare("SH-61-02", "61", json!({ "takes_women": false, "takes_men": true }));
    let at = declare("SH-31-01", "31", json!({ "security_level": 1 }));
    let reached = (at + 1).to_string();

    // The police open the case. Services are asked for, and 17 days go by: the last day was ten days ago.
    let nrm = |event: &str, payload: Value| {
        act(&world, POLICE, In::Key("case/12"), &format!("simpul.nrm.v1.{event}"), payload).unwrap()
    };
    nrm(
        "StageChanged",
        json!({ "case_ref": CASE, "stage": "URGENT_SAFETY", "changed_on": day(-18), "holder": "polri-kalbar" }),
    );
    let started =
        json!({ "case_ref": CASE, "rule": "services-7d", "act": "START", "on": day(-17), "region": "6172" });
    let clock = nrm("ClockSet", started);

    // A hold from two nights ago that nobody came for, sent late: the hub ends it, and everybody on the case sees that.
    let first = found(&world, POLICE, &["--at-least", &reached]);
    assert_eq!(codes(&first), ["SH-61-01", "SH-31-01"], "in the province first; a shelter for men is none");
    let bed = first["matches"][0].clone();
    let stream = bed["bed_stream"].as_str().unwrap();
    let hold = |by: (&str, &str), seen: u64, until: i64| {
        let held = json!({
            "case_ref": CASE, "shelter_code": "SH-61-01", "bed": 1, "held_on": day(-2), "until": day(until),
            "person": { "name": "DEWI CONTOH", "passport": "X7654321" },
        });
        act(&world, by, In::Stream(stream, seen), "simpul.shelter.v1.BedHeld", held)
    };
    assert_eq!(bed["bed_stream_version"], 0);
    let held = hold(POLICE, 0, -1).unwrap();
    let released = wait(&world, held, |seen| seen["fields"]["reference"]["beds"][0]["state"] == "RELEASED");
    let word = event(&released, "BedReleased");
    assert_eq!((&word["source"], &word["reason"]), (&json!("simpul"), &json!("TIMEOUT")));

    // Free again. Kemensos takes it for tonight; the police, who saw it free too, are told who was faster.
    let free = found(&world, SOCIAL, &[]);
    assert_eq!((codes(&free)[0], &free["matches"][0]["bed_stream_version"]), ("SH-61-01", &json!(2)));
    hold(SOCIAL, 2, 1).unwrap();
    let (_, reason) = hold(POLICE, 2, 1).unwrap_err();
    assert!(reason.contains("kemensos") || reason.contains("version"), "the loser is told: {reason}");
    let next_best = found(&world, POLICE, &[]);
    assert_eq!(
        (codes(&next_best), &next_best["full"]),
        (vec!["SH-31-01"], &json!(1)),
        "the next best shelter"
    );

    // A referral that nobody answered lapses by the hub's word.
    let offered = json!({
        "case_ref": CASE, "service": "SHELTER", "to_agencies": ["kemensos"], "offered_on": day(-5), "answer_by": day(-1),
    });
    let offered =
        act(&world, POLICE, In::Key("referral/1"), "simpul.nrm.v1.ReferralOffered", offered).unwrap();
    wait(&world, offered, |seen| seen["fields"]["reference"]["referrals"][0]["state"] == "LAPSED");

    // The deadline: the city's level has nobody, the province hears of it, the centre not yet.
    let told = sent(&world, "gugus-tugas-kalbar", |message| message["view"] == "escalation");
    let told = &told["fields"]["reference"]["events"][0];
    assert_eq!((&told["level"], &told["of_case"]), (&json!("PROVINSI"), &json!(CASE)));
    assert_eq!((&told["holder"], &told["due"]), (&json!("polri-kalbar"), &json!(day(-10))));
    let seen = wait(&world, clock, |seen| {
        seen["fields"]["reference"]["breaches"].as_array().is_some_and(|all| all.len() == 2)
    });
    let breaches = &seen["fields"]["reference"]["breaches"];
    assert_eq!((&breaches[0]["level"], breaches[0].get("told")), (&json!("KAB_KOTA"), Some(&json!([]))));
    assert_eq!(
        (&breaches[1]["level"], &breaches[1]["told"]),
        (&json!("PROVINSI"), &json!(["gugus-tugas-kalbar"]))
    );
    assert!(received(&world, "kemenko").iter().all(|message| message["view"] != "escalation"));

    // The address: in the shelter's document for whoever places somebody, for that purpose, and nowhere else.
    let reference = bed["shelter_ref"].as_str().unwrap();
    let show = |(agency, purpose): (&str, &str)| {
        let shown =
            world.cli(agency, "desk", &["record", "shelter", reference, "--purpose", purpose, "--json"]);
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    assert!(show(SOCIAL).contains(ADDRESS));
    for other in
        [("kemensos", "REHAB"), POLICE, ("kbri-yangon", "ASSIST"), ("lpsk", "PROTECT"), ("kp2mi", "RETURN")]
    {
        let shown = show(other);
        assert!(shown.contains("SH-61-01") && !shown.contains(ADDRESS), "{other:?}: {shown}");
    }
    let agencies = [
        "kemensos",
        "polri-kalbar",
        "polri",
        "kp2mi",
        "kbri-yangon",
        "lpsk",
        "kemenko",
        "gugus-tugas-kalbar",
    ];
    for agency in agencies {
        let all = Value::from(received(&world, agency)).to_string();
        assert!(!all.contains(ADDRESS), "{agency} was sent an address unasked");
    }
    assert!(![&first, &free, &next_best].iter().any(|answer| answer.to_string().contains(ADDRESS)));

    hub.expect_quiet();
    hub.stop();
}

/// The case as the police see it, once it is as `wanted` says.
fn wait(world: &World, at: u64, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let seen = case(world, POLICE, CASE, at);
        if wanted(&seen) {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "the case did not come to it: {seen:#}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn event<'a>(seen: &'a Value, name: &str) -> &'a Value {
    let events = seen["fields"]["reference"]["events"].as_array().unwrap();
    events.iter().find(|event| event["type"] == name).unwrap_or_else(|| panic!("no {name} in {seen:#}"))
}
