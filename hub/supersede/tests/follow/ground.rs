//! Both logs, read models and a follower of answers, with a voice that can be told to fail. Every person here is invented.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use prost::Message;
use simpul_audit::{AccessDraft, AccessLog};
use simpul_legality::RuleBook;
use simpul_log::{Appender, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_projection::{IdentifierKind, ReadModels, StateKeys};
use simpul_proto::{
    hub::VerdictSuperseded,
    registry::{PlacementRecorded, PlacementStatus},
    v1::{CheckRequest, PersonClaim, Scheme, VerdictKind, check_request::Subject},
};
use simpul_signing::{MasterKey, SigningKey, commitment};
use simpul_supersede::{Announce, AnnounceError, Handle, Parts, Rules, Said, Word};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    Caller, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, StreamName, Timestamp,
    clock::System,
};
use tokio::sync::Semaphore;

const ORIGIN: &str = "simpul.example/supersede-test";
const PATIENCE: Duration = Duration::from_secs(60);

/// How the voice behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    Clear,
    /// The word is in the log, and the hub dies before it knows.
    CutOff,
}

pub struct Ground {
    dir: tempfile::TempDir,
    pub reader: Reader,
    access: Arc<AccessLog>,
    pub models: ReadModels,
    folding: simpul_projection::Handle,
    voice: Arc<Speaker>,
}

struct Speaker {
    appender: Mutex<Appender>,
    reader: Reader,
    sequence: AtomicU64,
    manner: Mutex<Voice>,
    /// Words that may be said.
    may: Semaphore,
    said: Mutex<Vec<VerdictSuperseded>>,
}

impl Ground {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let open = |name: &str, schema: Schema| {
            let origin = format!("{ORIGIN}/{name}");
            let mut config = simpul_log::Config::new(dir.path().join(name), &origin);
            (config.segment_bytes, config.key_pool, config.zero_ahead_bytes) = (1 << 20, 64, 64 << 10);
            let keys = Keys { signer: NoteSigner::new(&origin, &[7; 32]).unwrap(), wrap: master.wrap_key() };
            (config, schema, keys)
        };
        let (config, schema, keys) = open("log", Schema::Submissions);
        let (appender, reader) = simpul_log::open(config, schema, keys, Arc::new(System)).unwrap();
        let (config, _, keys) = open("access", Schema::Access);
        let access = Arc::new(AccessLog::open(config, keys, master.index_key(), Arc::new(System)).unwrap());
        let keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
        let config = simpul_projection::Config::new(dir.path().join("state"));
        let (models, folding) = simpul_projection::start(config, reader.clone(), keys).unwrap();
        let voice = Arc::new(Speaker {
            appender: Mutex::new(appender),
            reader: reader.clone(),
            sequence: AtomicU64::new(1),
            manner: Mutex::new(Voice::Clear),
            may: Semaphore::new(Semaphore::MAX_PERMITS),
            said: Mutex::default(),
        });
        Self { dir, reader, access, models, folding, voice }
    }

    pub fn manner(&self, manner: Voice) {
        *self.voice.manner.lock().unwrap() = manner;
    }

    /// So many words may be said from now on.
    pub fn may_say(&self, words: usize) {
        self.voice.may.forget_permits(Semaphore::MAX_PERMITS);
        self.voice.may.add_permits(words);
    }

    pub fn index(&self) -> PathBuf {
        self.dir.path().join("standing")
    }

    /// A follower under rules with this digest.
    pub fn follow(&self, rules: RuleBook, digest: u8) -> Handle {
        let rules = Arc::new(rules);
        let announce: Arc<dyn Announce> = Arc::new(Announcer(Arc::clone(&self.voice)));
        simpul_supersede::start(Parts {
            dir: self.index(),
            read_models: self.models.clone(),
            access: self.access.reader().clone(),
            rules: Box::new(move || Rules { book: Arc::clone(&rules), digest: [digest; 32] }),
            clock: Arc::new(System),
            announce,
        })
        .unwrap()
    }

    /// A mission is told `kind` about a person; what the rules really say does not matter here.
    pub async fn tell(&self, nik: &str, kind: VerdictKind) -> u64 {
        let request = CheckRequest {
            subject: Some(Subject::Nik(nik.into())),
            purpose: "VERIFY_LEGALITY".into(),
            ..CheckRequest::default()
        };
        let sender = Sender { agency: "kbri-yangon".parse().unwrap(), connector: "desk".parse().unwrap() };
        let draft = AccessDraft {
            caller: Some(Caller { sender, certificate: "ab".repeat(32).into() }),
            action: "legality.check",
            purpose: "VERIFY_LEGALITY".into(),
            subject_ref: self.models.subject_ref(IdentifierKind::Nik, nik),
            answer: kind.as_str_name().into(),
            position: self.models.position(),
            parameters: request.encode_to_vec().into(),
            ..AccessDraft::default()
        };
        self.access.record(draft).await.unwrap()
    }

    /// A placement without any evidence: not procedural once departed, and open while cancelled.
    pub async fn placement(&self, nik: &str, status: PlacementStatus) {
        let person = PersonClaim { name: "SITI CONTOH".into(), nik: nik.into(), ..PersonClaim::default() };
        let message = PlacementRecorded {
            placement_no: format!("PN-{nik}"),
            person: Some(person),
            scheme: Scheme::PToP as i32,
            destination: "HKG".into(),
            occupation: "CAREGIVER".into(),
            departure_date: "2024-05-01".into(),
            status: status as i32,
            ..PlacementRecorded::default()
        };
        let stream = format!("sisko-placement/{nik}").parse().unwrap();
        let event = ("kp2mi", "simpul.registry.v1.PlacementRecorded", message.encode_to_vec());
        self.voice.append(event, stream).await;
        let end = self.reader.head().end;
        assert!(self.models.wait_for(end, PATIENCE).await, "{:?}", self.models.health());
    }

    /// Waits until the follower has looked at both logs as they are now.
    pub async fn looked(&self, handle: &Handle) {
        let mut progress = handle.progress();
        let (entries, end) = (self.access.reader().head().size.get(), self.reader.head().end);
        let reached = progress.wait_for(|(access, log)| *access >= entries && *log >= end);
        tokio::time::timeout(PATIENCE, reached).await.expect("in time").unwrap();
    }

    /// Waits until so many words were said.
    pub async fn words(&self, count: usize) -> Vec<VerdictSuperseded> {
        let enough = async {
            while self.voice.said.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("in time");
        self.voice.said.lock().unwrap().clone()
    }

    pub async fn stop(self) {
        self.folding.stop().await;
    }
}

struct Announcer(Arc<Speaker>);

impl Announce for Announcer {
    fn announce(&self, word: Word) -> BoxFuture<'_, Result<Said, AnnounceError>> {
        async move {
            self.0.may.acquire().await.unwrap().forget();
            if self.0.reader.stream(&word.stream).len() as u64 != word.version {
                return Ok(Said::Before);
            }
            let payload = word.superseded.encode_to_vec();
            self.0.append(("simpul", "simpul.hub.v1.VerdictSuperseded", payload), word.stream).await;
            self.0.said.lock().unwrap().push(word.superseded);
            match *self.0.manner.lock().unwrap() {
                Voice::Clear => Ok(Said::Now),
                Voice::CutOff => Err("cut off".into()),
            }
        }
        .boxed()
    }
}

impl Speaker {
    async fn append(&self, (agency, event_type, payload): (&str, &str, Vec<u8>), stream: StreamName) {
        let (salt, payload) = (Bytes::from(vec![1; 32]), Bytes::from(payload));
        let header = Header {
            event_id: System.event_id(),
            event_type: event_type.parse().unwrap(),
            stream,
            expected: ExpectedVersion::Any,
            occurred_at: Timestamp::from_us(1_000_000),
            purpose: "PLACEMENT".parse().unwrap(),
            legal_basis: "UU 18/2017".into(),
            data_category: "general".into(),
            payload_commitment: commitment(&salt, &payload),
            correlation_id: None,
            causation_id: None,
            traceparent: String::new(),
        };
        let record = RecordDraft {
            event_id: Some(header.event_id),
            stream: header.stream.clone(),
            header: header.to_wire().encode_to_vec().into(),
            salt,
            payload,
        };
        let statement = Statement {
            submission_id: System.submission_id(),
            sender: Sender { agency: agency.parse().unwrap(), connector: "test".parse().unwrap() },
            first_sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            event_count: 1,
            events_root: simpul_tlog::tree_hash([record.header.as_ref()].into_iter()),
            created_at: Timestamp::from_us(1),
        };
        let submission_id = Some(statement.submission_id);
        let leaf = move |at: &simpul_log::Assigned| {
            let leaf = Leaf {
                statement_bytes: statement.to_wire().encode_to_vec().into(),
                statement,
                signature: Bytes::from(vec![1; 64]),
                key_id: SigningKey::from_seed(&[3; 32]).unwrap().key_id(),
                first_position: at.first_position,
                admitted_at: at.admitted_at,
                directory_position: Position::ZERO,
                sealed_root: at.sealed_root,
            };
            leaf.encode()
        };
        let draft = Draft { submission_id, chain: None, records: vec![record], leaf: Box::new(leaf) };
        let ticket = self.appender.lock().unwrap().enqueue(draft).unwrap();
        ticket.await.unwrap();
    }
}

/// A valid NIK of an invented woman, told apart by its serial.
pub fn nik(serial: u32) -> String {
    format!("320101520695{serial:04}")
}
