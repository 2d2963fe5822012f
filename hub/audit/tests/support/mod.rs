//! A hub's data folder made by hand, so that a test can also write what an honest hub never would.

#![allow(clippy::unwrap_used, dead_code, reason = "a test; not every test uses all of it")]

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use prost::Message;
use simpul_audit::{AccessDraft, AccessLog};
use simpul_log::{Appender, Assigned, Config, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_proto::{directory, v1};
use simpul_signing::{MasterKey, SUBMISSION_TYPE, SigningKey};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    Caller, Clock, EventId, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, Timestamp,
    clock::System,
};

pub const ORIGIN: &str = "simpul.example/test";

/// Goes on by one millisecond a question.
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticking(AtomicI64::new(1_763_800_000_000_000)))
}

pub fn signer(origin: &str) -> NoteSigner {
    NoteSigner::new(origin, &[7; 32]).unwrap()
}

pub fn sender(agency: &str, connector: &str) -> Sender {
    Sender { agency: agency.parse().unwrap(), connector: connector.parse().unwrap() }
}

pub fn caller(agency: &str) -> Caller {
    Caller { sender: sender(agency, "desk"), certificate: "ab".repeat(32).into() }
}

pub fn master() -> MasterKey {
    MasterKey::from_text(&format!("simpul-master-key:{}", "42".repeat(32))).unwrap()
}

/// One event before it is laid out.
pub struct Fact {
    pub event_type: &'static str,
    pub stream: String,
    pub payload: Bytes,
}

impl Fact {
    pub fn new(event_type: &'static str, stream: &str, payload: Vec<u8>) -> Self {
        Self { event_type, stream: stream.into(), payload: payload.into() }
    }

    pub fn licence(stream: &str) -> Self {
        Self::new("simpul.registry.v1.LicenceRecorded", stream, vec![0x0a, 3, b'a', b'b', b'c'])
    }
}

pub fn register(sender: &Sender, key: &SigningKey) -> Fact {
    let payload = directory::KeyRegistered {
        agency: sender.agency.to_string(),
        connector: sender.connector.to_string(),
        public_key: Bytes::copy_from_slice(&key.public_key()),
        valid_from_us: 0,
        valid_until_us: 0,
        certificate_pem: String::new(),
    };
    Fact::new("simpul.directory.v1.KeyRegistered", "directory/keys", payload.encode_to_vec())
}

pub fn revoke(key: &SigningKey, revoked_at_us: i64) -> Fact {
    let payload =
        directory::KeyRevoked { key_id: key.key_id().to_string(), revoked_at_us, reason: "lost".into() };
    Fact::new("simpul.directory.v1.KeyRevoked", "directory/keys", payload.encode_to_vec())
}

/// What a dishonest or broken hub could do to one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Signature,
    EventsRoot,
    Commitment,
    SealedRoot,
    Position,
    Sequence,
}

/// A data folder with both logs open.
pub struct Folder {
    pub log: Appender,
    pub reader: Reader,
    pub access: Arc<AccessLog>,
    pub bootstrap: Bytes,
    sequences: HashMap<Sender, u64>,
}

impl Folder {
    /// Opens both logs and writes the bootstrap submission, which registers `kp2mi/desk`.
    pub async fn new(dir: &Path) -> Self {
        let mut folder = Self::open(dir);
        let authority = sender("directory", "authority");
        let desk = SigningKey::from_seed(&[2; 32]).unwrap();
        let facts = vec![register(&sender("kp2mi", "desk"), &desk)];
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        folder.bootstrap = folder.submit(&authority, &key, facts, Fault::None).await;
        folder
    }

    /// Opens both logs as they are.
    pub fn open(dir: &Path) -> Self {
        let keys = |origin: &str| Keys { signer: signer(origin), wrap: master().wrap_key() };
        let config = |name: &str, origin: &str| Config {
            segment_bytes: 64 << 10,
            key_pool: 64,
            zero_ahead_bytes: 64 << 10,
            ..Config::new(dir.join(name), origin)
        };
        let (log, reader) =
            simpul_log::open(config("log", ORIGIN), Schema::Submissions, keys(ORIGIN), clock()).unwrap();
        let origin = format!("{ORIGIN}/access");
        let access = Arc::new(
            AccessLog::open(config("access", &origin), keys(&origin), master().index_key(), clock()).unwrap(),
        );
        simpul_audit::verify::leave_verifier_keys(dir, &reader.verifier(), &access.reader().verifier())
            .unwrap();
        let mut sequences = HashMap::new();
        for sender in [sender("kp2mi", "desk"), sender("directory", "authority")] {
            if let Some(next) = log.chain_next(&sender.to_string()) {
                sequences.insert(sender, next);
            }
        }
        Self { log, reader, access, bootstrap: Bytes::new(), sequences }
    }

    /// A submission of `kp2mi/desk`, as its key signs it.
    pub async fn desk(&mut self, facts: Vec<Fact>) -> Bytes {
        let key = SigningKey::from_seed(&[2; 32]).unwrap();
        self.submit(&sender("kp2mi", "desk"), &key, facts, Fault::None).await
    }

    /// One event of `kp2mi/desk` with a fault.
    pub async fn desk_with(&mut self, fact: Fact, fault: Fault) {
        let key = SigningKey::from_seed(&[2; 32]).unwrap();
        self.submit(&sender("kp2mi", "desk"), &key, vec![fact], fault).await;
    }

    /// Writes a submission with a fault; gives the wire form it would have had.
    pub async fn submit(
        &mut self,
        sender: &Sender,
        key: &SigningKey,
        facts: Vec<Fact>,
        fault: Fault,
    ) -> Bytes {
        let events: Vec<_> = facts.into_iter().map(|fact| event(fact, fault)).collect();
        let next = self.sequences.entry(sender.clone()).or_insert(1);
        let mut events_root = simpul_tlog::tree_hash(events.iter().map(|event| &event.header[..]));
        if fault == Fault::EventsRoot {
            events_root[0] ^= 1;
        }
        let statement = Statement {
            submission_id: System.submission_id(),
            sender: sender.clone(),
            first_sequence: *next + u64::from(fault == Fault::Sequence),
            event_count: events.len() as u32,
            events_root,
            created_at: Timestamp::from_us(1),
        };
        *next = statement.first_sequence + events.len() as u64;
        let statement_bytes = Bytes::from(statement.to_wire().encode_to_vec());
        let mut signature = key.sign_dsse(SUBMISSION_TYPE, &statement_bytes);
        if fault == Fault::Signature {
            signature[5] ^= 1;
        }
        let wire = v1::Submission {
            statement: statement_bytes.clone(),
            signature: Bytes::copy_from_slice(&signature),
            key_id: key.key_id().to_string(),
            events: events.clone(),
        };
        let directory_position = self.log.end();
        let submission_id = Some(statement.submission_id);
        let chain = Some((sender.to_string().into(), *next));
        let key_id = key.key_id();
        let leaf = Box::new(move |assigned: &Assigned| {
            let mut sealed_root = assigned.sealed_root;
            if fault == Fault::SealedRoot {
                sealed_root[0] ^= 1;
            }
            let leaf = Leaf {
                statement_bytes,
                statement,
                signature: Bytes::copy_from_slice(&signature),
                key_id,
                first_position: assigned.first_position.plus(u64::from(fault == Fault::Position)),
                admitted_at: assigned.admitted_at,
                directory_position,
                sealed_root,
            };
            leaf.encode()
        });
        let records = events.into_iter().map(record).collect();
        self.log.enqueue(Draft { submission_id, chain, records, leaf }).unwrap().await.unwrap();
        wire.encode_to_vec().into()
    }

    /// One recorded read under the newest checkpoint.
    pub async fn look(&self, agency: &str) -> u64 {
        let head = self.reader.head();
        let draft = AccessDraft {
            caller: Some(caller(agency)),
            action: "picture.case",
            purpose: "ASSIST".into(),
            answer: "FOUND".into(),
            position: head.end,
            checkpoint: Some(head.checkpoint.clone()),
            parameters: Bytes::from_static(b"a question"),
            ..AccessDraft::default()
        };
        self.access.record(draft).await.unwrap()
    }

    pub fn close(self) {
        self.log.close();
        self.access.close();
    }
}

fn event(fact: Fact, fault: Fault) -> v1::SubmittedEvent {
    let salt = simpul_signing::random::<32>();
    let mut payload_commitment = simpul_signing::commitment(&salt, &fact.payload);
    if fault == Fault::Commitment {
        payload_commitment[0] ^= 1;
    }
    let header = Header {
        event_id: System.event_id(),
        event_type: fact.event_type.parse().unwrap(),
        stream: fact.stream.parse().unwrap(),
        expected: ExpectedVersion::Any,
        occurred_at: Timestamp::from_us(1),
        purpose: "PLACEMENT".parse().unwrap(),
        legal_basis: "UU 18/2017".into(),
        data_category: "general".into(),
        payload_commitment,
        correlation_id: None,
        causation_id: None,
        traceparent: String::new(),
    };
    let header = header.to_wire().encode_to_vec().into();
    v1::SubmittedEvent { header, salt: Bytes::copy_from_slice(&salt), payload: fact.payload }
}

fn record(event: v1::SubmittedEvent) -> RecordDraft {
    let header = Header::decode(&event.header, "header").unwrap();
    RecordDraft {
        event_id: Some::<EventId>(header.event_id),
        stream: header.stream,
        header: event.header,
        salt: event.salt,
        payload: event.payload,
    }
}

/// Copies a folder, files only and one level of folders below it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn position(number: u64) -> Position {
    Position::new(number)
}
