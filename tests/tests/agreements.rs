//! An agency is given what its agreements say, as long as they say it: concluded with two keys, looked at, used up, expired in the
//! middle of a subscription, ended and explained, on a real hub and a real NATS server.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use prost::Message;
use serde_json::Value;
use simpul_connector::EventDraft;
use simpul_proto::{embassy, v1};
use simpul_tests::{World, process::binary};
use simpul_types::{Clock, Timestamp, clock::System};

const CASE: &str = "PERJANJIAN-2026-01";
const PATIENCE: Duration = Duration::from_secs(60);

fn intake(number: u32, mission: &str) -> EventDraft {
    let intake = embassy::IntakeRecorded {
        intake_no: format!("IN-{number}"),
        mission: mission.into(),
        case_ref: format!("{CASE}-{number}"),
        person: Some(v1::PersonClaim { name: format!("SITI {number}"), ..Default::default() }),
        stay_category: embassy::StayCategory::Worker.into(),
        contact_date: "2026-10-01".into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.embassy.v1.IntakeRecorded".parse().unwrap(),
        format!("mission-intake/a{number}").parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    )
}

fn refusal(output: Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Time in so many seconds, as commands take it.
fn in_seconds(seconds: i64) -> String {
    Timestamp::from_us(System.now().as_us() + seconds * 1_000_000).to_string()
}

fn ended(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "still following");
        thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().unwrap()
}

/// What NATS has for an agency.
fn on_nats(world: &World, agency: &str) -> Vec<Value> {
    world.cli_lines(agency, "desk", &["watch", "--nats", "--once"])
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agency_is_given_what_its_agreements_say_as_long_as_they_say_it() {
    let world = World::with_nats();
    let nats = world.nats();
    let hub = world.hub();
    let forms = world.client("kbri-yangon", "forms").await;
    let first = forms.submit(vec![intake(1, "KBRI YANGON")]).await.expect("accepted");
    let reached = (first.first_position().get() + 1).to_string();
    let view = |agency: &str, purpose: &str, number: u32| {
        let case = format!("{CASE}-{number}");
        world.cli(
            agency,
            "desk",
            &["case", "show", &case, "--purpose", purpose, "--json", "--at-least", &reached],
        )
    };
    assert!(view("polri", "INVESTIGATE", 1).status.success(), "by the frame that a new realm begins with");

    // One key alone changes nothing, and the key that proposed does not approve.
    let direct = ["end-agreement", "frame-polri", "--reason", "narrower ones are in force"];
    let proposed: Value = serde_json::from_slice(&world.authority("first", &direct).stdout).unwrap();
    let proposal = proposed["proposal"].as_str().unwrap();
    let own = refusal(world.authority("first", &["approve", proposal]));
    assert!(own.contains("POLICY_DENIED") && own.contains("cannot approve it"), "{own}");
    assert!(view("polri", "INVESTIGATE", 1).status.success());
    let approved = world.authority("second", &["approve", proposal]);
    assert!(approved.status.success());
    let again = refusal(world.authority("second", &["approve", proposal]));
    assert!(again.contains("approved or withdrawn before"), "{again}");

    // Without an agreement: nothing is shown, nothing may be asked or submitted, and everybody can be told why.
    let denied = refusal(view("polri", "INVESTIGATE", 1));
    assert!(
        denied.contains("POLICY_DENIED") && denied.contains("no agreement in force lets polri"),
        "{denied}"
    );
    let check = ["legality", "check", "--purpose", "INVESTIGATE", "--nik", "3273014107950042"];
    assert!(refusal(world.cli("polri", "desk", &check)).contains("POLICY_DENIED"));
    let explain = |resource: &str, action: &str| {
        let base = ["directory", "explain", "--agency", "polri", "--purpose", "INVESTIGATE"];
        let rest = ["--action", action, "--resource", resource, "--provider", "kbri-yangon"];
        world.cli_json("kbri-yangon", "desk", &[&base[..], &rest[..]].concat())
    };
    let told = explain("case/identity", "view");
    assert_eq!(told["allowed"], false);
    assert_eq!(told["allowed_under_agreement"], true);
    assert_eq!(told["policies"][0], "nothing-without-an-agreement");
    assert_eq!(told["misses"][0]["agreement"], "frame-polri");
    assert!(told["misses"][0]["why"].as_str().unwrap().starts_with("ended "), "{told}");
    assert_eq!(explain("case/shelter_location", "view")["allowed_under_agreement"], false);

    // A narrow one: data of the mission in Yangon, three answers a day.
    let until_far = in_seconds(3_600);
    let agree = |reference: &str, provider: &str, until: &str, further: &[&str]| {
        let base = ["agree", reference, "--consumer", "polri", "--provider", provider, "--action", "view"];
        let rest = [
            "--purpose",
            "INVESTIGATE",
            "--resource",
            "case",
            "--class",
            "reference",
            "--class",
            "identity",
            "--legal-basis",
            "PKS 7/2026",
            "--reason",
            "agreed in Jakarta",
            "--until",
            until,
        ];
        world.change_directory(&[&base[..], &rest[..], further].concat())
    };
    agree("pks-registry", "kp2mi", &until_far, &[]);
    let other = refusal(view("polri", "INVESTIGATE", 1));
    assert!(other.contains("no case of this reference"), "what it shows of others does not exist: {other}");
    // For the person it does: who tried stands in her chain.
    let access = ["audit", "access", "--purpose", "OVERSIGHT", "--agency", "polri"];
    let entries = world.cli_lines("ombudsman", "desk", &access);
    let tried = entries.iter().rev().find(|one| one["entry"]["answer"] == "NO_RECORD").expect("an entry");
    assert_eq!(tried["entry"]["links"].as_array().map(Vec::len), Some(1), "{tried}");
    agree("pks-yangon", "kbri-yangon", &until_far, &["--answers-a-day", "3"]);
    for _ in 0..3 {
        let shown: Value = serde_json::from_slice(&view("polri", "INVESTIGATE", 1).stdout).unwrap();
        let text = shown.to_string();
        assert!(text.contains("SITI 1") && !text.contains("\"placement\":{"), "{text}");
    }
    let spent = refusal(view("polri", "INVESTIGATE", 1));
    assert!(spent.contains("QUOTA_EXCEEDED") && spent.contains("pks-yangon"), "{spent}");
    // The day does not begin again with the hub.
    hub.stop();
    let hub = world.hub();
    assert!(refusal(view("polri", "INVESTIGATE", 1)).contains("QUOTA_EXCEEDED"));
    let entries = world.cli_lines(
        "ombudsman",
        "desk",
        &["audit", "access", "--agency", "polri", "--purpose", "OVERSIGHT"],
    );
    let of_case: Vec<_> = entries
        .iter()
        .map(|record| &record["entry"])
        .filter(|entry| entry["action"] == "picture.case")
        .collect();
    let last = of_case.iter().rev().find(|entry| entry["answer"] == "DOCUMENT").expect("an answer");
    let grounds = last["policies"].to_string();
    assert!(grounds.contains("agreement:pks-yangon") && grounds.contains("police-views-cases"), "{grounds}");
    assert_eq!(of_case.last().unwrap()["answer"], "QUOTA_EXCEEDED");

    // An agreement expires in the middle of a subscription: who follows is told, and NATS gets no more.
    let until_soon = in_seconds(12);
    let publish = ["--action", "publish"];
    agree("pks-stream", "kbri-yangon", &until_soon, &publish);
    let follow = Command::new(binary("simpul"))
        .arg("--client")
        .arg(world.realm.client_config("polri", "desk"))
        .args(["--official", "tester", "watch", "--purpose", "INVESTIGATE", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let forms = world.client("kbri-yangon", "forms").await;
    forms.submit(vec![intake(2, "KBRI YANGON")]).await.expect("accepted");
    // The first case came by the frame, the second by this agreement.
    until("the second case on NATS", || on_nats(&world, "polri").len() == 2);
    let end = ended(follow);
    assert!(!end.status.success());
    let told = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(told.contains("no agreement in force"), "{told}");
    let third = forms.submit(vec![intake(3, "KBRI YANGON")]).await.expect("accepted");
    let position = third.first_position().get();
    // The registry still follows: once it has the third case, the police would have it too.
    until("the third case for the registry", || {
        on_nats(&world, "kp2mi").iter().any(|change| change["position"].as_u64() == Some(position))
    });
    thread::sleep(Duration::from_secs(1));
    let after = on_nats(&world, "polri");
    assert_eq!(after.len(), 2, "published after the agreement had expired: {after:?}");

    // What was judged can be judged again: the whole log under its directory, approvals included.
    hub.stop();
    nats.stop();
    let data = world.data();
    let authority = world.realm.authority_key.clone();
    let master = world.realm.dir.join("hub/master.key");
    let verified = world.cli_json(
        "ombudsman",
        "desk",
        &[
            "audit",
            "verify",
            "--data",
            data.to_str().unwrap(),
            "--master-key",
            master.to_str().unwrap(),
            "--authority",
            &authority,
        ],
    );
    assert_eq!(verified["ok"], true, "{verified}");
}
