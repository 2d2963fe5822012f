//! Witnesses as real processes beside a real hub: a quorum, an outage, a rollback, a split view and a colluder, SIGKILL.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use simpul_tests::{
    World, drafts,
    process::{PATIENCE, Process, binary, free_port},
};
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    cosignature::CosignatureSigner,
    leaf_hash,
    note::{NoteSigner, NoteVerifier},
    stored::{self, Frontier, HashReader},
};
use simpul_types::Digest;
use simpul_witness::{AddCheckpoint, Client, Reply, Target, origin_hash};

/// A witness's folder, and where it listens.
struct Witness {
    dir: PathBuf,
    name: &'static str,
    port: u16,
    vkey: String,
}

impl Witness {
    /// Made by `simpul audit witness keygen`, for logs of these keys.
    fn new(dir: &Path, name: &'static str, logs: &[&str]) -> Self {
        let (dir, port) = (dir.join(name), free_port());
        let mut command = Command::new(binary("simpul"));
        command.args(["audit", "witness", "keygen", "--name", &format!("witness.example/{name}"), "--out"]);
        command.arg(&dir).args(["--listen", &format!("127.0.0.1:{port}")]);
        logs.iter().for_each(|log| {
            command.args(["--log", log]);
        });
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let vkey = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Self { dir, name, port, vkey }
    }

    fn of(world: &World, name: &'static str) -> Self {
        Self::new(world.path(), name, &[&world.realm.log_vkey, &world.realm.access_vkey])
    }

    fn start(&self) -> Process {
        let mut command = Command::new(binary("simpul"));
        command.args(["audit", "witness", "--config"]).arg(self.dir.join("witness.toml"));
        let mut process = Process::start(command, &self.dir.join("witness.log"));
        process.wait_for("its port", || TcpStream::connect(("127.0.0.1", self.port)).ok());
        process
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> Client {
        Client::new(Target::new(&self.url(), None).unwrap())
    }

    /// Where it keeps what it cosigned last for an origin.
    fn record(&self, origin: &str) -> PathBuf {
        self.dir.join("state").join(origin_hash(origin)).join("checkpoint")
    }
}

/// Lets the hub ask these witnesses, ten times a second.
fn configure(world: &World, witnesses: &[&Witness]) {
    let mut section = "\n[publish]\ninterval_ms = 100\n".to_owned();
    for Witness { name, vkey, .. } in witnesses {
        let url = witnesses.iter().find(|witness| witness.name == *name).unwrap().url();
        section += &format!("[[publish.witnesses]]\nname = \"{name}\"\nvkey = \"{vkey}\"\nurl = \"{url}\"\n");
    }
    world.configure(|text| text + &section);
}

/// A policy that asks for all of these witnesses.
fn policy(world: &World, witnesses: &[&Witness]) -> PathBuf {
    let mut text = format!("log {}\n", world.realm.log_vkey);
    for Witness { name, vkey, .. } in witnesses {
        text += &format!("witness {name} {vkey}\n");
    }
    let names: Vec<_> = witnesses.iter().map(|witness| witness.name).collect();
    text += &format!("group everybody all {}\nquorum everybody\n", names.join(" "));
    let file = world.path().join("policy");
    fs::write(&file, text).unwrap();
    file
}

async fn submit(world: &World, numbers: std::ops::Range<u64>) {
    let client = world.client("kp2mi", "sisko").await;
    for number in numbers {
        client.submit(vec![drafts::placement_draft(number, 100)]).await.expect("accepted");
    }
}

fn simpul(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(binary("simpul")).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

/// `simpul audit checkpoint --data … --policy …`: whether it is enough, and what was said.
fn judged(world: &World, policy: &Path) -> (bool, String) {
    let (data, policy) = (world.data(), policy.to_str().unwrap());
    let (output, text) =
        simpul(&["audit", "checkpoint", "--data", data.to_str().unwrap(), "--policy", policy]);
    (output.status.success(), text)
}

fn published(world: &World) -> Checkpoint {
    let note = fs::read_to_string(world.data().join("published/checkpoint")).unwrap();
    checkpoint::open(&note, &world.realm.log_vkey.parse().unwrap()).unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_cosigns_and_a_witness_that_is_away_delays_nothing_but_its_line() {
    let world = World::new();
    let (ngo, court) = (Witness::of(&world, "ngo"), Witness::of(&world, "court"));
    configure(&world, &[&ngo, &court]);
    let policy = policy(&world, &[&ngo, &court]);
    let (ngo_process, court_process) = (ngo.start(), court.start());
    let hub = world.hub();
    submit(&world, 0..3).await;
    wait_until("both cosign 4 leaves", || published(&world).size == 4 && judged(&world, &policy).0);

    court_process.kill();
    let start = Instant::now();
    submit(&world, 3..6).await;
    assert!(start.elapsed() < Duration::from_secs(10), "ingest waited for a witness");
    wait_until("published without the court", || published(&world).size == 7);
    let (enough, said) = judged(&world, &policy);
    assert!(!enough && said.contains("NOT ENOUGH"), "{said}");
    let ready = || hub.get("/readyz").unwrap();
    wait_until("health tells", || ready().1.contains("1 of 2 witnesses") && ready().1.contains("court"));
    assert_eq!(ready().0, 200, "an optional part takes nothing out of service");

    let court_process = court.start();
    wait_until("the court's line follows", || judged(&world, &policy).0);
    wait_until("health is well again", || !ready().1.contains("of 2 witnesses"));
    let metrics = hub.get("/metrics").unwrap().1;
    assert!(metrics.contains("simpul_checkpoint_witness_requests_total{outcome=\"Away\"}"), "{metrics}");
    assert!(hub.lines(" ERROR ").is_empty());
    hub.stop();
    for process in [ngo_process, court_process] {
        assert!(process.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_3_an_older_copy_of_the_data_folder_is_told_by_the_witness() {
    let world = World::new();
    let ngo = Witness::of(&world, "ngo");
    configure(&world, &[&ngo]);
    let policy = policy(&world, &[&ngo]);
    let _witness = ngo.start();
    let hub = world.hub();
    submit(&world, 0..3).await;
    hub.stop();
    copy_folder(&world.data(), &world.path().join("older"));
    let hub = world.hub();
    submit(&world, 3..6).await;
    wait_until("7 leaves are cosigned", || published(&world).size == 7 && judged(&world, &policy).0);
    hub.stop();
    let newest = world.path().join("newest-checkpoint");
    fs::copy(world.data().join("published/checkpoint"), &newest).unwrap();

    fs::remove_dir_all(world.data()).unwrap();
    fs::rename(world.path().join("older"), world.data()).unwrap();
    let hub = world.hub();
    submit(&world, 10..11).await;
    let ready = || hub.get("/readyz").unwrap().1;
    wait_until("health says rolled back", || {
        ready().contains("has cosigned 7 leaves") && ready().contains("rolled back")
    });
    assert!(!hub.lines(" ERROR ").is_empty(), "a person must look");
    assert!(!judged(&world, &policy).0);
    // Growing past what the witness knows makes it a fork, and no line either.
    submit(&world, 11..16).await;
    wait_until("health says forked", || ready().contains("this log was forked"));
    let (enough, said) = judged(&world, &policy);
    assert!(!enough && said.contains("no known witness cosigned"), "{said}");
    let evidence = ngo.record(world.realm.log_vkey.split('+').next().unwrap()).with_file_name("evidence");
    assert!(fs::read_dir(evidence).unwrap().count() > 0, "the witness keeps what it refused");

    let arguments = ["audit", "compare-checkpoints", newest.to_str().unwrap()];
    let rolled_back = world.data().join("published/checkpoint");
    let (data, key) = (world.data(), &world.realm.log_vkey);
    let (output, said) = simpul(
        &[
            &arguments[..],
            &[rolled_back.to_str().unwrap(), "--log-key", key, "--data", data.to_str().unwrap()],
        ]
        .concat(),
    );
    assert!(!output.status.success() && said.contains("newest-checkpoint IS NO STATE OF THIS LOG"), "{said}");
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn log_3_a_split_view_gets_no_quorum_and_a_colluder_is_named_by_the_two_files() {
    let world = World::new();
    let (honest, colluder) = (Witness::of(&world, "honest"), Witness::of(&world, "colluder"));
    configure(&world, &[&honest, &colluder]);
    let policy = policy(&world, &[&honest, &colluder]);
    let _honest = honest.start();
    let colluding = colluder.start();
    let hub = world.hub();
    submit(&world, 0..2).await;
    wait_until("both cosign 3 leaves", || published(&world).size == 3 && judged(&world, &policy).0);
    hub.stop();
    // Two data folders of one origin and key from here on, and the colluder keeps a state for each of them.
    let (second_data, second_state) = (world.path().join("second"), colluder.dir.join("second"));
    colluding.kill();
    copy_folder(&world.data(), &second_data);
    copy_folder(&colluder.dir.join("state"), &second_state);

    let colluding = colluder.start();
    let hub = world.hub();
    submit(&world, 100..103).await;
    wait_until("both cosign one history", || published(&world).size == 6 && judged(&world, &policy).0);
    hub.stop();
    colluding.kill();
    let (first_note, second_note) = (world.path().join("a"), world.path().join("b"));
    fs::copy(world.data().join("published/checkpoint"), &first_note).unwrap();

    fs::rename(world.data(), world.path().join("first")).unwrap();
    fs::rename(&second_data, world.data()).unwrap();
    fs::rename(colluder.dir.join("state"), colluder.dir.join("first")).unwrap();
    fs::rename(&second_state, colluder.dir.join("state")).unwrap();
    let _colluding = colluder.start();
    let hub = world.hub();
    submit(&world, 200..203).await;
    wait_until("the colluder cosigns the other history", || {
        published(&world).size == 6 && judged(&world, &policy).1.contains("cosigned by colluder only")
    });
    wait_until("health says forked", || hub.get("/readyz").unwrap().1.contains("this log was forked"));
    assert!(!judged(&world, &policy).0, "no quorum without the honest one");
    fs::copy(world.data().join("published/checkpoint"), &second_note).unwrap();
    hub.stop();

    let paths = [&first_note, &second_note, &policy].map(|path| path.to_str().unwrap());
    let (output, said) = simpul(&["audit", "compare-checkpoints", paths[0], paths[1], "--policy", paths[2]]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("SPLIT VIEW: the log signed two trees of 6 leaves"), "{said}");
    assert!(said.contains("WITNESS witness.example/colluder cosigned both trees"), "{said}");
    assert!(!said.contains("WITNESS witness.example/honest"), "{said}");
    let (output, said) = simpul(&["audit", "compare-checkpoints", paths[0], paths[0], "--policy", paths[2]]);
    assert!(output.status.success() && said.contains("the same tree"), "{said}");
}

/// A log in memory.
struct Log {
    signer: NoteSigner,
    stored: Vec<Digest>,
}

impl HashReader for Log {
    type Error = ();

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, ()> {
        Ok(indexes.iter().map(|index| self.stored[*index as usize]).collect())
    }
}

impl Log {
    fn new(leaves: u64, text: &str) -> Self {
        let (mut tree, mut stored) = (Frontier::empty(), Vec::new());
        for leaf in 0..leaves {
            tree.push(leaf_hash(format!("{text} {leaf}").as_bytes()), &mut stored);
        }
        Self { signer: NoteSigner::new("log.example/memory", &[3; 32]).unwrap(), stored }
    }

    fn verifier(&self) -> NoteVerifier {
        self.signer.verifier()
    }

    fn request(&self, old: u64, size: u64) -> String {
        let root = stored::root(size, self).unwrap();
        let checkpoint = Checkpoint { origin: self.signer.name().into(), size, root };
        let proof = stored::consistency_proof(old, size, self).unwrap();
        AddCheckpoint { old, proof, note: checkpoint.sign(&self.signer) }.encode()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wit_1_sigkill_after_the_record_and_before_the_answer_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, other) = (Log::new(400, "leaf"), Log::new(400, "other"));
    let witness = Witness::new(dir.path(), "killed", &[&log.verifier().to_string()]);
    let record = witness.record("log.example/memory");
    let recorded = || {
        let note = fs::read_to_string(&record).unwrap_or_default();
        checkpoint::open(&note, &log.verifier()).map_or(0, |checkpoint| checkpoint.size)
    };
    let mut last = 0;
    for cycle in 1..=12 {
        let size = last + 10 + cycle;
        let process = witness.start();
        let body = log.request(last, size);
        let mut stream = TcpStream::connect(("127.0.0.1", witness.port)).unwrap();
        let length = body.len();
        write!(stream, "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        // The record is seen and the process killed; this client never got an answer.
        let start = Instant::now();
        while recorded() < size {
            assert!(start.elapsed() < PATIENCE, "no record");
            std::hint::spin_loop();
        }
        process.kill();
        assert_eq!(recorded(), size, "cycle {cycle}: whole after SIGKILL");

        let process = witness.start();
        let mut client = witness.client();
        assert_eq!(client.add_checkpoint(log.request(last, size)).await.unwrap(), Reply::Conflict(size));
        assert_eq!(client.add_checkpoint(other.request(size, size)).await.unwrap(), Reply::Conflict(size));
        let reply = client.add_checkpoint(log.request(size, size)).await.unwrap();
        assert!(matches!(reply, Reply::Cosigned(_)), "{reply:?}");
        process.kill();
        last = size;
    }
}

#[test]
fn a_witness_with_a_wrong_configuration_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(1, "leaf").verifier().to_string();
    let witness = Witness::new(dir.path(), "wrong", &[&log]);
    let file = witness.dir.join("witness.toml");
    let right = fs::read_to_string(&file).unwrap();
    let cosigner = CosignatureSigner::new("x", &[1; 32]).unwrap().verifier().to_string();
    let address = format!("127.0.0.1:{}", witness.port);
    for (from, to, expected) in [
        ("plain_http = true", "plain_http = false", "tls: certificate and key, or `plain_http = true`"),
        (address.as_str(), "0.0.0.0:0", "listen: without TLS it must be a loopback address"),
        (log.as_str(), cosigner.as_str(), "a log signs with a key of type 1"),
        ("name = \"", "extra = 1\nname = \"", "extra: unknown key"),
        ("witness.key", "other.key", "key: "),
    ] {
        fs::write(&file, right.replace(from, to)).unwrap();
        let (output, said) = simpul(&["audit", "witness", "--config", file.to_str().unwrap()]);
        assert!(!output.status.success() && said.contains(expected), "{to}: {said}");
    }
    let again = simpul(&[
        "audit",
        "witness",
        "keygen",
        "--name",
        "x",
        "--log",
        &log,
        "--out",
        witness.dir.to_str().unwrap(),
    ]);
    assert!(!again.0.status.success() && again.1.contains("nothing is overwritten"), "{}", again.1);
}
