//! Proofs for strangers, with the real hub and the real command line tool: tiles over HTTPS and as files, receipts and
//! bundles that are checked with no hub, and every flipped byte named.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use simpul_tests::{World, drafts, process::binary, world::Hub};

/// `simpul` as a stranger runs it: no client configuration, no account.
fn stranger(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("simpul"));
    command.args(["--client", "/nonexistent/client.toml"]).args(arguments);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn holds(arguments: &[&str]) -> String {
    let output = stranger(arguments);
    assert!(output.status.success(), "simpul {arguments:?}: {}", said(&output));
    said(&output)
}

/// Exit 1, and these words.
fn fails(arguments: &[&str], words: &[&str]) -> String {
    let output = stranger(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "simpul {arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "simpul {arguments:?} does not say {word:?}: {said}");
    }
    said
}

struct Stage {
    world: World,
    hub: Hub,
    url: String,
    ca: PathBuf,
    authority: String,
}

impl Stage {
    /// A hub with some submissions of a registry.
    async fn new(leaves: u64) -> Self {
        let world = World::new();
        let hub = world.hub();
        let listen: Value =
            serde_json::from_slice(&fs::read(world.data().join("listen.json")).unwrap()).unwrap();
        let port = listen["tiles"].as_str().unwrap().rsplit(':').next().unwrap().to_string();
        let ca = world.config("ombudsman", "desk").ca_pem;
        let authority = world.realm.authority_key.clone();
        let stage = Self { url: format!("https://localhost:{port}"), world, hub, ca, authority };
        stage.submit(0, leaves).await;
        stage
    }

    async fn submit(&self, from: u64, count: u64) {
        let client = self.world.client("kp2mi", "sisko").await;
        for number in from..from + count {
            client.submit(vec![drafts::placement_draft(number, 200)]).await.unwrap();
        }
    }

    /// The hub publishes once a second: waits until strangers are shown this many leaves.
    async fn published(&self, leaves: u64) {
        let file = self.world.data().join("published/checkpoint");
        let start = std::time::Instant::now();
        loop {
            let note = fs::read_to_string(&file).unwrap_or_default();
            if note.lines().nth(1).is_some_and(|size| size.parse::<u64>().unwrap() >= leaves) {
                return;
            }
            assert!(start.elapsed() < simpul_tests::process::PATIENCE, "not published: {note}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    fn verify_url(&self, more: &[&'static str]) -> Vec<String> {
        let mut all = vec!["audit".to_string(), "verify".into(), "--url".into(), self.url.clone()];
        all.extend(["--ca".into(), self.ca.display().to_string()]);
        all.extend(["--log-key".into(), self.world.realm.log_vkey.clone()]);
        all.extend(["--authority".into(), self.authority.clone()]);
        let bootstrap = self.world.realm.dir.join("bootstrap.binpb");
        all.extend(["--bootstrap".into(), bootstrap.display().to_string()]);
        all.extend(more.iter().map(ToString::to_string));
        all
    }
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn flip(path: &Path, at: usize) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_verifies_the_log_over_https_and_follows_it() {
    let stage = Stage::new(20).await;
    stage.published(21).await;
    let state = stage.world.path().join("seen");
    let mut verify = stage.verify_url(&["--state"]);
    verify.push(state.display().to_string());
    let said = holds(&strs(&verify));
    assert!(
        said.contains("21 leaves") && said.contains("21 sender signatures hold, 0 not checked"),
        "{said}"
    );
    stage.submit(20, 5).await;
    stage.published(26).await;
    let said = holds(&strs(&verify));
    assert!(said.contains("it continues the tree of 21 leaves"), "{said}");

    // Another key, another past, another authority: each refused by name.
    let other = stage.world.realm.access_vkey.clone();
    fails(
        &["audit", "verify", "--url", &stage.url, "--ca", stage.ca.to_str().unwrap(), "--log-key", &other],
        &["VIOLATION checkpoint", "no log key of the policy"],
    );
    let world = World::new();
    let hub = world.hub();
    let note = fs::read_to_string(world.data().join("log/checkpoint")).unwrap();
    fs::write(&state, note).unwrap();
    fails(&strs(&verify), &["is it of another log?"]);
    hub.stop();

    // Static files are what is served, byte by byte.
    let out = stage.world.path().join("tiles");
    let data = stage.world.data();
    holds(&["audit", "tiles", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let client = Https::new(&stage);
    for name in ["checkpoint", "vkey", "tile/0/000.p/26", "tile/entries/000.p/26"] {
        let (status, headers, body) = client.get("GET", name).await;
        assert_eq!(status, 200, "{name}");
        assert_eq!(body, fs::read(out.join(name)).unwrap(), "{name}");
        let kind =
            if name.starts_with("tile") { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        assert!(headers.contains(&format!("content-type: {kind}")), "{headers}");
        let (status, headers, body) = client.get("HEAD", name).await;
        assert_eq!((status, body.len()), (200, 0), "{name}");
        assert!(headers.contains("content-length: "), "{headers}");
    }
    let (_, headers, _) = client.get("GET", "tile/0/000.p/3").await;
    assert!(headers.contains("immutable"), "{headers}");
    let (status, headers, body) = client.get("GET", "tile/0/000").await;
    assert_eq!(status, 404);
    assert!(headers.contains("no-store"), "{headers}");
    assert!(
        String::from_utf8(body).unwrap().contains("tile/0/000 does not exist: the checkpoint speaks of 26")
    );
    for (method, name, status) in
        [("GET", "tile/0/0", 404), ("GET", "", 404), ("GET", "../log/keys", 404), ("POST", "checkpoint", 405)]
    {
        assert_eq!(client.get(method, name).await.0, status, "{method} {name}");
    }
    stage.hub.expect_quiet();

    // The same check over the files; a flipped byte is named with its file.
    let folder = out.to_str().unwrap();
    let key = stage.world.realm.log_vkey.clone();
    let check = ["audit", "verify", "--tiles", folder, "--log-key", &key];
    holds(&check);
    for name in ["checkpoint", "vkey", "tile/0/000.p/26", "tile/entries/000.p/26"] {
        let whole = flip(&out.join(name), 40);
        fails(&check, &["VIOLATION", name]);
        fs::write(out.join(name), whole).unwrap();
    }
    holds(&check);
    stage.hub.stop();
}

/// A bare HTTPS client, so that headers and status lines are seen as they come.
struct Https {
    tls: std::sync::Arc<rustls::ClientConfig>,
    address: String,
}

impl Https {
    fn new(stage: &Stage) -> Self {
        use rustls::pki_types::pem::PemObject;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(&stage.ca).unwrap()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let tls = builder.with_root_certificates(roots).with_no_client_auth();
        Self { tls: tls.into(), address: stage.url.trim_start_matches("https://").into() }
    }

    async fn get(&self, method: &str, name: &str) -> (u16, String, Vec<u8>) {
        use std::io::{Read, Write};
        let (tls, address) = (self.tls.clone(), self.address.clone());
        let request = format!("{method} /{name} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let asked = tokio::task::spawn_blocking(move || {
            let mut tcp = std::net::TcpStream::connect(&address).unwrap();
            let mut session = rustls::ClientConnection::new(tls, "localhost".try_into().unwrap()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut tcp);
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        });
        let answer = asked.await.unwrap();
        let border = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let headers = String::from_utf8(answer[..border].to_vec()).unwrap().to_lowercase();
        let status = headers.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, headers, answer[border + 4..].to_vec())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_checked_with_no_hub_and_every_flipped_byte_is_named() {
    let stage = Stage::new(6).await;
    let world = &stage.world;
    let file = |name: &str| world.path().join(name).display().to_string();
    let key = world.realm.log_vkey.clone();

    // A sender's own receipt.
    let client = world.client("kp2mi", "sisko").await;
    let accepted = client.submit(vec![drafts::placement_draft(6, 200)]).await.unwrap();
    let (receipt, event_id) = (file("receipt.tlog-proof"), accepted.event_ids[0].to_string());
    fs::write(&receipt, accepted.log_proof().to_string()).unwrap();
    stage.published(8).await;

    let oversight = |arguments: &[&str]| {
        let output = world.cli("ombudsman", "desk", arguments);
        assert!(output.status.success(), "simpul {arguments:?}: {}", said(&output));
        said(&output)
    };
    let proof = file("leaf.tlog-proof");
    oversight(&["audit", "proof", "--leaf", "3", "--out", &proof]);
    let (by_id, by_position) = (file("id.bundle"), file("position.bundle"));
    oversight(&["audit", "proof", "--event", &event_id]);
    oversight(&["audit", "bundle", "--event", &event_id, "--out", &by_id]);
    oversight(&["audit", "bundle", "--event", "0", "--out", &by_position]);
    let stream = file("stream.bundle");
    oversight(&["audit", "bundle", "--stream", "sisko-placement/t2", "--out", &stream]);
    for (arguments, words) in [
        (["audit", "proof", "--leaf", "99"], "not in the log"),
        (["audit", "bundle", "--event", "9999"], "not in the log"),
        (["audit", "bundle", "--case", "NO-SUCH-CASE"], "no event"),
    ] {
        let none = file("none");
        let arguments = [&arguments[..], &["--out", &none]].concat();
        let output = world.cli("ombudsman", "desk", &arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
    let denied = world.cli("polri", "desk", &["audit", "bundle", "--event", "3", "--out", &file("none")]);
    assert!(said(&denied).contains("no policy lets polri"), "{}", said(&denied));
    stage.hub.expect_quiet();
    stage.hub.stop();

    for proof in [&receipt, &proof] {
        let check = ["audit", "verify", "--proof", proof, "--log-key", &key];
        assert!(holds(&check).contains("verified: the proof holds"));
        let length = fs::read(proof).unwrap().len();
        for at in (0..length).step_by(97) {
            let whole = flip(Path::new(proof), at);
            let output = stranger(&check);
            assert_eq!(output.status.code(), Some(1), "byte {at}: {}", said(&output));
            fs::write(proof, whole).unwrap();
        }
    }
    let other = world.realm.access_vkey.clone();
    fails(&["audit", "verify", "--proof", &proof, "--log-key", &other], &["VIOLATION", "no log key"]);
    for bundle in [&by_id, &by_position, &stream] {
        let check =
            ["audit", "verify", "--bundle", bundle, "--log-key", &key, "--authority", &stage.authority];
        let said = holds(&check);
        assert!(said.contains("payload sealed") && said.contains("that you gave"), "{said}");
        let said = holds(&check[..6]);
        assert!(said.contains("by the bundle's own word") || bundle == &by_position, "{said}");
        let length = fs::read(bundle).unwrap().len();
        for at in (0..length).step_by(length / 16) {
            let whole = flip(Path::new(bundle), at);
            fails(&check, &["VIOLATION", "NOT VERIFIED"]);
            fs::write(bundle, whole).unwrap();
        }
    }
}
