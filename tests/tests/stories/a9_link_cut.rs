//! A9: the link to the civil registry is cut for days. Checks go on with what is known, stamped with when its source was last heard; only where the
//! identity was never checked, and that decides, the answer is that there is not enough evidence. When the link is back the backlog comes, and
//! whoever got the thin answer hears of the full one.

use std::sync::Arc;

use serde_json::{Value, json};
use simpul_hub::Config;
use simpul_tests::World;
use simpul_types::{Clock, Timestamp, clock::System};

use crate::{
    act::{In, act},
    placement,
    scene::sent,
};

const REGISTRY: (&str, &str) = ("kp2mi", "PLACEMENT");
const CHECKED: &str = "3201015206950091";
const UNCHECKED: &str = "3201015206950092";

/// The system's clock, some days ahead.
struct Later(i64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(System.now().as_us() + self.0 * 86_400_000_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_without_the_civil_registry_checks_go_on_and_only_an_unchecked_identity_is_not_enough() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let record = |nik: &str, payload: Value| {
        let key = format!("sisko-placement/{nik}");
        act(&world, REGISTRY, In::Key(&key), "simpul.registry.v1.PlacementRecorded", payload).unwrap()
    };
    let worker = |nik: &str| placement::complete(nik, &format!("PN-{nik}"), "2023-08-20");
    let hub = world.hub();
    placement::licences(&world);
    record(CHECKED, worker(CHECKED));
    let mut unchecked = worker(UNCHECKED);
    placement::without(&mut unchecked, "IDENTITY_CHECK");
    let at = record(UNCHECKED, unchecked);
    hub.stop();

    // Four days later: nothing has come since.
    let config = Config::load(&world.realm.hub_config).unwrap();
    let hub = simpul_hub::start_at(config, Arc::new(Later(4))).await.unwrap();
    let check = |nik: &str, at: u64| {
        let reached = (at + 1).to_string();
        let asked =
            ["legality", "check", "--nik", nik, "--purpose", "VERIFY_LEGALITY", "--at-least", &reached];
        tokio::task::block_in_place(|| world.cli_json("kbri-yangon", "desk", &asked))["verdict"].clone()
    };
    let identity = |verdict: &Value| {
        let rows = verdict["requirements"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == "R2").unwrap().clone()
    };
    let stale = |verdict: &Value| verdict["warnings"].as_array().unwrap().contains(&json!("SOURCE_STALE"));
    let known = check(CHECKED, at);
    assert_eq!(known["kind"], "PROCEDURAL", "what was checked stands: {known:#}");
    let row = identity(&known);
    assert!(stale(&known) && row["freshness"] == "STALE" && row["source_heard_at_us"].as_i64() > Some(0));
    let thin = check(UNCHECKED, at);
    assert_eq!(thin["kind"], "INSUFFICIENT_EVIDENCE", "{thin:#}");
    let decides = |row: &&Value| row["decides"] == true;
    let rows: Vec<_> = thin["requirements"].as_array().unwrap().iter().filter(decides).collect();
    assert_eq!(rows.iter().map(|row| &row["id"]).collect::<Vec<_>>(), ["R2"]);
    assert_eq!((&rows[0]["state"], &thin["can_answer"]), (&json!("UNKNOWN"), &json!(["dukcapil"])));

    // The link is back, and with it what waited.
    let at = tokio::task::block_in_place(|| record(UNCHECKED, worker(UNCHECKED)));
    let told =
        tokio::task::block_in_place(|| sent(&world, "kbri-yangon", |message| message["view"] == "verdict"));
    let word = &told["fields"]["placement"]["events"][0];
    assert_eq!(
        (&word["old_kind"], &word["new_kind"]),
        (&json!("INSUFFICIENT_EVIDENCE"), &json!("PROCEDURAL"))
    );
    let full = check(UNCHECKED, at);
    assert_eq!((&full["kind"], stale(&full)), (&json!("PROCEDURAL"), false), "{full:#}");
    assert!(!stale(&check(CHECKED, at)), "the source has been heard of again");
    hub.stop().await;
}
