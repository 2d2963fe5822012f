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

/// Registry and mission bring what they know of her.
async fn bring(world: &World) {
    let mut events = events();
    let intake = events.pop().unwrap();
    world.client("kp2mi", "sisko").await.submit(events).await.expect("accepted");
    world.client("kbri-yangon", "forms").await.submit(vec![intake]).await.expect("accepted");
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
    bring(&world).await;
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

/// Bytes of every file below a folder.
fn all(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    files(dir, &mut paths);
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

const SECRETS: [&str; 4] = [NAME, NIK, PASSPORT, SHELTER];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pii_1_nor_in_nats_a_backup_tiles_a_connectors_spool_or_another_agencys_stream() {
    let world = World::of_all_agencies();
    let nats = world.nats();
    let hub = world.hub();
    bring(&world).await;
    let received = |agency: &str| {
        let output = world.cli(agency, "desk", &["watch", "--nats", "--once", "--json"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let start = std::time::Instant::now();
    while !received("kbri-yangon").contains(CASE) {
        assert!(start.elapsed().as_secs() < 60, "the mission is not sent its own case");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // A shelter's address goes to nobody unasked, nor does a name to those whose class it is not.
    let told = |secret: &str| {
        let agencies = world.realm.senders.iter().map(|sender| sender.agency.as_str());
        let agencies: std::collections::BTreeSet<&str> = agencies.collect();
        let told = agencies.into_iter().filter(|agency| *agency != "directory" && *agency != "simpul");
        told.filter(|agency| received(agency).contains(secret)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told(SHELTER), [""; 0]);
    let named = told(NAME);
    assert!(
        !named.contains(&"desa-sukamaju".to_owned()) && !named.contains(&"ombudsman".to_owned()),
        "{named:?}"
    );

    // A connector that cannot reach the hub keeps its records, sealed.
    hub.stop();
    let folder = world.realm.sender_dir("kbri-yangon", "forms");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../connectors/sample/mission/intake-2025-0417.json");
    fs::copy(sample, folder.join("input/intake-2025-0417.json")).unwrap();
    let mut connector = std::process::Command::new(simpul_tests::process::binary("simpul-connector"));
    connector.arg("--config").arg(folder.join("connector.toml"));
    let mut connector = simpul_tests::process::Process::start(connector, &world.path().join("connector.log"));
    connector.wait_for("records in the spool", || {
        let status: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("status.json")).ok()?).ok()?;
        (status["waiting"].as_u64()? > 0).then_some(())
    });
    connector.stop();
    for (place, bytes) in all(&folder.join("spool")) {
        for secret in ["Dimas", "1803010210999008", "X1000008", "YGN-TPPO-2025-0101", "Yangon"] {
            assert!(!holds(&bytes, secret), "PII-1: {secret} in {place}");
        }
    }

    // What NATS keeps on its disk, a backup, and the log as static files.
    nats.stop();
    let backup = world.path().join("backup");
    let (data, tiles) = (world.data(), world.path().join("tiles"));
    let simpul = |arguments: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new(simpul_tests::process::binary("simpul"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    simpul(&[
        "backup".as_ref(),
        "create".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
        "--out".as_ref(),
        backup.as_os_str(),
    ]);
    simpul(&[
        "audit".as_ref(),
        "tiles".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
        "--out".as_ref(),
        tiles.as_os_str(),
    ]);
    let store = world.realm.dir.join("nats/store");
    let kept = [&store, &backup, &tiles].map(|dir| all(dir));
    // Not even what was published lies in clear where NATS keeps it.
    assert!(kept[0].iter().all(|(_, bytes)| !holds(bytes, CASE)));
    assert!(kept.iter().all(|files| files.len() > 2), "all three keep something");
    for (place, bytes) in kept.iter().flatten() {
        for secret in SECRETS {
            assert!(!holds(bytes, secret), "PII-1: {secret} in {place}");
        }
    }
}
