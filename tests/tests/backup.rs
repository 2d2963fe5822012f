//! Backups of a running hub: consistent, verifiable without it, restored to the same tree, and never back in time unseen.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use simpul_tests::{World, drafts, process::binary};
use simpul_tlog::{checkpoint, note::NoteVerifier};

fn simpul(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary("simpul")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Points the realm's hub at another data folder and tries to start it; what it says where it refuses.
fn refused(world: &World) -> String {
    let output = Command::new(binary("simpul-hub")).arg("--config").arg(&world.realm.hub_config).output();
    let output = output.unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_3_a_backup_under_load_restores_to_the_same_tree_and_a_rollback_is_refused() {
    let world = World::new();
    world.configure(|text| text.replace("[log]\n", "[log]\nsegment_bytes = 262144\n"));
    let hub = world.hub();
    let client = world.client("kp2mi", "sisko").await;
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop, next) = (client.clone(), stop.clone(), next.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    client.submit(vec![drafts::placement_draft(number, 600)]).await.unwrap();
                }
            })
        })
        .collect();
    let (backup, data) = (world.path().join("backup"), world.data());
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let wanted = next.load(Ordering::Relaxed) + 200;
        while next.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let (made, said) =
            simpul(&["backup", "create", "--data", text(&data), "--out", text(&backup), "--json"]);
        assert!(made, "{said}");
        let made: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        sizes.push((
            made["manifest"]["main"]["size"].as_u64().unwrap(),
            made["segments_kept"].as_u64().unwrap(),
        ));
        let (verified, said) = simpul(&["backup", "verify", text(&backup)]);
        assert!(verified, "{said}");
    }
    assert!(sizes.windows(2).all(|pair| pair[0].0 < pair[1].0), "{sizes:?}");
    assert!(sizes[3].1 > 0, "sealed segments are copied once: {sizes:?}");
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    // The checkpoint of a receipt is one that somebody outside holds.
    let newest = world.path().join("newest.note");
    let number = next.fetch_add(1, Ordering::Relaxed);
    let last = client.submit(vec![drafts::placement_draft(number, 600)]).await.unwrap();
    fs::write(&newest, &last.receipt.checkpoint).unwrap();
    drop(client);
    hub.stop();

    let restored = world.path().join("restored");
    let (done, said) = simpul(&["backup", "restore", "--from", text(&backup), "--data", text(&restored)]);
    assert!(done, "{said}");
    let (again, said) = simpul(&["backup", "restore", "--from", text(&backup), "--data", text(&restored)]);
    assert!(!again && said.contains("is not empty"), "{said}");
    world.configure(|config| config.replace(text(&data), text(&restored)));
    assert!(refused(&world).contains("simpul backup confirm"), "{}", refused(&world));
    // More was published than the backup holds: it may not start unless the operator takes that upon himself.
    let (confirmed, said) =
        simpul(&["backup", "confirm", "--data", text(&restored), "--newest", text(&newest)]);
    assert!(!confirmed && said.contains("are lost"), "{said}");
    assert!(refused(&world).contains("simpul backup confirm"));

    // A last backup, of the stopped hub, holds everything: it is the same tree and goes on.
    let (made, said) = simpul(&["backup", "create", "--data", text(&data), "--out", text(&backup)]);
    assert!(made, "{said}");
    fs::remove_dir_all(&restored).unwrap();
    let (done, said) = simpul(&["backup", "restore", "--from", text(&backup), "--data", text(&restored)]);
    assert!(done, "{said}");
    let (confirmed, said) =
        simpul(&["backup", "confirm", "--data", text(&restored), "--newest", text(&newest)]);
    assert!(confirmed, "{said}");
    let verifier = NoteVerifier::parse(&world.realm.log_vkey).unwrap();
    let head = |data: &Path| {
        let note = fs::read_to_string(data.join("log/checkpoint")).unwrap();
        checkpoint::open(&note, &verifier).unwrap()
    };
    assert_eq!(head(&restored), head(&data), "the same tree");
    let known = checkpoint::open(&fs::read_to_string(&newest).unwrap(), &verifier).unwrap();
    assert!(known.size <= head(&restored).size);
    let hub = world.hub_in(&restored);
    let client = world.client("kp2mi", "sisko").await;
    let number = next.fetch_add(1, Ordering::Relaxed);
    client.submit(vec![drafts::placement_draft(number, 600)]).await.unwrap();
    drop(client);
    hub.stop();
    let (verified, said) = simpul(&["audit", "verify", "--data", text(&restored)]);
    assert!(verified, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_backup_is_refused_with_what_to_do() {
    let (world, other) = (World::new(), World::new());
    for world in [&world, &other] {
        let hub = world.hub();
        let client = world.client("kp2mi", "sisko").await;
        client.submit(vec![drafts::placement_draft(1, 600)]).await.unwrap();
        drop(client);
        hub.stop();
    }
    let (backup, restored) = (world.path().join("backup"), world.path().join("restored"));
    let data = world.data();
    let (made, said) = simpul(&["backup", "create", "--data", text(&data), "--out", text(&backup)]);
    assert!(made, "{said}");
    for file in
        ["log/segments/00000000000000000000.seg", "log/tree", "log/keys", "access/keys", "log/checkpoint"]
    {
        let path = backup.join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let at = bytes.len() / 3;
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).unwrap();
        let (verified, said) = simpul(&["backup", "verify", text(&backup)]);
        assert!(!verified, "{file}: {said}");
        let (_, name) = file.split_once('/').unwrap();
        assert!(said.contains(name), "{file}: {said}");
        let (done, said) = simpul(&["backup", "restore", "--from", text(&backup), "--data", text(&restored)]);
        assert!(!done && said.contains("nothing was restored"), "{file}: {said}");
        assert!(!restored.exists(), "{file}: nothing is left behind");
        fs::write(&path, whole).unwrap();
    }
    let key = |world: &World| world.realm.log_vkey.clone();
    let wrong = simpul(&["backup", "verify", text(&backup), "--log-key", &key(&other)]);
    assert!(!wrong.0, "{}", wrong.1);
    let into = simpul(&["backup", "create", "--data", text(&data), "--out", text(&data)]);
    assert!(!into.0 && into.1.contains("not a backup"), "{}", into.1);
    let manifest = fs::read_to_string(backup.join("backup.json")).unwrap();
    fs::write(backup.join("backup.json"), manifest.replacen("\"format\": 1", "\"format\": 9", 1)).unwrap();
    let newer = simpul(&["backup", "verify", text(&backup)]);
    assert!(!newer.0 && newer.1.contains("newer version"), "{}", newer.1);
    fs::write(backup.join("backup.json"), manifest).unwrap();

    let bare = world.path().join("bare");
    let made = simpul(&["backup", "create", "--data", text(&data), "--out", text(&bare), "--without-keys"]);
    assert!(made.0, "{}", made.1);
    let refused = simpul(&["backup", "restore", "--from", text(&bare), "--data", text(&restored)]);
    assert!(!refused.0 && refused.1.contains("no data keys"), "{}", refused.1);
}
