//! A realm with two agencies, and senders that sign what a test wants signed, wrong things included.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use prost::Message;
use simpul_audit::AccessLog;
use simpul_log::{Commit, Keys, LocalDisk, Reader, Schema};
use simpul_policy::{Directory, FIRST_MATRIX};
use simpul_proto::{directory, police, registry, v1};
use simpul_signing::{SUBMISSION_TYPE, SigningKey, seal::WrapKey};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    AgencyCode, Caller, Clock, IdSource, Position, Receipt, RejectReason, Rejection, Sender, Timestamp,
    clock::System,
};
use tempfile::TempDir;

use crate::{Admission, Config, fold_directory};

pub(super) const PLACEMENT: &str = "simpul.registry.v1.PlacementRecorded";
/// 2026-11-22, in the hub's clock of these tests.
const NOW_US: i64 = 1_795_305_600_000_000;

pub(super) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(self.0.load(Ordering::Relaxed))
    }
}

impl SetClock {
    pub(super) fn forward(&self, us: i64) {
        self.0.fetch_add(us, Ordering::Relaxed);
    }
}

/// One connector with its key and its count.
pub(super) struct Connector {
    pub(super) caller: Caller,
    pub(super) key: SigningKey,
    pub(super) next: u64,
}

impl Connector {
    pub(super) fn new(agency: &str, connector: &str, seed: u8) -> Self {
        let sender = Sender { agency: agency.parse().unwrap(), connector: connector.parse().unwrap() };
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        Self { caller: Caller { sender, certificate: "ab".into() }, key, next: 1 }
    }
}

/// A submission before it is signed; a test may change anything.
pub(super) struct Parts {
    pub(super) statement: v1::SubmissionStatement,
    pub(super) headers: Vec<v1::EventHeader>,
    pub(super) salts: Vec<Vec<u8>>,
    pub(super) payloads: Vec<Vec<u8>>,
    /// In place of the right one.
    pub(super) events_root: Option<[u8; 32]>,
}

impl Parts {
    pub(super) fn new(
        connector: &Connector,
        payloads: Vec<(&str, Vec<u8>)>,
        purpose: &str,
        source: &str,
    ) -> Self {
        let count = payloads.len();
        let statement = v1::SubmissionStatement {
            version: 1,
            submission_id: System.uuid_v7().to_vec().into(),
            agency: connector.caller.sender.agency.to_string(),
            connector: connector.caller.sender.connector.to_string(),
            first_sequence: connector.next,
            event_count: count as u32,
            events_root: Default::default(),
            created_at_us: NOW_US,
        };
        let salts: Vec<Vec<u8>> = (0..count).map(|_| simpul_signing::random::<32>().to_vec()).collect();
        let mut headers = Vec::new();
        for ((event_type, payload), salt) in payloads.iter().zip(&salts) {
            let event_id = System.uuid_v7();
            let reference = data_encoding::HEXLOWER.encode(&event_id);
            headers.push(v1::EventHeader {
                version: 1,
                event_id: event_id.to_vec().into(),
                r#type: (*event_type).into(),
                stream: format!("{source}/{reference}"),
                expected: Some(any()),
                occurred_at_us: NOW_US,
                purpose: purpose.into(),
                legal_basis: "UU 18/2017".into(),
                data_category: "general".into(),
                payload_commitment: simpul_signing::commitment(salt, payload).to_vec().into(),
                ..Default::default()
            });
        }
        let payloads = payloads.into_iter().map(|(_, payload)| payload).collect();
        Self { statement, headers, salts, payloads, events_root: None }
    }

    pub(super) fn sign(mut self, key: &SigningKey) -> v1::Submission {
        let headers: Vec<Vec<u8>> = self.headers.iter().map(Message::encode_to_vec).collect();
        let root = simpul_log::tree_hash(headers.iter().map(Vec::as_slice));
        self.statement.events_root = self.events_root.unwrap_or(root).to_vec().into();
        let statement = self.statement.encode_to_vec();
        let events =
            headers.into_iter().zip(self.salts).zip(self.payloads).map(|((header, salt), payload)| {
                v1::SubmittedEvent { header: header.into(), salt: salt.into(), payload: payload.into() }
            });
        v1::Submission {
            signature: key.sign_dsse(SUBMISSION_TYPE, &statement).to_vec().into(),
            statement: statement.into(),
            key_id: key.key_id().to_string(),
            events: events.collect(),
        }
    }
}

pub(super) fn any() -> v1::ExpectedVersion {
    v1::ExpectedVersion { kind: Some(v1::expected_version::Kind::Any(v1::expected_version::Any {})) }
}

pub(super) fn placement() -> Vec<u8> {
    registry::PlacementRecorded {
        placement_no: "P-1".into(),
        person: Some(v1::PersonClaim { name: "Wati".into(), ..Default::default() }),
        scheme: v1::Scheme::PToP as i32,
        destination: "HKG".into(),
        occupation: "CARER".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

pub(super) fn case() -> Vec<u8> {
    police::CaseUpdated {
        lp_number: "LP/A/1/I/2026/SPKT/POLDA KEPRI".into(),
        report_type: police::ReportType::FoundByPolice as i32,
        stage: police::JusticeStage::Inquiry as i32,
        stage_date: "2026-01-05".into(),
        unit: "POLDA KEPRI".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Directory events as parts of the authority.
pub(super) fn directory_parts(authority: &Connector, events: Vec<(&str, Vec<u8>)>) -> Parts {
    let names: Vec<String> = events.iter().map(|(name, _)| format!("simpul.directory.v1.{name}")).collect();
    let events = names.iter().zip(events).map(|(name, (_, payload))| (name.as_str(), payload)).collect();
    Parts::new(authority, events, "DIRECTORY", "directory")
}

pub(super) fn declare(agency: &str, kind: &str) -> (&'static str, Vec<u8>) {
    let declared = directory::AgencyDeclared { code: agency.into(), name: agency.into(), kind: kind.into() };
    ("AgencyDeclared", declared.encode_to_vec())
}

pub(super) fn declare_connector(connector: &Connector) -> (&'static str, Vec<u8>) {
    let Sender { agency, connector } = &connector.caller.sender;
    let declared =
        directory::ConnectorDeclared { agency: agency.to_string(), connector: connector.to_string() };
    ("ConnectorDeclared", declared.encode_to_vec())
}

pub(super) fn register(connector: &Connector) -> (&'static str, Vec<u8>) {
    let Sender { agency, connector: name } = &connector.caller.sender;
    let registered = directory::KeyRegistered {
        agency: agency.to_string(),
        connector: name.to_string(),
        public_key: connector.key.public_key().to_vec().into(),
        valid_from_us: NOW_US - 1,
        valid_until_us: 0,
        certificate_pem: String::new(),
    };
    ("KeyRegistered", registered.encode_to_vec())
}

pub(super) fn revoke(connector: &Connector, at_us: i64) -> (&'static str, Vec<u8>) {
    let key_id = connector.key.key_id().to_string();
    let revoked = directory::KeyRevoked { key_id, revoked_at_us: at_us, reason: "test".into() };
    ("KeyRevoked", revoked.encode_to_vec())
}

pub(super) fn policy(cedar: &str) -> (&'static str, Vec<u8>) {
    ("PolicyDeclared", directory::PolicyDeclared { cedar: cedar.into(), version: "1".into() }.encode_to_vec())
}

/// A hub's admission on a folder, which can be closed and opened again.
pub(super) struct Hub {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<SetClock>,
    pub(super) admission: Admission,
    pub(super) reader: Reader,
    pub(super) access: Arc<AccessLog>,
    pub(super) authority: Connector,
    pub(super) kp2mi: Connector,
    pub(super) polri: Connector,
}

impl Hub {
    /// A hub whose directory declares `kp2mi/sisko` and `polri/desk` under the first matrix.
    pub(super) async fn new() -> Self {
        Self::with(Config::default(), Box::new(LocalDisk)).await
    }

    pub(super) async fn with(config: Config, commit: Box<dyn Commit>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(NOW_US)));
        let mut authority = Connector::new("directory", "authority", 1);
        let (kp2mi, polri) = (Connector::new("kp2mi", "sisko", 2), Connector::new("polri", "desk", 3));
        let (admission, reader, access) = open(dir.path(), config, commit, &authority, Arc::clone(&clock));
        let events = vec![
            declare("kp2mi", "registry"),
            declare("polri", "police"),
            declare_connector(&kp2mi),
            declare_connector(&polri),
            register(&kp2mi),
            register(&polri),
            policy(FIRST_MATRIX),
        ];
        let bootstrap = directory_parts(&authority, events).sign(&authority.key);
        admission.bootstrap(bootstrap.clone()).await.unwrap();
        let again = admission.bootstrap(bootstrap).await.unwrap();
        assert!(again.duplicate, "a second start finds the bootstrap there");
        authority.next = 8;
        Self { dir, clock, admission, reader, access, authority, kp2mi, polri }
    }

    pub(super) async fn close(self) -> Closed {
        self.admission.close().await;
        self.access.close();
        let Self { dir, clock, authority, kp2mi, polri, .. } = self;
        Closed { dir, clock, authority, kp2mi, polri }
    }

    /// A placement submission of `kp2mi/sisko` with so many events.
    pub(super) fn placements(&self, count: usize) -> Parts {
        Parts::new(&self.kp2mi, vec![(PLACEMENT, placement()); count], "PLACEMENT", "sisko-placement")
    }

    pub(super) async fn submit(&self, connector: &Connector, parts: Parts) -> Result<Receipt, Rejection> {
        self.admission.submit(&connector.caller, parts.sign(&connector.key)).await
    }

    /// Submits placements that must be admitted, and counts them.
    pub(super) async fn admit(&mut self, count: usize) -> Receipt {
        let receipt = self.submit(&self.kp2mi, self.placements(count)).await.unwrap();
        self.kp2mi.next += count as u64;
        receipt
    }

    /// Submits directory events that must be admitted.
    pub(super) async fn direct(&mut self, events: Vec<(&str, Vec<u8>)>) -> Receipt {
        let count = events.len() as u64;
        let parts = directory_parts(&self.authority, events);
        let receipt = self.submit(&self.authority, parts).await.unwrap();
        self.authority.next += count;
        receipt
    }

    pub(super) fn entries(&self) -> Vec<v1::AccessEntry> {
        let reader = self.access.reader();
        let leaves = 0..reader.head().size.get();
        let leaves = leaves.map(|index| reader.leaf(simpul_types::LeafIndex::new(index)).unwrap());
        leaves.map(|leaf| v1::AccessEntry::decode(leaf.bytes).unwrap()).collect()
    }

    pub(super) fn end(&self) -> Position {
        self.reader.head().end
    }

    pub(super) fn log_dir(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

/// A hub between two runs.
pub(super) struct Closed {
    dir: TempDir,
    clock: Arc<SetClock>,
    authority: Connector,
    kp2mi: Connector,
    polri: Connector,
}

impl Closed {
    pub(super) fn open(self) -> Hub {
        let Self { dir, clock, authority, kp2mi, polri } = self;
        let (admission, reader, access) =
            open(dir.path(), Config::default(), Box::new(LocalDisk), &authority, Arc::clone(&clock));
        Hub { dir, clock, admission, reader, access, authority, kp2mi, polri }
    }
}

fn open(
    dir: &Path,
    config: Config,
    commit: Box<dyn Commit>,
    authority: &Connector,
    clock: Arc<SetClock>,
) -> (Admission, Reader, Arc<AccessLog>) {
    let keys = |origin: &str| Keys {
        signer: NoteSigner::new(origin, &[7; 32]).unwrap(),
        wrap: WrapKey::from_bytes([8; 32]),
    };
    let log = simpul_log::Config {
        key_pool: 64,
        zero_ahead_bytes: 1 << 20,
        ..simpul_log::Config::new(dir.join("log"), "simpul.example/test")
    };
    let access = simpul_log::Config {
        key_pool: 8,
        zero_ahead_bytes: 1 << 20,
        ..simpul_log::Config::new(dir.join("access"), "simpul.example/test/access")
    };
    let (appender, reader) = simpul_log::open_with(
        log,
        Schema::Submissions,
        keys("simpul.example/test"),
        Arc::clone(&clock) as Arc<dyn Clock>,
        commit,
    )
    .unwrap();
    let access_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let access = Arc::new(
        AccessLog::open(
            access,
            keys("simpul.example/test/access"),
            simpul_signing::IndexKey::from_bytes(&[7; 32]),
            access_clock,
        )
        .unwrap(),
    );
    let directory: Directory = fold_directory(&appender, &reader, authority.key.public_key()).unwrap();
    let admission = Admission::start(config, appender, reader.clone(), directory, Arc::clone(&access), clock);
    (admission, reader, access)
}

pub(super) fn reason(result: Result<Receipt, Rejection>) -> RejectReason {
    result.expect_err("must be refused").reason
}

pub(super) fn agency(code: &str) -> AgencyCode {
    code.parse().unwrap()
}

#[test]
fn policy_and_signing_mean_the_same_key_id() {
    let connector = Connector::new("directory", "authority", 1);
    let directory = Directory::new(connector.key.public_key());
    let (sender, at) = (&connector.caller.sender, Timestamp::from_us(0));
    assert_eq!(directory.key(sender, &connector.key.key_id(), at), Some(connector.key.public_key()));
}
