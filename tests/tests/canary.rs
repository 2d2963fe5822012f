//! PII-1: unique names and numbers go in, everything runs, and then every byte on disk is searched for them.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path};

use prost::Message;
use simpul_connector::EventDraft;
use simpul_proto::{embassy, v1};
use simpul_tests::{World, drafts};
use simpul_types::Timestamp;

const NAME: &str = "KANARI BURUNG EMAS";
const NIK: &str = "3273014107950042";
const PASSPORT: &str = "X7391046";
const SHELTER: &str = "Jalan Kenari Sunyi 17";
const CASE: &str = "KANARI-2026-0042";

fn events() -> Vec<EventDraft> {
    let person = || v1::PersonClaim {
        nik: NIK.into(),
        passport: PASSPORT.into(),
        name: NAME.into(),
        birth_date: "1995-07-01".into(),
        ..Default::default()
    };
    let mut placement = drafts::placement(42, 0);
    placement.person = Some(person());
    let intake = embassy::IntakeRecorded {
        intake_no: "IN-42".into(),
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
        "mission-intake/c42".parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    );
    vec![drafts::draft(42, &placement), intake]
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pii_1_no_identifier_or_name_lies_in_clear_on_the_hubs_disk() {
    let world = World::with_nats();
    let nats = world.nats();
    let hub = world.hub();
    let mut events = events();
    let intake = events.pop().unwrap();
    world.client("kp2mi", "sisko").await.submit(events).await.expect("accepted");
    world.client("kbri-yangon", "forms").await.submit(vec![intake]).await.expect("accepted");
    let check = ["legality", "check", "--purpose", "VERIFY_LEGALITY", "--nik", NIK];
    let verdict = world.cli_json("kbri-yangon", "desk", &check).to_string();
    assert!(!verdict.contains(NIK), "a verdict names nobody");
    let seen = ["watch", "--nats", "--once", "--json"];
    let start = std::time::Instant::now();
    while world.cli("kp2mi", "desk", &seen).stdout.is_empty() {
        assert!(start.elapsed().as_secs() < 30, "nothing was published");
    }
    let case = ["case", "show", CASE, "--purpose", "ASSIST"];
    let shown = world.cli_json("kbri-yangon", "desk", &case).to_string();
    assert!(shown.contains(NAME), "the mission sees its own case: {shown}");
    let metrics = hub.get("/metrics").expect("metrics").1;
    hub.stop();
    nats.stop();
    let mut paths = Vec::new();
    files(&world.data(), &mut paths);
    paths.push(world.path().join("hub.log"));
    assert!(paths.len() > 10);
    let mut texts: Vec<_> =
        paths.into_iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    texts.push(("metrics".into(), metrics.into_bytes()));
    for (place, bytes) in &texts {
        for secret in [NAME, NIK, PASSPORT, SHELTER, "KANARI", "Kenari"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            let allowed = secret == "KANARI" && place.contains("/access/");
            assert!(!found || allowed, "PII-1: {secret} in {place}");
        }
    }
}
