//! The spool: what was pushed is in the log exactly once, whatever dies in between; what is refused is set aside.

mod support;

use std::{path::Path, sync::Arc, time::Duration};

use simpul_connector::{Counts, Quarantine, Runner, Spool, SpoolConfig, SpoolError, spool::Entry};
use simpul_types::{RejectReason, Rejection, clock::System};
use support::{Hub, Lie, draft};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

fn open(dir: &Path) -> Spool {
    let config = SpoolConfig { dir: dir.to_path_buf(), events_max: 1_000 };
    // sled frees its lock a moment after the last handle is gone.
    for _ in 0..200 {
        match Spool::open(&config, Arc::new(System)) {
            Ok(spool) => return spool,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    Spool::open(&config, Arc::new(System)).expect("opened")
}

fn entry(name: &str, line: u64) -> Entry {
    let remember = Some((format!("row-{line}").into_bytes(), name.as_bytes().to_vec()));
    Entry { draft: draft(name), file: "placements.csv".into(), line, remember }
}

fn start(hub: &Hub, spool: &Spool) -> Runner {
    let quarantine = Quarantine::open(&hub.dir().join("quarantine"), Arc::new(System), Arc::new(System));
    spool.start(hub.config(), Arc::new(quarantine.expect("opened")), Arc::new(System)).expect("started")
}

async fn drained(runner: &mut Runner) {
    timeout(SOON, runner.drained()).await.expect("in time").expect("drained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_arrives_in_order_and_is_deleted_after_its_receipt() {
    let hub = Hub::start().await;
    let spool = open(&hub.spool_dir());
    spool.push((0..300).map(|number| entry(&format!("P{number}"), number)).collect()).await.expect("pushed");
    let mut runner = start(&hub, &spool);
    spool.push(vec![entry("last", 300)]).await.expect("pushed");
    drained(&mut runner).await;
    runner.stop().await.expect("stopped");
    let expect: Vec<_> = (0..300).map(|number| format!("P{number}")).chain(["last".into()]).collect();
    assert_eq!(hub.names(), expect);
    assert_eq!(spool.counts(), Counts { accepted: 301, ..Counts::default() });
    assert_eq!(spool.recall(b"row-7").expect("read"), Some(b"P7".to_vec()));
    drop(spool);
    assert_eq!(open(&hub.spool_dir()).waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_send_and_receipt_sends_the_same_bytes_again() {
    let hub = Hub::start().await;
    let spool = open(&hub.spool_dir());
    spool.push((0..5).map(|number| entry(&format!("P{number}"), number)).collect()).await.expect("pushed");
    // The hub admits, but its answer never arrives; then the connector dies.
    hub.with(|state| state.lose_answers = u32::MAX);
    let runner = start(&hub, &spool);
    timeout(SOON, async {
        while hub.with(|state| state.received.is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("sent");
    drop(runner);
    drop(spool);
    tokio::time::sleep(Duration::from_millis(50)).await;
    hub.with(|state| state.lose_answers = 0);

    let spool = open(&hub.spool_dir());
    assert_eq!(spool.waiting(), 5);
    let mut runner = start(&hub, &spool);
    drained(&mut runner).await;
    runner.stop().await.expect("stopped");
    assert_eq!(hub.names(), ["P0", "P1", "P2", "P3", "P4"], "nothing lost, nothing doubled");
    assert!(spool.counts().duplicate > 0, "{:?}", spool.counts());
    hub.with(|state| {
        let again = state.received.iter().filter(|bytes| **bytes == state.received[0]).count();
        assert!(again >= 2, "the first submission came again unchanged");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_event_is_set_aside_with_its_reason_and_the_others_go_on() {
    let hub = Hub::start().await;
    let spool = open(&hub.spool_dir());
    let names = ["A", "B", "", "D", "", "F"];
    let entries = names.iter().zip(10..).map(|(name, line)| entry(name, line)).collect();
    spool.push(entries).await.expect("pushed");
    let mut runner = start(&hub, &spool);
    drained(&mut runner).await;
    runner.stop().await.expect("stopped");
    assert_eq!(hub.names(), ["A", "B", "D", "F"]);
    assert_eq!(spool.counts(), Counts { accepted: 4, refused: 2, ..Counts::default() });
    let list = std::fs::read_to_string(hub.dir().join("quarantine/quarantine.jsonl")).expect("a list");
    let lines: Vec<serde_json::Value> =
        list.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["line"].as_u64(), line["field"].as_str())).collect();
    let field = Some("payload.person.name");
    assert_eq!(told, [(Some(12), field), (Some(14), field)]);
    assert!(lines[0]["reason"].as_str().expect("text").starts_with("INVALID_PAYLOAD"));
    assert_eq!(spool.recall(b"row-12").expect("read"), None, "the source may offer it again");
    assert!(spool.recall(b"row-11").expect("read").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_registered_yet_empties_no_spool() {
    let hub = Hub::start().await;
    let unknown = Rejection::new(RejectReason::UnknownKey, "no such key");
    hub.with(|state| state.refuse.extend([unknown.clone(), unknown.clone(), unknown]));
    let spool = open(&hub.spool_dir());
    spool.push(vec![entry("A", 1), entry("B", 2)]).await.expect("pushed");
    let mut runner = start(&hub, &spool);
    drained(&mut runner).await;
    runner.stop().await.expect("stopped");
    assert_eq!(hub.names(), ["A", "B"]);
    assert_eq!(spool.counts().refused, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_comes_late_is_waited_for() {
    let mut hub = Hub::start().await;
    hub.kill().await;
    let spool = open(&hub.spool_dir());
    spool.push(vec![entry("A", 1)]).await.expect("pushed");
    let mut runner = start(&hub, &spool);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(spool.waiting(), 1);
    hub.revive().await;
    drained(&mut runner).await;
    runner.stop().await.expect("stopped");
    assert_eq!(hub.names(), ["A"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_takes_nothing_and_a_second_opener_is_refused() {
    let hub = Hub::start().await;
    let spool = open(&hub.spool_dir());
    spool.push((0..999).map(|number| entry("A", number)).collect()).await.expect("pushed");
    let error = spool.push(vec![entry("B", 1), entry("C", 2)]).await.expect_err("full");
    assert!(matches!(error, SpoolError::Full(999)));
    assert_eq!(spool.waiting(), 999);
    let config = SpoolConfig { dir: hub.spool_dir(), events_max: 1 };
    assert!(Spool::open(&config, Arc::new(System)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_3_a_log_that_was_rolled_back_is_noticed_after_a_restart() {
    let hub = Hub::start().await;
    let spool = open(&hub.spool_dir());
    for name in ["A", "B"] {
        spool.push(vec![entry(name, 1)]).await.expect("pushed");
        let mut runner = start(&hub, &spool);
        drained(&mut runner).await;
        runner.stop().await.expect("stopped");
    }
    drop(spool);
    hub.with(|state| state.lie = Some(Lie::Shrunk));
    let spool = open(&hub.spool_dir());
    spool.push(vec![entry("C", 2)]).await.expect("pushed");
    let mut runner = start(&hub, &spool);
    let error = timeout(SOON, runner.drained()).await.expect("in time").expect_err("noticed");
    let cause = std::error::Error::source(&error).and_then(|fault| fault.source()).expect("a cause");
    assert_eq!(cause.to_string(), "LOG-3: the log has shrunk from 2 to 1 leaves");
    assert_eq!(spool.waiting(), 1, "nothing is given up for a receipt that does not hold");
}

/// Opens once its last handle is gone; what is wrong with the key does not pass.
fn refused(dir: &Path) -> String {
    let config = SpoolConfig { dir: dir.to_path_buf(), events_max: 1_000 };
    for _ in 0..200 {
        match Spool::open(&config, Arc::new(System)).err().expect("refused") {
            SpoolError::Store(_) => std::thread::sleep(Duration::from_millis(10)),
            error => return error.to_string(),
        }
    }
    panic!("the store stays locked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pii_1_a_spool_is_sealed_and_opens_under_its_own_key_alone() {
    let base = tempfile::tempdir().unwrap();
    let (dir, key) = (base.path().join("my.spool"), base.path().join("my.spool.key"));
    let spool = open(&dir);
    spool.push(vec![entry("KANARI", 1)]).await.unwrap();
    drop(spool);
    let own = std::fs::read(&key).expect("a key beside the folder");

    std::fs::remove_file(&key).unwrap();
    let missing = refused(&dir);
    assert!(missing.contains("put back the file") && missing.contains("my.spool.key"), "{missing}");
    assert!(!key.exists(), "no other key is made in its place");
    std::fs::write(&key, "simpul-master-key:".to_owned() + &"42".repeat(32) + "\n").unwrap();
    assert!(refused(&dir).contains("put back the file"), "another key is not taken");
    std::fs::write(&key, own).unwrap();
    let spool = open(&dir);
    assert_eq!((spool.waiting(), spool.recall(b"row-1").unwrap()), (1, Some(b"KANARI".to_vec())));
    drop(spool);
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&b"KANARI"[..], b"row-1", b"placements.csv"] {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
            }
        }
    }
}
