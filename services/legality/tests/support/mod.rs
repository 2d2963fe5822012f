//! The parts behind the service, real ones: both logs, read models, directory, rules. Persons are invented.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use prost::{Message, bytes::Bytes};
use simpul_audit::{AccessLog, EntryFilter, entries};
use simpul_legality_service::{Parts, Service};
use simpul_log::{Appender, Assigned, Config, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_policy::{Directory, FIRST_MATRIX, Word};
use simpul_projection::{Handle, ReadModels, StateKeys};
use simpul_proto::{
    directory,
    registry::{
        ArrivalReport, Evidence, EvidenceKind, EvidenceResult, LicenceKind, LicenceRecorded,
        PlacementRecorded, PlacementStatus,
    },
    v1::{AccessEntry, CheckRequest, PersonClaim, Scheme, Verdict, check_request::Subject},
};
use simpul_signing::{MasterKey, SigningKey, VERDICT_TYPE, commitment};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    Caller, Clock, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, Timestamp,
    clock::System,
};
use tempfile::TempDir;

pub const NIK: &str = "3201015206750001";
pub const PASSPORT: &str = "X1234567";
pub const ZONE: &str =
    "P<IDNMELATI<<REKAAN<<<<<<<<<<<<<<<<<<<<<<<<<\nX1234567<7IDN7506121F3301018<<<<<<<<<<<<<<04";

/// 15 January 2026, noon in Jakarta.
pub const NOON_US: i64 = 1_768_453_200_000_000;
pub const HOUR_US: i64 = 3_600_000_000;

/// A clock that a test sets; it begins at noon.
pub struct Dial(AtomicI64);

impl Dial {
    pub fn set_hours_past_noon(&self, hours: i64) {
        self.0.store(NOON_US + hours * HOUR_US, Ordering::SeqCst);
    }
}

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        Timestamp::from_us(self.0.load(Ordering::SeqCst))
    }
}

pub struct Hub {
    pub service: Service,
    pub access: Arc<AccessLog>,
    pub models: ReadModels,
    pub key: Arc<SigningKey>,
    pub clock: Arc<Dial>,
    log: Appender,
    reader: Reader,
    handle: Handle,
    sequence: u64,
    _dir: TempDir,
}

impl Hub {
    /// A hub that knows one complete placement.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::generate();
        let clock = Arc::new(Dial(AtomicI64::new(NOON_US)));
        let (log, reader) = simpul_log::open(
            config(&dir.path().join("log"), "simpul.example/test"),
            Schema::Submissions,
            keys("simpul.example/test", &master),
            clock.clone(),
        )
        .unwrap();
        let origin = "simpul.example/test/access";
        let access = AccessLog::open(
            config(&dir.path().join("access"), origin),
            keys(origin, &master),
            master.index_key(),
            clock.clone(),
        )
        .unwrap();
        let state_keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
        let state = simpul_projection::Config {
            cache_bytes: 8 << 20,
            ..simpul_projection::Config::new(dir.path().join("state"))
        };
        let (models, handle) = simpul_projection::start(state, reader.clone(), state_keys).unwrap();
        let access = Arc::new(access);
        let key = Arc::new(SigningKey::generate());
        let service = Service::new(Parts {
            read_models: models.clone(),
            access: Arc::clone(&access),
            directory: Arc::new(ArcSwap::from_pointee(directory())),
            key: Arc::clone(&key),
            clock: clock.clone(),
            calendar: clock.clone(),
            ids: Arc::new(System),
        });
        let mut hub =
            Self { service, access, models, key, clock, log, reader, handle, sequence: 1, _dir: dir };
        hub.record(
            "simpul.registry.v1.LicenceRecorded",
            "sisko-licence/a",
            &licence(LicenceKind::Sip3mi, "A 1"),
        )
        .await;
        hub.record(
            "simpul.registry.v1.LicenceRecorded",
            "sisko-licence/b",
            &licence(LicenceKind::Sip2mi, "B 2"),
        )
        .await;
        let end = hub.record("simpul.registry.v1.PlacementRecorded", "sisko-placement/p", &placement()).await;
        assert!(hub.models.wait_for(end, Duration::from_secs(60)).await);
        hub
    }

    /// Appends one event of the registry; gives the end of the log.
    pub async fn record(&mut self, event_type: &str, stream: &str, message: &impl Message) -> Position {
        let salt = Bytes::from(vec![1; 32]);
        let payload = Bytes::from(message.encode_to_vec());
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
            sender: Sender { agency: "kp2mi".parse().unwrap(), connector: "sisko".parse().unwrap() },
            first_sequence: self.sequence,
            event_count: 1,
            events_root: simpul_tlog::tree_hash([&header_bytes[..]].into_iter()),
            created_at: Timestamp::from_us(1),
        };
        self.sequence += 1;
        let submission_id = Some(statement.submission_id);
        let leaf = move |at: &Assigned| {
            let leaf = Leaf {
                statement_bytes: statement.to_wire().encode_to_vec().into(),
                statement,
                signature: Bytes::from(vec![1; 64]),
                key_id: SigningKey::generate().key_id(),
                first_position: at.first_position,
                admitted_at: at.admitted_at,
                directory_position: Position::ZERO,
                sealed_root: at.sealed_root,
            };
            leaf.encode()
        };
        let record = RecordDraft {
            event_id: Some(header.event_id),
            stream: header.stream,
            header: header_bytes,
            salt,
            payload,
        };
        let draft = Draft { submission_id, chain: None, records: vec![record], leaf: Box::new(leaf) };
        self.log.enqueue(draft).unwrap().await.unwrap();
        self.reader.head().end
    }

    /// The verdict of a mission's question; the signature is checked.
    pub async fn verdict(&self, request: &CheckRequest) -> Verdict {
        let response = self.service.check(&caller("kbri-yangon"), request).await.unwrap();
        self.open(response)
    }

    pub fn open(&self, response: simpul_proto::v1::CheckResponse) -> Verdict {
        let signed = response.signed.unwrap();
        assert_eq!(signed.key_id, self.key.key_id().as_str());
        self.key.verifying_key().verify_dsse(VERDICT_TYPE, &signed.verdict, &signed.signature).unwrap();
        let text = String::from_utf8_lossy(&signed.verdict);
        assert!(!text.contains(NIK) && !text.contains(PASSPORT) && !text.contains("Rekaan"), "PII-1");
        Verdict::decode(signed.verdict).unwrap()
    }

    /// The access log as it lies on the disk.
    pub fn entries(&self) -> Vec<AccessEntry> {
        let all = entries(self.access.reader(), 0, u64::MAX, EntryFilter::default());
        all.map(|entry| entry.unwrap().1).collect()
    }

    pub async fn stop(self) {
        self.handle.stop().await;
        self.access.close();
        self.log.close();
    }
}

pub fn caller(agency: &str) -> Caller {
    let sender = Sender { agency: agency.parse().unwrap(), connector: "desk".parse().unwrap() };
    Caller { sender, certificate: "ab".repeat(32).into() }
}

pub fn question(subject: Subject) -> CheckRequest {
    CheckRequest {
        subject: Some(subject),
        purpose: "VERIFY_LEGALITY".into(),
        official: "petugas-7".into(),
        case_ref: "case-1".into(),
        ..CheckRequest::default()
    }
}

pub fn by_nik() -> CheckRequest {
    question(Subject::Nik(NIK.into()))
}

fn config(dir: &Path, origin: &str) -> Config {
    Config { segment_bytes: 64 << 10, key_pool: 64, zero_ahead_bytes: 64 << 10, ..Config::new(dir, origin) }
}

fn keys(origin: &str, master: &MasterKey) -> Keys {
    Keys { signer: NoteSigner::new(origin, &[7; 32]).unwrap(), wrap: master.wrap_key() }
}

/// Applies a directory event that the authority's first key signed.
fn apply(directory: &mut Directory, event_type: &str, payload: &[u8], position: Position) {
    let key_id = &"0011223344556677".parse().unwrap();
    directory.apply(&Word { event_type, payload, position, key_id }).unwrap();
}

fn directory() -> Directory {
    let mut directory = Directory::new([1; 32]);
    let mission = directory::AgencyDeclared {
        code: "kbri-yangon".into(),
        name: "KBRI Yangon".into(),
        kind: "mission".into(),
    };
    let policy = directory::PolicyDeclared { cedar: FIRST_MATRIX.into(), version: "test".into() };
    apply(&mut directory, "simpul.directory.v1.AgencyDeclared", &mission.encode_to_vec(), Position::new(0));
    apply(&mut directory, "simpul.directory.v1.PolicyDeclared", &policy.encode_to_vec(), Position::new(1));
    directory
}

pub fn licence(kind: LicenceKind, number: &str) -> LicenceRecorded {
    LicenceRecorded {
        licence_no: number.into(),
        kind: kind as i32,
        holder: "PT Contoh Karya".into(),
        valid_from: "2020-01-01".into(),
        valid_until: "2029-12-31".into(),
        ..LicenceRecorded::default()
    }
}

/// To Taiwan on 1 September 2023, with everything that was asked for.
pub fn placement() -> PlacementRecorded {
    let kinds = (1..).map_while(|kind| EvidenceKind::try_from(kind).ok());
    let evidence = kinds.map(|kind| {
        let (number, detail) = match kind {
            EvidenceKind::Passport => (PASSPORT, ""),
            EvidenceKind::WorkerCard => ("E-PMI 2023/01", ""),
            EvidenceKind::Visa => ("V-1", "WORK"),
            _ => ("N-1", ""),
        };
        Evidence {
            kind: kind as i32,
            number: number.into(),
            detail: detail.into(),
            issued_on: "2023-08-01".into(),
            result: EvidenceResult::Valid as i32,
            ..Evidence::default()
        }
    });
    PlacementRecorded {
        placement_no: "PMI-0001".into(),
        person: Some(PersonClaim {
            nik: NIK.into(),
            name: "Melati Rekaan".into(),
            birth_date: "1975-06-12".into(),
            ..PersonClaim::default()
        }),
        scheme: Scheme::PToP as i32,
        destination: "TWN".into(),
        occupation: "FACTORY".into(),
        placer_licence_no: "A 1".into(),
        recruitment_permit_no: "B 2".into(),
        departure_date: "2023-09-01".into(),
        status: PlacementStatus::Departed as i32,
        evidence: evidence.collect(),
        contract_signed_on: "2023-08-01".into(),
        arrival_report: Some(ArrivalReport { reported_on: "2023-09-10".into(), ..ArrivalReport::default() }),
        ..PlacementRecorded::default()
    }
}
