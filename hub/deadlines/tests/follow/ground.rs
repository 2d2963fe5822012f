//! A log, read models and a follower of days, with a clock that a test sets and a voice that can be cut off. Every person here is invented.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use jiff::civil::Date;
use prost::Message;
use simpul_deadlines::{Announce, AnnounceError, Handle, Parts, Said, Word};
use simpul_log::{Appender, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_projection::{ReadModels, StateKeys};
use simpul_signing::{MasterKey, SigningKey, commitment};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    Clock, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, StreamName, Timestamp,
    clock::System,
};

const ORIGIN: &str = "simpul.example/deadlines-test";
const PATIENCE: Duration = Duration::from_secs(60);
/// What follows looks once a second; twice that and a little, and it has looked at what is there.
const LOOKED: Duration = Duration::from_millis(2_600);

/// Noon in Jakarta of the day that a test sets.
pub struct Day(AtomicI64);

impl Clock for Day {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(self.0.load(Ordering::Relaxed))
    }
}

/// How the voice behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    Clear,
    /// The word is in the log, and the hub dies before it knows.
    CutOff,
}

/// A word that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub event_type: String,
    pub stream: StreamName,
    pub payload: Vec<u8>,
}

impl Heard {
    pub fn is(&self, name: &str) -> bool {
        self.event_type.rsplit('.').next() == Some(name)
    }

    pub fn read<M: Message + Default>(&self) -> M {
        M::decode(&self.payload[..]).unwrap()
    }
}

pub struct Ground {
    _dir: tempfile::TempDir,
    reader: Reader,
    pub models: ReadModels,
    folding: simpul_projection::Handle,
    voice: Arc<Speaker>,
    day: Arc<Day>,
}

struct Speaker {
    appender: Mutex<Appender>,
    reader: Reader,
    sequence: AtomicU64,
    manner: Mutex<Voice>,
    said: Mutex<Vec<Heard>>,
}

impl Ground {
    pub fn new(today: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let mut config = simpul_log::Config::new(dir.path().join("log"), ORIGIN);
        (config.segment_bytes, config.key_pool, config.zero_ahead_bytes) = (1 << 20, 64, 64 << 10);
        let keys = Keys { signer: NoteSigner::new(ORIGIN, &[7; 32]).unwrap(), wrap: master.wrap_key() };
        let (appender, reader) =
            simpul_log::open(config, Schema::Submissions, keys, Arc::new(System)).unwrap();
        let keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
        let config = simpul_projection::Config::new(dir.path().join("state"));
        let (models, folding) = simpul_projection::start(config, reader.clone(), keys).unwrap();
        let voice = Arc::new(Speaker {
            appender: Mutex::new(appender),
            reader: reader.clone(),
            sequence: AtomicU64::new(1),
            manner: Mutex::new(Voice::Clear),
            said: Mutex::default(),
        });
        let ground =
            Self { _dir: dir, reader, models, folding, voice, day: Arc::new(Day(AtomicI64::new(0))) };
        ground.today(today);
        ground
    }

    pub fn manner(&self, manner: Voice) {
        *self.voice.manner.lock().unwrap() = manner;
    }

    pub fn today(&self, day: &str) {
        let day: Date = day.parse().unwrap();
        let noon = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).unwrap();
        self.day.0.store(noon.timestamp().as_microsecond(), Ordering::Relaxed);
    }

    pub fn follow(&self) -> Handle {
        let announce: Arc<dyn Announce> = Arc::new(Announcer(Arc::clone(&self.voice)));
        simpul_deadlines::start(Parts {
            read_models: self.models.clone(),
            clock: Arc::clone(&self.day) as Arc<dyn Clock>,
            announce,
        })
    }

    /// An agency says something.
    pub async fn say(&self, agency: &str, event_type: &str, stream: &str, payload: &impl Message) {
        let event_type = format!("simpul.{event_type}");
        let event = (agency, event_type.as_str(), payload.encode_to_vec());
        self.voice.append(event, stream.parse().unwrap()).await;
        self.folded().await;
    }

    /// Waits until the read models have everything.
    pub async fn folded(&self) {
        let end = self.reader.head().end;
        assert!(self.models.wait_for(end, PATIENCE).await, "{:?}", self.models.health());
    }

    /// Waits until so many words were said.
    pub async fn said(&self, count: usize) {
        let enough = async {
            while self.voice.said.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, enough).await;
        assert!(in_time.is_ok(), "{:?}", self.voice.said.lock().unwrap());
    }

    /// The same, and whether more come; gives all.
    pub async fn words(&self, count: usize) -> Vec<Heard> {
        self.said(count).await;
        self.folded().await;
        tokio::time::sleep(LOOKED).await;
        let said = self.voice.said.lock().unwrap().clone();
        assert_eq!(said.len(), count, "{said:#?}");
        said
    }

    pub async fn stop(self) {
        self.folding.stop().await;
    }
}

struct Announcer(Arc<Speaker>);

impl Announce for Announcer {
    fn announce(&self, word: Word) -> BoxFuture<'_, Result<Said, AnnounceError>> {
        async move {
            let version = self.0.reader.stream(&word.stream).len() as u64;
            // As the gate would.
            if !word.expected.holds(version) {
                return Ok(Said::Overtaken);
            }
            let Word { event_type, stream, payload, .. } = word;
            self.0.append(("simpul", event_type, payload.clone()), stream.clone()).await;
            self.0.said.lock().unwrap().push(Heard { event_type: event_type.into(), stream, payload });
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
