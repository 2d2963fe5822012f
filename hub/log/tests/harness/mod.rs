//! A small log with known keys, drafts that are functions of a number, and a model of what must be in it.
#![allow(dead_code, clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use simpul_log::{Appender, Commit, Config, Draft, Keys, LocalDisk, Reader, RecordDraft, Schema};
use simpul_proto::{erasure::ErasureExecuted, v1};
use simpul_signing::{SigningKey, commitment, seal::WrapKey};
use simpul_tlog::note::{NoteSigner, NoteVerifier};
use simpul_types::{
    EventId, ExpectedVersion, Header, Leaf, LeafIndex, Position, Sender, Statement, StreamName, SubmissionId,
    Timestamp, clock::System, erasure,
};

pub const ORIGIN: &str = "simpul.example/test";

pub fn keys() -> Keys {
    Keys { signer: NoteSigner::new(ORIGIN, &[7; 32]).unwrap(), wrap: WrapKey::from_bytes([9; 32]) }
}

pub fn verifier() -> NoteVerifier {
    keys().signer.verifier()
}

pub fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir, ORIGIN);
    (config.segment_bytes, config.key_pool, config.zero_ahead_bytes) = (64 << 10, 16, 64 << 10);
    config
}

pub fn open(dir: &Path) -> (Appender, Reader) {
    open_with(dir, Box::new(LocalDisk))
}

pub fn open_with(dir: &Path, commit: Box<dyn Commit>) -> (Appender, Reader) {
    simpul_log::open_with(config(dir), Schema::Submissions, keys(), Arc::new(System), commit).unwrap()
}

fn uuid(number: u64, event: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&(number * 1_000 + event).to_be_bytes());
    (bytes[6], bytes[8]) = (0x70, 0x80);
    bytes
}

pub fn event_id(number: u64, event: u64) -> EventId {
    EventId::from_bytes(uuid(number, event))
}

pub fn submission_id(number: u64) -> SubmissionId {
    SubmissionId::from_bytes(uuid(number, 999))
}

pub fn stream(number: u64, event: u64) -> StreamName {
    format!("test/s{}", (number + event) % 17).parse().unwrap()
}

pub fn payload(number: u64, event: u64) -> String {
    format!("canary payload {number} {event} {}", "x".repeat((number % 7) as usize * 20))
}

fn sender() -> Sender {
    Sender { agency: "kp2mi".parse().unwrap(), connector: "sisko".parse().unwrap() }
}

pub fn draft(number: u64, events: usize) -> Draft {
    let of = |event| (stream(number, event), Bytes::from(payload(number, event)));
    draft_of(number, "simpul.registry.v1.PlacementRecorded", (0..events as u64).map(of).collect())
}

/// Says that the keys of these streams are dead.
pub fn execution(number: u64, streams: &[StreamName]) -> Draft {
    draft_of(number, erasure::EXECUTED, vec![(erasure::register(), execution_payload(streams).into())])
}

/// What it says it in.
pub fn execution_payload(streams: &[StreamName]) -> Vec<u8> {
    let executed = ErasureExecuted {
        request: "0".repeat(32),
        request_digest: "0".repeat(64),
        streams: streams.iter().map(ToString::to_string).collect(),
    };
    executed.encode_to_vec()
}

/// The leaf is a real one, so that recovery can index it; its signature is not looked at here.
fn draft_of(number: u64, event_type: &str, contents: Vec<(StreamName, Bytes)>) -> Draft {
    let (mut records, events) = (Vec::new(), contents.len());
    for (event, (stream, payload)) in contents.into_iter().enumerate() {
        let (event, salt) = (event as u64, Bytes::from(vec![event as u8; 32]));
        let header = Header {
            event_id: event_id(number, event),
            event_type: event_type.parse().unwrap(),
            stream,
            expected: ExpectedVersion::Any,
            occurred_at: Timestamp::from_us(1),
            purpose: "PLACEMENT".parse().unwrap(),
            legal_basis: "UU 18/2017".into(),
            data_category: "general".into(),
            payload_commitment: commitment(&salt, &payload),
            correlation_id: None,
            causation_id: None,
            traceparent: String::new(),
        };
        records.push(RecordDraft {
            event_id: Some(header.event_id),
            stream: header.stream.clone(),
            header: header.to_wire().encode_to_vec().into(),
            salt,
            payload,
        });
    }
    let root = simpul_tlog::tree_hash(records.iter().map(|record| record.header.as_ref()));
    let statement = Statement {
        submission_id: submission_id(number),
        sender: sender(),
        first_sequence: number * 10 + 1,
        event_count: events as u32,
        events_root: root,
        created_at: Timestamp::from_us(1),
    };
    let chain = (sender().to_string().into(), statement.first_sequence + events as u64);
    let wire: v1::SubmissionStatement = statement.to_wire();
    let statement_bytes = Bytes::from(wire.encode_to_vec());
    let key_id = SigningKey::from_seed(&[3; 32]).unwrap().key_id();
    let leaf = move |at: &simpul_log::Assigned| {
        let leaf = Leaf {
            statement_bytes,
            statement,
            signature: Bytes::from(vec![1; 64]),
            key_id,
            first_position: at.first_position,
            admitted_at: at.admitted_at,
            directory_position: Position::ZERO,
            sealed_root: at.sealed_root,
        };
        leaf.encode()
    };
    Draft { submission_id: Some(submission_id(number)), chain: Some(chain), records, leaf: Box::new(leaf) }
}

/// What must be in the log.
#[derive(Default)]
pub struct Model {
    leaves: Vec<(u64, usize)>,
    streams: BTreeMap<String, Vec<u64>>,
    events: u64,
    next_sequence: u64,
}

impl Model {
    pub fn events(&self) -> u64 {
        self.events
    }

    pub async fn append(&mut self, appender: &mut Appender, number: u64, events: usize) {
        let receipt = appender.enqueue(draft(number, events)).unwrap().await.unwrap();
        assert_eq!(receipt.leaf_index.get(), self.leaves.len() as u64);
        assert_eq!(receipt.first_position.get(), self.events, "LOG-1");
        for event in 0..events as u64 {
            let positions = self.streams.entry(stream(number, event).as_str().into()).or_default();
            positions.push(self.events + event);
        }
        self.leaves.push((number, events));
        self.events += events as u64;
        self.next_sequence = number * 10 + 1 + events as u64;
    }

    pub fn check(&self, appender: &Appender, reader: &Reader) {
        assert_eq!(reader.head().size.get(), self.leaves.len() as u64);
        assert_eq!(reader.head().end.get(), self.events);
        assert_eq!(
            appender.chain_next("kp2mi/sisko"),
            (!self.leaves.is_empty()).then_some(self.next_sequence)
        );
        let mut position = 0;
        for (leaf, (number, events)) in self.leaves.iter().enumerate() {
            assert_eq!(appender.find_submission(&submission_id(*number)), Some(LeafIndex::new(leaf as u64)));
            for event in 0..*events as u64 {
                assert_eq!(appender.find_event(&event_id(*number, event)), Some(Position::new(position)));
                let stored = reader.event(Position::new(position)).unwrap();
                let opened = reader.open_payload(&stored).unwrap();
                assert_eq!(&opened.payload[..], payload(*number, event).as_bytes());
                position += 1;
            }
        }
        for (name, positions) in &self.streams {
            let stream: StreamName = name.parse().unwrap();
            let found: Vec<_> = reader.stream(&stream).into_iter().map(Position::get).collect();
            assert_eq!(&found, positions, "{name}");
            assert_eq!(appender.stream_version(&stream), positions.len() as u64);
        }
    }
}

pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = files(&dir.join("segments"));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

/// The last segment.
pub fn segment(dir: &Path) -> PathBuf {
    segments(dir).pop().unwrap()
}

/// Start and end of every frame of the last segment, by the lengths in their headers.
pub fn frames(dir: &Path) -> Vec<(u64, u64)> {
    let bytes = fs::read(segment(dir)).unwrap();
    let (mut at, mut frames) = (4_096, Vec::new());
    while bytes.get(at..at + 4) == Some(b"SFR1") {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        frames.push((at as u64, (at + length) as u64));
        at += length;
    }
    frames
}

pub fn last_frame(dir: &Path) -> (u64, u64) {
    frames(dir).pop().unwrap()
}

pub fn tamper(dir: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(segment(dir)).unwrap().write_all_at(bytes, at).unwrap();
}

pub fn forget_last_checkpoint(dir: &Path) {
    fs::remove_file(dir.join("checkpoint")).unwrap();
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

pub fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}
