//! Damage on the hub's disk: every file is named, the rest is served, and a copy that proves the same leaves mends it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use simpul_proto::status;
use simpul_tests::{
    World, drafts,
    forge::{self, Forge},
    process::binary,
    world::Hub,
};

fn simpul(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary("simpul")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

/// The first event that is no longer of the directory: without the directory's events a hub does not start.
fn past_directory(bytes: &[u8]) -> usize {
    let of = b"simpul.registry.v1.PlacementRecorded";
    bytes.windows(of.len()).position(|window| window == of).unwrap()
}

fn named(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

/// A stopped hub's realm with several segments in the main log and some entries in the access log, and a backup of it.
async fn stopped(submissions: u64) -> (World, PathBuf) {
    let world = World::new();
    world.configure(|text| text.replace("[log]\n", "[log]\nsegment_bytes = 65536\nkey_pool = 64\n"));
    let hub = world.hub();
    let client = world.client("kp2mi", "sisko").await;
    for number in 1..=submissions {
        client.submit(vec![drafts::placement_draft(number, 600)]).await.unwrap();
    }
    for _ in 0..3 {
        world.cli_json("ombudsman", "desk", &["audit", "checkpoint"]);
    }
    drop(client);
    hub.stop();
    let backup = world.path().join("backup");
    let (made, said) = simpul(&["backup", "create", "--data", text(&world.data()), "--out", text(&backup)]);
    assert!(made, "{said}");
    (world, backup)
}

/// What `simpul status` says, as JSON; it exits 1 where something is damaged.
fn status_of(world: &World) -> Value {
    let output = world.cli("ombudsman", "desk", &["status", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("simpul status: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn readyz(hub: &Hub) -> (u16, String) {
    hub.get("/readyz").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_every_stored_file_is_named_by_verification() {
    let (world, _) = stopped(150).await;
    let data = world.data();
    let (verified, said) = simpul(&["audit", "verify", "--data", text(&data)]);
    assert!(verified, "{said}");
    let mut files = Vec::new();
    for log in ["log", "access"] {
        let dir = data.join(log);
        files.extend(named(&dir.join("segments"), "seg"));
        files.extend(named(&dir.join("segments"), "idx"));
        files.extend(["tree", "keys", "checkpoint", "epoch"].map(|name| dir.join(name)));
        files.push(data.join(format!("{log}.vkey")));
    }
    assert!(files.iter().filter(|path| path.extension().is_some_and(|end| end == "idx")).count() >= 2);
    for path in files {
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        // A segment ends in zeros that no frame has used yet: they are no part of the log.
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in [0, used / 2, used - 1] {
            flip(&path, at);
            let (verified, said) = simpul(&["audit", "verify", "--data", text(&data)]);
            assert!(!verified, "{name} at {at} of {used}: {said}");
            assert!(said.contains(name), "{name} at {at} of {used}: {said}");
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_5_a_hub_with_a_damaged_sealed_frame_serves_and_takes_everything_else_and_is_mended_from_a_backup()
 {
    let (world, backup) = stopped(150).await;
    let sealed = named(&world.data().join("log/segments"), "seg")[0].clone();
    let segment = sealed.file_name().unwrap().to_str().unwrap().to_owned();
    let placement = past_directory(&fs::read(&sealed).unwrap());
    flip(&sealed, placement);
    let hub = world.hub();
    // Nothing had to read it at start: the scrub finds it.
    wait_until("finding of the scrub", || {
        !status_of(&world)["log"]["damages"].as_array().unwrap().is_empty()
    });
    let status = status_of(&world);
    let damage = &status["log"]["damages"][0];
    assert_eq!((damage["file"].as_str(), status["log"]["read_only"].as_str()), (Some(&*segment), Some("")));
    let (leaf, position) = (damage["leaf"].as_u64().unwrap(), damage["position"].as_u64().unwrap());
    let place = format!("{segment}, leaf {leaf}, position {position}");
    wait_until("/readyz", || readyz(&hub).1.contains(&place));
    assert_eq!(readyz(&hub).0, 200, "it serves");
    assert!(hub.lines(" ERROR ").iter().any(|line| line.contains(&segment)), "{:?}", hub.lines(" ERROR "));
    assert!(hub.get("/metrics").unwrap().1.contains("simpul_log_damages 1"));

    let client = world.client("kp2mi", "sisko").await;
    client.submit(vec![drafts::placement_draft(900, 600)]).await.unwrap();
    drop(client);
    let prove = |leaf: u64| world.cli("ombudsman", "desk", &["audit", "proof", "--leaf", &leaf.to_string()]);
    assert!(prove(leaf + 1).status.success(), "another leaf is proved");
    let lost = prove(leaf);
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(!lost.status.success() && said.contains("DataLoss") && said.contains("position"), "{said}");
    let from = (position + 1).to_string();
    let replayed =
        world.cli("ombudsman", "desk", &["audit", "replay", "--purpose", "OVERSIGHT", "--from", &from]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let replayed = world.cli("ombudsman", "desk", &["audit", "replay", "--purpose", "OVERSIGHT"]);
    let said = String::from_utf8_lossy(&replayed.stderr).into_owned();
    assert!(!replayed.status.success() && said.contains("DataLoss"), "{said}");

    let repair = || simpul(&["audit", "repair", "--data", text(&world.data()), "--from", text(&backup)]);
    let (mended, said) = repair();
    assert!(!mended && said.contains("stop the hub first"), "{said}");
    hub.stop();
    let (mended, said) = repair();
    assert!(mended && said.contains(&segment), "{said}");
    let (again, said) = repair();
    assert!(again && said.contains("nothing to mend"), "{said}");
    let hub = world.hub();
    assert!(prove(leaf).status.success());
    assert_eq!(status_of(&world)["log"]["damages"].as_array().unwrap().len(), 0);
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn log_4_a_hub_whose_newest_segment_is_damaged_serves_but_takes_nothing_until_it_is_mended() {
    let (world, backup) = stopped(30).await;
    let segments = named(&world.data().join("log/segments"), "seg");
    let active = segments.last().unwrap();
    let bytes = fs::read(active).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let middle = usize::midpoint(past_directory(&bytes), used);
    flip(active, middle);
    let hub = world.hub();
    let status = status_of(&world);
    let damage = &status["log"]["damages"][0];
    let leaf = damage["leaf"].as_u64().unwrap();
    assert!(status["log"]["read_only"].as_str().unwrap().contains("duplicate"), "{status}");
    assert_eq!(readyz(&hub).0, 200);
    wait_until("/readyz", || readyz(&hub).1.contains("read-only"));
    let config = world.config("kp2mi", "sisko");
    let mut service = forge::service(&config).await;
    let refused = service.submit(Forge::new(&config, 31, 900..901).sign()).await.unwrap_err();
    let rejection = status::from_status(&refused).unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(rejection.reason(), simpul_proto::v1::RejectReason::LogPoisoned, "{}", rejection.message);
    drop(service);
    let prove = |leaf: u64| world.cli("ombudsman", "desk", &["audit", "proof", "--leaf", &leaf.to_string()]);
    assert!(prove(leaf + 1).status.success() && prove(0).status.success(), "the rest is proved");
    assert!(!prove(leaf).status.success());
    hub.stop();
    let (mended, said) = simpul(&["audit", "repair", "--data", text(&world.data()), "--from", text(&backup)]);
    assert!(mended, "{said}");
    let hub = world.hub();
    let client = world.client("kp2mi", "sisko").await;
    client.submit(vec![drafts::placement_draft(900, 600)]).await.unwrap();
    assert!(prove(leaf).status.success());
    drop(client);
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_a_live_hub_or_of_a_newer_version_is_refused_with_what_to_do() {
    let world = World::new();
    let hub = world.hub();
    let start = || {
        let command =
            Command::new(binary("simpul-hub")).arg("--config").arg(&world.realm.hub_config).output();
        let output = command.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (started, said) = start();
    assert!(!started && said.contains("stop it first"), "{said}");
    let beyond = world.cli("ombudsman", "desk", &["audit", "proof", "--leaf", "1000000"]);
    let said = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert!(!beyond.status.success() && said.contains("1000000"), "{said}");
    hub.stop();
    fs::write(world.data().join("format"), "9\n").unwrap();
    let (started, said) = start();
    assert!(!started && said.contains("newer version"), "{said}");
    fs::write(world.data().join("format"), "1\n").unwrap();
    let segment = named(&world.data().join("log/segments"), "seg")[0].clone();
    let whole = fs::read(&segment).unwrap();
    let mut newer = whole.clone();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..96]).to_le_bytes();
    newer[96..100].copy_from_slice(&crc);
    fs::write(&segment, &newer).unwrap();
    let (started, said) = start();
    assert!(!started && said.contains("newer version"), "{said}");
    assert_eq!(fs::read(&segment).unwrap(), newer, "nothing was changed");
}
