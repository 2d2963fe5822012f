use std::sync::Arc;

use simpul_connector::{Quarantine, Spool, SpoolConfig, StreamKey};
use simpul_types::clock::System;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::*;

const TOKEN: &str = "a-token-of-the-test";

struct Desk {
    dir: tempfile::TempDir,
    intake: Intake,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

fn config(dir: &Path, listen: &str) -> Config {
    Config {
        listen: listen.parse().expect("an address"),
        path: path(),
        token_file: dir.join("token"),
        mapping: PathBuf::new(),
        body_bytes_max: 4_096,
    }
}

fn mapping() -> Mapping {
    Mapping::parse(include_str!("../../mappings/polri-case-update.toml")).expect("a mapping")
}

impl Desk {
    async fn new(events_max: u64) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("written");
        let spool = SpoolConfig { dir: dir.path().join("spool"), events_max };
        let quarantine = Quarantine::open(&dir.path().join("quarantine"), Arc::new(System), Arc::new(System));
        let intake = Intake {
            spool: Spool::open(&spool, Arc::new(System)).expect("opened"),
            quarantine: Arc::new(quarantine.expect("opened")),
            refs: StreamKey::from_bytes(&[3; 32]),
            clock: Arc::new(System),
        };
        let http = HttpIntake::bind(config(dir.path(), "127.0.0.1:0"), mapping(), intake.clone());
        let http = http.await.expect("bound");
        let (address, stop) = (http.address(), CancellationToken::new());
        let server = tokio::spawn(http.serve(stop.clone()));
        Self { dir, intake, address, stop, server }
    }

    /// Status and body.
    async fn request(&self, head: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        let request = format!(
            "{head} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"), body.into())
    }

    async fn post(&self, body: &str) -> (u16, String) {
        self.request("POST /v1/case-updates", TOKEN, body).await
    }
}

fn case(version: u32, stage: &str) -> String {
    json!({
        "nomor_lp": "LP/B/1/I/2025/SPKT/POLDA CONTOH", "versi": version, "jenis_laporan": "B", "tahap": stage,
        "tanggal_tahap": "2025-01-05", "satuan": "Polda Contoh",
        "pihak": [{ "peran": ["Korban"], "nama_lengkap": "Wagiyem" }],
    })
    .to_string()
}

#[tokio::test]
async fn the_sample_is_taken_and_its_bad_document_refused_naming_the_field() {
    let desk = Desk::new(100).await;
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/polri");
    let read = |name: &str| std::fs::read_to_string(sample.join(name)).expect("a sample");
    assert_eq!(desk.post(&read("case-512-v1.json")).await, (202, "{\"offer\":\"new\"}".into()));
    assert_eq!(desk.post(&read("case-512-v2.json")).await, (202, "{\"offer\":\"changed\"}".into()));
    assert_eq!(desk.post(&read("case-77-v1.json")).await, (202, "{\"offer\":\"new\"}".into()));
    let (status, body) = desk.post(&read("case-bad.json")).await;
    assert_eq!(status, 400);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["field"], "/tahap");
    assert_eq!(desk.intake.spool.waiting(), 3);
    let list = std::fs::read_to_string(desk.dir.path().join("quarantine/quarantine.jsonl")).expect("a list");
    assert_eq!(list.lines().count(), 1);
}

#[tokio::test]
async fn a_record_is_taken_once_by_id_and_version() {
    let desk = Desk::new(100).await;
    assert_eq!(desk.post(&case(2, "SPDP")).await, (202, "{\"offer\":\"new\"}".into()));
    assert_eq!(desk.post(&case(2, "SPDP")).await, (202, "{\"offer\":\"unchanged\"}".into()));
    assert_eq!(desk.post(&case(2, "SIDANG")).await.0, 409, "the same version, other content");
    assert_eq!(desk.post(&case(1, "PENYIDIKAN")).await.0, 409, "older");
    assert_eq!(desk.post(&case(3, "SIDANG")).await, (202, "{\"offer\":\"changed\"}".into()));
    assert_eq!(desk.intake.spool.waiting(), 2);
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_by_its_status() {
    let desk = Desk::new(1).await;
    assert_eq!(desk.request("POST /v1/case-updates", "another-token-here", &case(1, "SPDP")).await.0, 401);
    assert_eq!(desk.request("GET /v1/case-updates", TOKEN, "").await.0, 405);
    let (status, body) = desk.post("{\n  nothing").await;
    assert_eq!(status, 400);
    assert!(body.contains("line 2"), "{body}");
    assert_eq!(desk.post(&format!("\"{}\"", "x".repeat(5_000))).await.0, 413);
    assert_eq!(desk.request("GET /healthz", "", "").await.0, 200);
    assert_eq!(desk.post(&case(1, "SPDP")).await.0, 202);
    assert_eq!(desk.post(&case(2, "SIDANG")).await.0, 429, "the spool holds one");
    assert_eq!(desk.request("GET /healthz", "", "").await.0, 503);
    assert_eq!(desk.intake.spool.waiting(), 1);
    desk.stop.cancel();
    desk.server.await.expect("ended").expect("stopped");
}

#[tokio::test]
async fn it_listens_on_loopback_only_and_wants_a_token() {
    let desk = Desk::new(1).await;
    let other = HttpIntake::bind(config(desk.dir.path(), "0.0.0.0:0"), mapping(), desk.intake.clone()).await;
    assert!(matches!(other, Err(StartError::NotLoopback(_))));
    std::fs::write(desk.dir.path().join("token"), "short\n").expect("written");
    let other =
        HttpIntake::bind(config(desk.dir.path(), "127.0.0.1:0"), mapping(), desk.intake.clone()).await;
    assert!(matches!(other, Err(StartError::Token { .. })));
}
