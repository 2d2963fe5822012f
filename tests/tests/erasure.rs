//! A person is erased by three agencies: every event still verifies, and no byte of the payloads can be read from any copy.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use prost::Message;
use serde_json::Value;
use simpul_connector::EventDraft;
use simpul_log::Schema;
use simpul_proto::{embassy, registry, v1};
use simpul_tests::{World, drafts};
use simpul_types::Timestamp;

const NAME: &str = "KANARI TERHAPUS";
const NIK: &str = "3273014107950042";
const CASE: &str = "KANARI-2026-0099";
const PATIENCE: Duration = Duration::from_secs(90);
const SHELTER: &str = "Jalan Kenari Hilang 9";

fn events() -> Vec<EventDraft> {
    let person = || v1::PersonClaim {
        nik: NIK.into(),
        name: NAME.into(),
        birth_date: "1995-07-01".into(),
        ..Default::default()
    };
    let mut placement = drafts::placement(42, 0);
    placement.person = Some(person());
    let intake = embassy::IntakeRecorded {
        intake_no: "IN-99".into(),
        mission: "KBRI YANGON".into(),
        case_ref: CASE.into(),
        person: Some(person()),
        stay_category: embassy::StayCategory::Worker.into(),
        contact_date: "2026-10-01".into(),
        shelter_address: SHELTER.into(),
        ..Default::default()
    };
    let intake = EventDraft::new(
        "simpul.embassy.v1.IntakeRecorded".parse().unwrap(),
        "mission-intake/c99".parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    );
    vec![drafts::draft(42, &placement), intake]
}

fn verify(world: &World, data: &Path) -> Value {
    let master = world.realm.dir.join("hub/master.key");
    let arguments =
        ["audit", "verify", "--data", data.to_str().unwrap(), "--master-key", master.to_str().unwrap()];
    let output = world.cli("kp2mi", "desk", &[&["--json"][..], &arguments[..]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_1_an_erased_person_is_read_from_no_copy_and_everything_still_verifies() {
    let world = World::with_nats();
    let nats = world.nats();
    world.configure(|config| format!("{config}\n[erasure]\napprovals_min = 2\ncooling_off_s_min = 0\n"));
    let hub = world.hub();
    let mut events = events();
    let (intake, placement) = (events.pop().unwrap(), events.pop().unwrap());
    let streams = [placement.stream.to_string(), intake.stream.to_string()];
    world.client("kp2mi", "sisko").await.submit(vec![placement]).await.expect("accepted");
    let intake = world.client("kbri-yangon", "forms").await.submit(vec![intake]).await.expect("accepted");
    let reached = (intake.first_position().get() + 1).to_string();
    let case = ["case", "show", CASE, "--purpose", "ASSIST", "--at-least", &reached];
    assert!(world.cli_json("kbri-yangon", "desk", &case).to_string().contains(NAME));

    let erasure = |agency: &str, arguments: &[&str]| {
        let output = world.cli(agency, "desk", &[&["--json", "erasure"][..], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap())
        } else {
            Err(text)
        }
    };
    let ask = [
        "request",
        "--ground",
        "subject-request",
        "--article",
        "UU 27/2022 pasal 8",
        "--cooling-off-hours",
        "0",
    ];
    let of = ["--stream", &streams[0], "--stream", &streams[1]];
    let asked = erasure("kp2mi", &[&ask[..], &of[..]].concat()).unwrap();
    let request = asked["request"].as_str().unwrap().to_owned();
    assert!(erasure("kp2mi", &["approve", &request]).is_err(), "ERA-1");
    erasure("polri", &["approve", &request]).unwrap();
    assert!(erasure("kp2mi", &["execute", &request]).is_err(), "ERA-1: one approval of two");
    erasure("kbri-yangon", &["approve", &request]).unwrap();
    let on_nats = |wanted: bool| {
        let start = Instant::now();
        loop {
            let seen = world.cli("kp2mi", "desk", &["watch", "--nats", "--once", "--json"]).stdout;
            if String::from_utf8_lossy(&seen).contains(NAME) == wanted {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "on NATS: {}", !wanted);
        }
    };
    on_nats(true);
    // A copy of the keys from before the execution.
    let backup_keys = fs::read(world.data().join("log/keys")).unwrap();
    // And of the whole log, with its keys.
    let old = world.path().join("old");
    copy(&world.data().join("log"), &old);
    let executed = erasure("kp2mi", &["execute", &request]).unwrap();
    let shown = erasure("kbri-yangon", &["show", &request]).unwrap();
    assert_eq!((&shown["state"], &shown["executed_position"]), (&"EXECUTED".into(), &executed["position"]));
    let reached = (executed["position"].as_u64().unwrap() + 1).to_string();
    let check = ["legality", "check", "--purpose", "VERIFY_LEGALITY", "--nik", NIK, "--at-least", &reached];
    let verdict = world.cli_json("kbri-yangon", "desk", &check).to_string();
    assert!(verdict.contains("INSUFFICIENT_EVIDENCE"), "{verdict}");
    let gone = world.cli("kbri-yangon", "desk", &case);
    assert!(!String::from_utf8_lossy(&gone.stdout).contains(NAME));
    on_nats(false);
    hub.stop();
    nats.stop();

    let report = verify(&world, &world.data());
    assert_eq!(report["ok"], true, "{report}");
    let payloads = &report["main"]["payloads"];
    assert_eq!((payloads["erased"].as_u64(), payloads["missing"].as_u64()), (Some(2), Some(0)), "{report}");
    assert_eq!(report["main"]["erasures"][0]["request"], request.as_str());

    // The keys from before are put back: the hub destroys them again before it serves anything.
    fs::write(world.data().join("log/keys"), &backup_keys).unwrap();
    let hub = world.hub();
    let gone = world.cli("kbri-yangon", "desk", &case);
    assert!(!String::from_utf8_lossy(&gone.stdout).contains(NAME), "resurrected");
    hub.stop();
    assert_ne!(fs::read(world.data().join("log/keys")).unwrap(), backup_keys);
    assert_eq!(verify(&world, &world.data())["main"]["payloads"]["erased"], 2);
    let (data, master) = (world.data(), world.realm.dir.join("hub/master.key"));
    let replay =
        ["audit", "replay", "--data", data.to_str().unwrap(), "--master-key", master.to_str().unwrap()];
    let compared = world.cli("kp2mi", "desk", &[&replay[..], &["--compare"]].concat());
    let text = String::from_utf8_lossy(&compared.stdout).into_owned();
    assert!(
        compared.status.success() && text.contains("equal"),
        "PRJ-2: {text} {}",
        String::from_utf8_lossy(&compared.stderr)
    );

    // KEY-2: who has the copy and the hub's keys reads the person, until the key epoch turns.
    assert_eq!(person_in(&world, &old).as_deref(), Some(NAME), "the copy is from before the execution");
    let epochs = world.realm.dir.join("hub/epochs.key");
    let left_behind = fs::read(&epochs).unwrap();
    world.configure(|config| config.replace("[erasure]\n", "[erasure]\nkey_epoch_s = 1\n"));
    let hub = world.hub();
    let start = Instant::now();
    // One line: the turn is over.
    while fs::read(&epochs)
        .is_ok_and(|text| text == left_behind || text.iter().filter(|byte| **byte == b'\n').count() != 1)
    {
        assert!(start.elapsed() < PATIENCE, "no key epoch was begun");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(person_in(&world, &old), None, "the copy still opens");
    hub.stop();
    let report = verify(&world, &world.data());
    assert_eq!(
        (report["ok"].as_bool(), report["main"]["payloads"]["missing"].as_u64()),
        (Some(true), Some(0)),
        "{report}"
    );
    assert!(report["main"]["key_epoch"].as_u64().unwrap() >= 2, "{report}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() { copy(&from, &to) } else { _ = fs::copy(&from, &to).unwrap() }
    }
}

/// The name in the first placement of a log, where the keys that the hub has now open it.
fn person_in(world: &World, log: &Path) -> Option<String> {
    let (key, wrap) = (world.realm.log_vkey.parse().unwrap(), world.master_key().wrap_key());
    let reader = simpul_log::open_reader(log, Schema::Submissions, &key, wrap).ok()?;
    let position = *reader.stream(&drafts::draft(42, &drafts::placement(42, 0)).stream).first()?;
    let opened = reader.open_payload(&reader.event(position).ok()?).ok()?;
    let placement = registry::PlacementRecorded::decode(opened.payload).ok()?;
    Some(placement.person?.name)
}
