//! Endurance: events, questions and subscriptions go on while keys are rotated, agreements change, NATS and a witness are killed and come
//! back. Nothing is lost or double, nobody's stream has a gap, memory does not grow, and no line warns of what nobody did.
//!
//! In `tests/run` it is short. The whole hour: `cargo build --release --workspace --bins`, then
//! `SIMPUL_SOAK_SECONDS=3600 SIMPUL_SOAK_RATE=2000 cargo test --release -p simpul-tests --test soak -- --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simpul_connector::{Client, ClientConfig};
use simpul_log::Schema;
use simpul_proto::v1::{
    self, legality_service_client::LegalityServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use simpul_signing::SigningKey;
use simpul_tests::{
    World, drafts,
    process::{Process, binary, free_port},
};
use simpul_types::{Clock, Header, Position, clock::System};
use tokio::{sync::Mutex, task::JoinHandle, time::sleep};

/// Persons; their placements change again and again.
const PERSONS: u64 = 400;
/// How long the agencies' streams may take to be complete once the load is over.
const CATCH_UP: Duration = Duration::from_secs(180);
/// Changes a second that NATS is read at, at least.
const READ_A_SECOND: u64 = 5_000;
/// What an event may cost for good: the log's index of event ids and streams is in memory, and so is that of the access log.
const BYTES_AN_EVENT: u64 = 64;
/// Who may warn: of NATS and of the witness, which the test itself kills.
const EXPECTED: [&str; 3] = [" simpul_publisher", " async_nats", " simpul_audit::gather"];

#[allow(
    clippy::disallowed_methods,
    reason = "how long it runs is said to the test, not to a process of ours"
)]
fn of_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What went on, and whether it goes on.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    /// Nothing more will be accepted.
    fed: AtomicBool,
    accepted: AtomicU64,
    answered: AtomicU64,
}

impl Tally {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Submits at a pace; the client is changed under it when its key is.
fn feed(client: Arc<Mutex<Client>>, tally: Arc<Tally>, rate: u64) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (batch, mut number, mut next) = ((rate / 10).max(1), 0, Instant::now());
        while !tally.is_over() {
            let drafts = (0..batch).map(|at| drafts::placement_draft((number + at) % PERSONS, 300)).collect();
            number += batch;
            client.lock().await.submit(drafts).await.expect("accepted");
            tally.accepted.fetch_add(batch, Ordering::Relaxed);
            next += Duration::from_millis(100);
            tokio::time::sleep_until(next.into()).await;
        }
    })
}

/// Asks about persons, one question after another.
fn ask(config: ClientConfig, tally: Arc<Tally>, mut person: u64) -> JoinHandle<()> {
    tokio::spawn(async move {
        let channel = simpul_connector::connect_channel(&config.tls_files()).await.unwrap();
        let mut client = LegalityServiceClient::new(channel);
        while !tally.is_over() {
            person = (person + 7) % PERSONS;
            let request = v1::CheckRequest {
                subject: Some(v1::check_request::Subject::Nik(drafts::nik(person))),
                purpose: "VERIFY_LEGALITY".into(),
                official: "tester".into(),
                ..Default::default()
            };
            client.check(request).await.expect("answered");
            tally.answered.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Follows an agency's changes to the last one; every number comes once, in order. What is published is published on idle time: on a busy
/// machine much of it comes when the load is over.
fn follow(config: ClientConfig, tally: Arc<Tally>) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let channel = simpul_connector::connect_channel(&config.tls_files()).await.unwrap();
        let request =
            v1::WatchRequest { official: "tester".into(), purpose: "PLACEMENT".into(), ..Default::default() };
        let mut changes = SubscriptionServiceClient::new(channel).watch(request).await.unwrap().into_inner();
        let (mut last, mut caught_up_by) = (0, None);
        while !tally.fed.load(Ordering::Relaxed) || last < tally.accepted.load(Ordering::Relaxed) {
            if tally.fed.load(Ordering::Relaxed) {
                let deadline = *caught_up_by.get_or_insert_with(|| Instant::now() + CATCH_UP);
                assert!(Instant::now() < deadline, "followed {last} changes");
            }
            let next = tokio::time::timeout(Duration::from_millis(200), changes.message()).await;
            let Ok(change) = next else { continue };
            let change = change.expect("the subscription goes on").expect("it has no end");
            assert_eq!(change.sequence, last + 1, "no gap and nothing twice");
            last = change.sequence;
        }
        last
    })
}

/// A witness as a process.
struct Witness {
    dir: PathBuf,
    port: u16,
    vkey: String,
}

impl Witness {
    fn new(world: &World) -> Self {
        let (dir, port) = (world.path().join("witness"), free_port());
        let mut command = Command::new(binary("simpul"));
        command.args(["audit", "witness", "keygen", "--name", "witness.example/soak", "--out"]).arg(&dir);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--log", &world.realm.log_vkey]);
        command.args(["--log", &world.realm.access_vkey]);
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let vkey = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Self { dir, port, vkey }
    }

    fn start(&self) -> Process {
        let mut command = Command::new(binary("simpul"));
        command.args(["audit", "witness", "--config"]).arg(self.dir.join("witness.toml"));
        let mut process = Process::start(command, &self.dir.join("witness.log"));
        process.wait_for("its port", || TcpStream::connect(("127.0.0.1", self.port)).ok());
        process
    }
}

/// Another key for a connector: registered, taken up, the old one revoked.
async fn rotate(world: &World, client: &Mutex<Client>, round: u32) {
    let config = world.config("kp2mi", "sisko");
    let old = SigningKey::from_text(fs::read_to_string(&config.signing_key).unwrap().trim()).unwrap();
    let new = SigningKey::generate();
    let said = |name: &str, payload: serde_json::Value| {
        let file = world.path().join(format!("{name}-{round}.json"));
        fs::write(&file, payload.to_string()).unwrap();
        let file = file.to_str().unwrap();
        tokio::task::block_in_place(|| {
            world.change_directory(&["change", name, file, "--reason", "rotation"])
        });
    };
    let public_key = data_encoding::BASE64.encode(&new.public_key());
    said(
        "KeyRegistered",
        json!({ "agency": "kp2mi", "connector": "sisko", "public_key": public_key, "valid_from_us": 1 }),
    );
    // The client's last submission is answered before the lock is had.
    let mut client = client.lock().await;
    fs::write(&config.signing_key, format!("{}\n", *new.to_text())).unwrap();
    *client = world.client("kp2mi", "sisko").await;
    drop(client);
    said(
        "KeyRevoked",
        json!({ "key_id": old.key_id().to_string(), "revoked_at_us": System.now().as_us(), "reason": "rotation" }),
    );
}

/// An agreement beside the frame, concluded and ended.
fn agree(world: &World, round: u32) {
    let reference = format!("soak-{round}");
    let arguments = [
        "agree",
        &reference,
        "--consumer",
        "polri",
        "--provider",
        "kp2mi",
        "--action",
        "view",
        "--purpose",
        "INVESTIGATE",
        "--resource",
        "placement",
        "--class",
        "reference",
        "--legal-basis",
        "PKS 1/2026",
        "--until",
        "2036-01-01T00:00:00Z",
        "--reason",
        "endurance",
    ];
    world.change_directory(&arguments);
    world.change_directory(&["end-agreement", &reference, "--reason", "endurance"]);
}

fn memory_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// How many changes NATS has for an agency; each once, in order, from the first on.
fn on_nats(world: &World) -> u64 {
    let mut command = Command::new(binary("simpul"));
    command.arg("--client").arg(world.realm.client_config("kp2mi", "desk"));
    command.args(["--official", "tester", "watch", "--nats", "--once", "--json"]);
    let mut watching = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut count = 0;
    for line in BufReader::new(watching.stdout.take().unwrap()).lines() {
        let change: Value = serde_json::from_str(&line.unwrap()).unwrap();
        count += 1;
        assert_eq!(change["sequence"].as_u64(), Some(count), "no gap and nothing twice");
    }
    assert!(watching.wait().unwrap().success());
    count
}

/// Placements in the log, and how many of their ids differ.
fn stored(world: &World, data: &Path) -> (u64, usize) {
    let wrap = world.master_key().wrap_key();
    let key = world.realm.log_vkey.parse().unwrap();
    let reader = simpul_log::open_reader(&data.join("log"), Schema::Submissions, &key, wrap).unwrap();
    let (mut count, mut ids, mut scan) = (0, HashSet::new(), reader.scan(Position::ZERO));
    while let Some(leaves) = scan.next_frame().unwrap() {
        for event in leaves.iter().flat_map(|leaf| &leaf.events) {
            let header = Header::decode(&event.header, "").unwrap();
            if header.event_type.as_str() == "simpul.registry.v1.PlacementRecorded" {
                count += 1;
                ids.insert(header.event_id);
            }
        }
    }
    (count, ids.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_endurance_run_loses_and_doubles_nothing_and_memory_stays_flat() {
    let (seconds, rate) =
        (of_environment("SIMPUL_SOAK_SECONDS", 16), of_environment("SIMPUL_SOAK_RATE", 100));
    let world = World::with_nats();
    let witness = Witness::new(&world);
    world.configure(|text| {
        let Witness { port, vkey, .. } = &witness;
        format!(
            "{text}\n[publish]\ninterval_ms = 200\n[[publish.witnesses]]\nname = \"soak\"\nvkey = \"{vkey}\"\n\
             url = \"http://127.0.0.1:{port}\"\n\n[access]\nanchor_every_s = 2\n\n[erasure]\nkey_epoch_s = 3\n"
        )
    });
    let (mut nats, mut witnessing, hub) = (world.nats(), witness.start(), world.hub());
    let tally = Arc::new(Tally::default());
    let client = Arc::new(Mutex::new(world.client("kp2mi", "sisko").await));
    let feeding = feed(Arc::clone(&client), Arc::clone(&tally), rate);
    sleep(Duration::from_secs(1)).await;
    let mission = || world.config("kbri-yangon", "desk");
    let asking: Vec<_> = (0..4).map(|number| ask(mission(), Arc::clone(&tally), number * 50)).collect();
    let following: Vec<_> =
        (0..2).map(|_| follow(world.config("kp2mi", "desk"), Arc::clone(&tally))).collect();

    let (start, mut memory) = (Instant::now(), Vec::new());
    for round in 0..4_u32 {
        rotate(&world, &client, round).await;
        tokio::task::block_in_place(|| agree(&world, round));
        if round % 2 == 0 {
            nats.kill();
            sleep(Duration::from_secs((seconds / 16).max(1))).await;
            nats = world.nats();
        } else {
            witnessing.kill();
            sleep(Duration::from_secs((seconds / 16).max(1))).await;
            witnessing = witness.start();
        }
        while start.elapsed() < Duration::from_secs(seconds) * (round + 1) / 4 {
            memory.push((memory_mib(hub.process.id()), tally.accepted.load(Ordering::Relaxed)));
            sleep(Duration::from_millis(500)).await;
        }
    }
    tally.over.store(true, Ordering::Relaxed);
    feeding.await.unwrap();
    tally.fed.store(true, Ordering::Relaxed);
    for task in asking {
        task.await.unwrap();
    }
    let mut watched = Vec::new();
    for task in following {
        watched.push(task.await.unwrap());
    }
    let [accepted, answered] = [&tally.accepted, &tally.answered].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{accepted} events and {answered} answers in {seconds} s, {watched:?} changes followed; memory {} to {} MiB",
        memory[memory.len() / 4].0,
        memory[memory.len() - 1].0
    );
    assert!(answered > 0);
    assert_eq!(watched, [accepted; 2], "every change was followed");

    // What every agency was sent is complete, in order, each once.
    let (start, patience) = (Instant::now(), CATCH_UP + Duration::from_secs(accepted / READ_A_SECOND));
    loop {
        let received = on_nats(&world);
        if received >= accepted {
            assert_eq!(received, accepted, "every change once");
            break;
        }
        assert!(start.elapsed() < patience, "NATS has {received} of {accepted} changes");
        sleep(Duration::from_millis(500)).await;
    }

    // Flat but for the index: what a quarter of the run needed is about what all of it needs.
    let quarter = memory.len() / 4;
    let mean = |part: &[(u64, u64)]| {
        let (memory, events) = part.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (memory / part.len() as u64, events / part.len() as u64)
    };
    let (early, late) = (mean(&memory[quarter..2 * quarter]), mean(&memory[3 * quarter..]));
    let index = (late.1 - early.1) * BYTES_AN_EVENT / (1 << 20);
    let slack = if seconds >= 600 { 48 } else { 96 };
    println!("{} MiB at {} events, {} MiB at {} events", early.0, early.1, late.0, late.1);
    assert!(late.0 <= early.0 + early.0 / 10 + index + slack, "{early:?} early, {late:?} late: {memory:?}");

    let loud: Vec<_> = hub.lines(" WARN ").into_iter().chain(hub.lines(" ERROR ")).collect();
    let unexplained: Vec<_> =
        loud.iter().filter(|line| !EXPECTED.iter().any(|word| line.contains(word))).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");

    hub.stop();
    let (count, different) = stored(&world, &world.data());
    assert_eq!((count, different as u64), (accepted, accepted), "what was acknowledged stands once");
    let (data, master) = (world.data(), world.realm.dir.join("hub/master.key"));
    let arguments =
        ["audit", "verify", "--data", data.to_str().unwrap(), "--master-key", master.to_str().unwrap()];
    let verified = world.cli("ombudsman", "desk", &arguments);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    nats.stop();
    witnessing.stop();
}
