//! A real log with known keys, and payloads of invented persons.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use simpul_log::{Appender, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_projection::{Config, Handle, ReadModels, Rebuild, StateDigest, StateKeys, rebuild_digest};
use simpul_proto::{
    embassy::{IntakeRecorded, ScreeningResult, ScreeningSubmitted, StayCategory},
    erasure::ErasureExecuted,
    police::{CasePerson, CaseRole, CaseUpdated, JusticeStage, ReportType},
    registry::{
        Evidence, EvidenceKind, EvidenceResult, LicenceKind, LicenceRecorded, PlacementRecorded,
        PlacementStatus,
    },
    v1::{PersonClaim, Scheme},
};
use simpul_signing::{MasterKey, SigningKey, commitment};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    EventId, ExpectedVersion, Header, IdSource, Leaf, Position, Sender, Statement, StreamName, Timestamp,
    clock::System,
    erasure::{self, Executed},
};

const ORIGIN: &str = "simpul.example/projection-test";

pub struct TestLog {
    pub dir: tempfile::TempDir,
    appender: Appender,
    pub reader: Reader,
    pub keys: StateKeys,
    sequence: u64,
    runtime: tokio::runtime::Runtime,
}

/// One event to append: agency, stream, type, payload.
#[derive(Clone, Debug)]
pub struct Input {
    pub agency: &'static str,
    pub stream: String,
    pub event_type: &'static str,
    pub payload: Vec<u8>,
}

impl TestLog {
    pub fn new() -> Self {
        Self::under(&MasterKey::generate())
    }

    pub fn under(master: &MasterKey) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = simpul_log::Config::new(dir.path().join("log"), ORIGIN);
        (config.segment_bytes, config.key_pool, config.zero_ahead_bytes) = (1 << 20, 64, 64 << 10);
        let keys = Keys { signer: NoteSigner::new(ORIGIN, &[7; 32]).unwrap(), wrap: master.wrap_key() };
        let (appender, reader) =
            simpul_log::open(config, Schema::Submissions, keys, Arc::new(System)).unwrap();
        let keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { dir, appender, reader, keys, sequence: 1, runtime }
    }

    /// Executes an erasure of these streams.
    pub fn erase(&mut self, streams: &[&str]) -> Position {
        let executed = ErasureExecuted {
            request: "0".repeat(32),
            request_digest: "0".repeat(64),
            streams: streams.iter().map(ToString::to_string).collect(),
        };
        let input = Input {
            agency: "kp2mi",
            stream: erasure::REGISTER.into(),
            event_type: erasure::EXECUTED,
            payload: executed.encode_to_vec(),
        };
        self.append_erasing(&[input], &Executed::decode(&executed.encode_to_vec()).unwrap().streams)
    }

    /// One submission of these events; all of the first one's agency. Gives the position of the first.
    pub fn append(&mut self, inputs: &[Input]) -> Position {
        self.append_erasing(inputs, &[])
    }

    fn append_erasing(&mut self, inputs: &[Input], erased: &[StreamName]) -> Position {
        let mut records = Vec::new();
        for input in inputs {
            let (salt, payload) = (Bytes::from(vec![1; 32]), Bytes::from(input.payload.clone()));
            let header = Header {
                event_id: event_id(),
                event_type: input.event_type.parse().unwrap(),
                stream: input.stream.parse().unwrap(),
                expected: ExpectedVersion::Any,
                occurred_at: Timestamp::from_us(1_000_000 * self.sequence as i64),
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
        let sender = Sender { agency: inputs[0].agency.parse().unwrap(), connector: "test".parse().unwrap() };
        let statement = Statement {
            submission_id: System.submission_id(),
            sender: sender.clone(),
            first_sequence: self.sequence,
            event_count: inputs.len() as u32,
            events_root: simpul_tlog::tree_hash(records.iter().map(|record| record.header.as_ref())),
            created_at: Timestamp::from_us(1),
        };
        self.sequence += inputs.len() as u64;
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
        let draft = Draft { submission_id, chain: None, records, leaf: Box::new(leaf) };
        let ticket = self.appender.enqueue_erasing(draft, erased).unwrap();
        self.runtime.block_on(ticket).unwrap().first_position
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Read models that have caught up with the log.
    pub fn start(&self, batch_events_max: usize) -> (ReadModels, Handle) {
        self.start_in(&self.state_dir(), batch_events_max)
    }

    pub fn start_in(&self, dir: &Path, batch_events_max: usize) -> (ReadModels, Handle) {
        let config = Config { cache_bytes: 8 << 20, batch_events_max, ..Config::new(dir) };
        let (models, handle) =
            simpul_projection::start(config, self.reader.clone(), self.keys.clone()).unwrap();
        self.caught_up(&models);
        (models, handle)
    }

    pub fn caught_up(&self, models: &ReadModels) {
        let end = self.reader.head().end;
        let reached = self.runtime.block_on(models.wait_for(end, Duration::from_secs(60)));
        assert!(reached, "read models at {} of {end}: {:?}", models.position(), models.health());
    }

    pub fn stop(&self, handle: Handle) {
        self.runtime.block_on(handle.stop());
    }

    /// From zero, for comparison.
    pub fn rebuilt(&self, live: &StateDigest) -> StateDigest {
        let rebuild = Rebuild::of(live, self.dir.path().join("rebuild"));
        rebuild_digest(&self.reader, &self.keys, &rebuild, &mut |_, _| {}).unwrap().digest
    }
}

fn event_id() -> EventId {
    System.event_id()
}

pub fn claim(name: &str, nik: &str, passport: &str, card: &str) -> PersonClaim {
    PersonClaim {
        name: name.into(),
        nik: nik.into(),
        passport: passport.into(),
        card: card.into(),
        ..PersonClaim::default()
    }
}

/// A valid NIK of an invented woman, told apart by its serial.
pub fn nik(serial: u32) -> String {
    format!("320101520695{serial:04}")
}

pub fn placement(stream: &str, person: PersonClaim) -> Input {
    placement_with(stream, person, |_| {})
}

pub fn placement_with(
    stream: &str,
    person: PersonClaim,
    change: impl FnOnce(&mut PlacementRecorded),
) -> Input {
    let mut message = PlacementRecorded {
        placement_no: format!("PN-{stream}"),
        person: Some(person),
        scheme: Scheme::PToP as i32,
        destination: "HKG".into(),
        occupation: "DOMESTIC_WORKER".into(),
        departure_date: "2026-02-01".into(),
        status: PlacementStatus::Departed as i32,
        ..PlacementRecorded::default()
    };
    change(&mut message);
    Input {
        agency: "kp2mi",
        stream: format!("sisko-placement/{stream}"),
        event_type: "simpul.registry.v1.PlacementRecorded",
        payload: message.encode_to_vec(),
    }
}

pub fn evidence(kind: EvidenceKind, number: &str) -> Evidence {
    Evidence {
        kind: kind as i32,
        number: number.into(),
        result: EvidenceResult::Valid as i32,
        ..Evidence::default()
    }
}

pub fn licence(stream: &str, number: &str, valid_until: &str) -> Input {
    let message = LicenceRecorded {
        licence_no: number.into(),
        kind: LicenceKind::Sip3mi as i32,
        holder: "PT CONTOH KARYA".into(),
        valid_from: "2024-01-01".into(),
        valid_until: valid_until.into(),
        ..LicenceRecorded::default()
    };
    Input {
        agency: "kp2mi",
        stream: format!("sisko-licence/{stream}"),
        event_type: "simpul.registry.v1.LicenceRecorded",
        payload: message.encode_to_vec(),
    }
}

pub fn intake(stream: &str, case_ref: &str, person: PersonClaim) -> Input {
    let message = IntakeRecorded {
        intake_no: format!("IN-{stream}"),
        mission: "KBRI YANGON".into(),
        case_ref: case_ref.into(),
        person: Some(person),
        stay_category: StayCategory::Tourist as i32,
        contact_date: "2026-03-04".into(),
        location_country: "MMR".into(),
        narrative: "canary-narrative".into(),
        urgent_needs: vec!["MEDICAL".into()],
        shelter_address: "canary-shelter".into(),
        recruiter_contact: "canary-recruiter".into(),
    };
    Input {
        agency: "kbri-yangon",
        stream: format!("mission-intake/{stream}"),
        event_type: "simpul.embassy.v1.IntakeRecorded",
        payload: message.encode_to_vec(),
    }
}

pub fn screening(stream: &str, case_ref: &str) -> Input {
    let message = ScreeningSubmitted {
        screening_no: format!("SC-{stream}"),
        case_ref: case_ref.into(),
        form_version: "gugus-tugas-2024/1".into(),
        officer: "officer-7".into(),
        indicators: vec!["DEBT".into()],
        result_international: ScreeningResult::Identified as i32,
        result_domestic: ScreeningResult::Indication as i32,
        narrative: "canary-interview".into(),
        ..ScreeningSubmitted::default()
    };
    Input {
        agency: "kbri-yangon",
        stream: format!("mission-screening/{stream}"),
        event_type: "simpul.embassy.v1.ScreeningSubmitted",
        payload: message.encode_to_vec(),
    }
}

pub fn report(stream: &str, lp: &str, related: &str, persons: Vec<(CaseRole, PersonClaim)>) -> Input {
    let persons = persons.into_iter().map(|(role, person)| CasePerson {
        roles: vec![role as i32],
        person: Some(person),
        ..CasePerson::default()
    });
    let message = CaseUpdated {
        lp_number: lp.into(),
        report_type: ReportType::PublicReport as i32,
        stage: JusticeStage::Investigation as i32,
        stage_date: "2026-03-10".into(),
        unit: "POLDA KEPRI/DITRESKRIMUM".into(),
        articles: vec!["KUHP 455".into()],
        persons: persons.collect(),
        related_case_ref: related.into(),
    };
    Input {
        agency: "polri",
        stream: format!("polri-lp/{stream}"),
        event_type: "simpul.police.v1.CaseUpdated",
        payload: message.encode_to_vec(),
    }
}

/// A payload that is no message of its type.
pub fn broken(stream: &str) -> Input {
    Input {
        agency: "kp2mi",
        stream: format!("sisko-placement/{stream}"),
        event_type: "simpul.registry.v1.PlacementRecorded",
        payload: vec![0xff; 9],
    }
}

pub fn declared(event_type: &'static str, message: &impl Message) -> Input {
    Input {
        agency: "directory",
        stream: "directory/main".into(),
        event_type,
        payload: message.encode_to_vec(),
    }
}

/// A word of an official about two persons: `PersonsLinked` and its like.
pub fn who_is_who(event_type: &'static str, message: &impl Message) -> Input {
    Input {
        agency: "kbri-yangon",
        stream: "mission-identity/pair".into(),
        event_type,
        payload: message.encode_to_vec(),
    }
}
