//! The parts behind the services, real ones: both logs, read models, outbox, directory. Persons are invented.

use std::{path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use prost::Message;
use simpul_audit::{AccessLog, EntryFilter, entries};
use simpul_log::{Appender, Config, Draft, Keys, RecordDraft, Schema};
use simpul_picture_service::{Parts, Service};
use simpul_policy::{Directory, FIRST_MATRIX, Word};
use simpul_projection::{Handle, ReadModels, StateKeys};
use simpul_proto::{
    directory::{AgencyDeclared, PolicyDeclared},
    embassy::IntakeRecorded,
    registry::PlacementRecorded,
    v1::{AccessEntry, PersonClaim},
};
use simpul_publisher::{Sight, Visibility};
use simpul_signing::{MasterKey, SigningKey, commitment};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    Caller, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, Timestamp, View,
    clock::System,
};
use tonic::Request;

pub const NIK: &str = "3201015206950001";

pub struct Hub {
    pub service: Service,
    pub models: ReadModels,
    pub directory: Arc<ArcSwap<Directory>>,
    access: Arc<AccessLog>,
    appender: Appender,
    publisher: simpul_publisher::Handle,
    projection: Handle,
    sequence: u64,
    _dir: tempfile::TempDir,
}

/// As the directory stands now; it does not change under these tests' events.
struct Now(Arc<ArcSwap<Directory>>);

impl Visibility for Now {
    fn at(&self, _: Position) -> Result<Arc<Sight>, simpul_publisher::FeedError> {
        let directory = self.0.load();
        let agencies: Vec<_> = directory.agencies().map(|agency| agency.code.clone()).collect();
        let seen = agencies
            .into_iter()
            .flat_map(|agency| View::ALL.iter().map(move |view| (agency.clone(), *view)).collect::<Vec<_>>());
        let seen = seen.map(|(agency, view)| {
            let classes = directory.classes(&agency, view, None, simpul_types::Timestamp::from_us(1));
            (agency, view, classes)
        });
        Ok(Arc::new(Sight::new(seen.collect::<Vec<_>>())))
    }
}

fn open(dir: &Path, origin: &str) -> Config {
    let mut config = Config::new(dir, origin);
    (config.segment_bytes, config.key_pool, config.zero_ahead_bytes) = (1 << 20, 16, 64 << 10);
    config
}

/// Applies a directory event that the authority's first key signed.
fn apply(directory: &mut Directory, event_type: &str, payload: &[u8], position: Position) {
    let key_id = &"0011223344556677".parse().unwrap();
    directory.apply(&Word { event_type, payload, position, key_id }).unwrap();
}

pub fn agencies() -> Directory {
    let mut directory = Directory::new([1; 32]);
    for (code, kind) in
        [("kp2mi", "registry"), ("kbri-yangon", "mission"), ("ombudsman", "oversight"), ("asing", "stranger")]
    {
        let agency = AgencyDeclared { code: code.into(), name: code.into(), kind: kind.into() };
        let payload = agency.encode_to_vec();
        apply(&mut directory, "simpul.directory.v1.AgencyDeclared", &payload, Position::ZERO);
    }
    let policy = PolicyDeclared { cedar: FIRST_MATRIX.into(), version: "test".into() };
    apply(&mut directory, "simpul.directory.v1.PolicyDeclared", &policy.encode_to_vec(), Position::new(6));
    directory
}

impl Hub {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let keys = |origin: &str| Keys {
            signer: NoteSigner::new(origin, &[7; 32]).unwrap(),
            wrap: master.wrap_key(),
        };
        let origin = "simpul.example/picture";
        let config = open(&dir.path().join("log"), origin);
        let (appender, reader) =
            simpul_log::open(config, Schema::Submissions, keys(origin), Arc::new(System)).unwrap();
        let origin = "simpul.example/picture/access";
        let config = open(&dir.path().join("access"), origin);
        let access =
            Arc::new(AccessLog::open(config, keys(origin), master.index_key(), Arc::new(System)).unwrap());
        let state_keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
        let state = simpul_projection::Config::new(dir.path().join("state"));
        let (models, projection) = simpul_projection::start(state, reader.clone(), state_keys).unwrap();
        let directory = Arc::new(ArcSwap::from_pointee(agencies()));
        let outbox = simpul_publisher::Config::new(dir.path().join("outbox"), "simpul.example/picture");
        let visibility = Arc::new(Now(Arc::clone(&directory)));
        let publisher = simpul_publisher::start(outbox, models.clone(), reader, visibility).unwrap();
        let service = Service::new(Parts {
            clock: Arc::new(System),
            read_models: models.clone(),
            outbox: publisher.outbox().clone(),
            access: Arc::clone(&access),
            directory: Arc::clone(&directory),
            ids: Arc::new(System),
        });
        Self { service, models, directory, access, appender, publisher, projection, sequence: 1, _dir: dir }
    }

    /// Appends one event of an agency and waits until the read models have it.
    pub async fn append(
        &mut self,
        agency: &str,
        event_type: &str,
        stream: &str,
        message: &impl Message,
    ) -> Position {
        let (salt, payload) = (Bytes::from(vec![1; 32]), Bytes::from(message.encode_to_vec()));
        let header = Header {
            event_id: System.event_id(),
            event_type: event_type.parse().unwrap(),
            stream: stream.parse().unwrap(),
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
        let header_bytes = Bytes::from(header.to_wire().encode_to_vec());
        let statement = Statement {
            submission_id: System.submission_id(),
            sender: Sender { agency: agency.parse().unwrap(), connector: "test".parse().unwrap() },
            first_sequence: self.sequence,
            event_count: 1,
            events_root: simpul_tlog::tree_hash([&header_bytes[..]].into_iter()),
            created_at: Timestamp::from_us(1),
        };
        self.sequence += 1;
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
        let record = RecordDraft {
            event_id: Some(header.event_id),
            stream: header.stream.clone(),
            header: header_bytes,
            salt,
            payload,
        };
        let draft = Draft { submission_id, chain: None, records: vec![record], leaf: Box::new(leaf) };
        let receipt = self.appender.enqueue(draft).unwrap().await.unwrap();
        let end = receipt.first_position.plus(1);
        assert!(self.models.wait_for(end, Duration::from_secs(60)).await);
        end
    }

    /// A placement, and an intake into case `C-1`.
    pub async fn with_case(&mut self) {
        let person = PersonClaim { name: "SITI CONTOH".into(), nik: NIK.into(), ..PersonClaim::default() };
        let placement = PlacementRecorded {
            placement_no: "PN-1".into(),
            person: Some(person.clone()),
            destination: "HKG".into(),
            ..PlacementRecorded::default()
        };
        self.append("kp2mi", "simpul.registry.v1.PlacementRecorded", "sisko-placement/p", &placement).await;
        let intake = IntakeRecorded {
            intake_no: "IN-1".into(),
            mission: "KBRI YANGON".into(),
            case_ref: "C-1".into(),
            person: Some(person),
            narrative: "canary-narrative".into(),
            shelter_address: "canary-shelter".into(),
            recruiter_contact: "canary-recruiter".into(),
            ..IntakeRecorded::default()
        };
        self.append("kbri-yangon", "simpul.embassy.v1.IntakeRecorded", "mission-intake/i", &intake).await;
    }

    /// What the access log says, oldest first.
    pub fn entries(&self) -> Vec<AccessEntry> {
        let found = entries(self.access.reader(), 0, u64::MAX, EntryFilter::default());
        found.map(|entry| entry.unwrap().1).collect()
    }

    pub async fn stop(self) {
        self.service.end_subscriptions();
        self.publisher.stop().await;
        self.projection.stop().await;
        self.access.close();
        self.appender.close();
    }
}

/// A request as it comes off a connection of this agency.
pub fn by<T>(agency: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let sender = Sender { agency: agency.parse().unwrap(), connector: "desk".parse().unwrap() };
    request.extensions_mut().insert(Caller { sender, certificate: "ab".repeat(32).into() });
    request
}
