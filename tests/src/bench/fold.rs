//! Folding a log of mixed events into the read models from zero, and reading from them.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;
use simpul_log::{Appender, Draft, Keys, Reader, RecordDraft, Schema};
use simpul_projection::{Config, IdentifierKind, Rebuild, StateKeys, rebuild_digest, start};
use simpul_proto::{embassy, police, registry, v1};
use simpul_signing::{MasterKey, SigningKey, commitment, sha256};
use simpul_tlog::note::NoteSigner;
use simpul_types::{
    ExpectedVersion, Header, IdSource, KeyId, Leaf, Position, Sender, Statement, Timestamp, clock::System,
};

use super::{
    measure::{Row, row},
    space,
};
use crate::drafts;

const ORIGIN: &str = "simpul.example/bench-fold";
/// Events of one submission.
const LEAF_EVENTS: u64 = 200;
/// Submissions that wait for their flush at once.
const IN_FLIGHT: usize = 32;
/// Look-ups measured.
const LOOK_UPS: u64 = 20_000;

/// Writes a log of `events` mixed events, folds it, reads from the result, opens it again, and (where asked) folds it
/// once more to compare the digests.
///
/// # Panics
/// Where the log or the state fails.
pub async fn run(out: &Path, events: u64, compare: bool) -> Vec<Row> {
    let dir = tempfile::tempdir_in(out).expect("a folder");
    let master = MasterKey::generate();
    let mut config = simpul_log::Config::new(dir.path().join("log"), ORIGIN);
    config.key_pool = 8_192;
    let keys = Keys { signer: NoteSigner::new(ORIGIN, &[7; 32]).expect("a name"), wrap: master.wrap_key() };
    let (mut appender, reader) =
        simpul_log::open(config, Schema::Submissions, keys, Arc::new(System)).expect("opens");
    let people = write(&mut appender, events).await;
    let keys = StateKeys { index: master.index_key(), sealer: master.state_key("read-models") };
    let mut rows = Vec::new();

    let state = dir.path().join("state");
    let before = resident_mib();
    let begun = Instant::now();
    let (models, handle) = start(Config::new(&state), reader.clone(), keys.clone()).expect("starts");
    assert!(models.wait_for(reader.head().end, Duration::from_secs(3_600)).await, "{:?}", models.health());
    let took = begun.elapsed();
    assert_eq!(models.health().gaps, 0);
    let resident = resident_mib();
    handle.stop().await;
    let mut folded = one(&format!("fold {events} mixed events"), events, took);
    let bytes = space::bytes(&state, &|_| true);
    folded.note = format!(
        "state {} MB per million events, resident {before} MiB before and {resident} after",
        bytes / events
    );
    rows.push(folded);

    rows.push(look_ups("person by NIK, known", |n| {
        let person = models.person_by(IdentifierKind::Nik, &drafts::nik(spread(n) % people)).expect("reads");
        assert!(person.is_some());
    }));
    rows.push(look_ups("person by NIK, unknown", |n| {
        models.person_by(IdentifierKind::Nik, &drafts::nik(people + spread(n) % 100_000)).expect("reads");
    }));
    rows.push(look_ups("facts of a person", |n| {
        let person = models.person_by(IdentifierKind::Nik, &drafts::nik(spread(n) % people)).expect("reads");
        assert!(models.facts(&person.expect("known")).expect("reads").found);
    }));
    drop(models);

    let begun = Instant::now();
    let (models, handle) = start(Config::new(&state), reader.clone(), keys.clone()).expect("starts");
    assert!(models.wait_for(reader.head().end, Duration::from_secs(60)).await);
    rows.push(one("read models opened again", 1, begun.elapsed()));
    if compare {
        rows.push(rebuilt(&models.digest().expect("digest"), &reader, &keys, dir.path()));
    }
    handle.stop().await;
    rows
}

fn rebuilt(live: &simpul_projection::StateDigest, reader: &Reader, keys: &StateKeys, dir: &Path) -> Row {
    let begun = Instant::now();
    let rebuild = Rebuild::of(live, dir.join("rebuild"));
    let again = rebuild_digest(reader, keys, &rebuild, &mut |_, _| {}).expect("rebuilds");
    assert_eq!(again.digest, *live, "PRJ-2: a rebuild gives the same state");
    one("rebuild and digest", live.position.get(), begun.elapsed())
}

fn look_ups(workload: &str, mut look_up: impl FnMut(u64)) -> Row {
    let (mut calls, begun) = (Vec::new(), Instant::now());
    for n in 0..LOOK_UPS {
        let before = Instant::now();
        look_up(n);
        calls.push(before.elapsed());
    }
    row(workload, "Simpul", false, 1, calls, begun.elapsed())
}

fn one(workload: &str, events: u64, took: Duration) -> Row {
    let mut row = row(workload, "Simpul", false, events as usize, vec![took], took);
    (row.p50_us, row.p99_us) = (0.0, 0.0);
    row.note = format!("{:.2} s", took.as_secs_f64());
    row
}

/// A number that follows no order.
fn spread(n: u64) -> u64 {
    let digest = sha256(&[&n.to_be_bytes()]);
    u64::from_be_bytes(digest[..8].try_into().expect("eight bytes")) >> 1
}

fn resident_mib() -> u64 {
    space::resident_mib(std::process::id())
}

/// Appends the events; the number of persons with a NIK.
async fn write(appender: &mut Appender, events: u64) -> u64 {
    let key_id = SigningKey::from_seed(&[3; 32]).expect("a seed").key_id();
    let mut waiting = std::collections::VecDeque::new();
    let (mut number, mut people) = (0, 0);
    while number < events {
        let many = LEAF_EVENTS.min(events - number);
        let records: Vec<_> = (number..number + many).map(|n| record(n, &mut people)).collect();
        let sequence = number + 1;
        number += many;
        waiting.push_back(appender.enqueue(draft(records, sequence, key_id.clone())).expect("room"));
        if waiting.len() >= IN_FLIGHT {
            waiting.pop_front().expect("some").await.expect("appended");
        }
    }
    for ticket in waiting {
        ticket.await.expect("appended");
    }
    people
}

fn draft(records: Vec<RecordDraft>, sequence: u64, key_id: KeyId) -> Draft {
    let sender =
        Sender { agency: "kp2mi".parse().expect("valid"), connector: "bench".parse().expect("valid") };
    let statement = Statement {
        submission_id: System.submission_id(),
        sender,
        first_sequence: sequence,
        event_count: records.len() as u32,
        events_root: simpul_tlog::tree_hash(records.iter().map(|record| record.header.as_ref())),
        created_at: Timestamp::from_us(1),
    };
    let submission_id = Some(statement.submission_id);
    let leaf = move |at: &simpul_log::Assigned| {
        Leaf {
            statement_bytes: statement.to_wire().encode_to_vec().into(),
            statement,
            signature: Bytes::from(vec![1; 64]),
            key_id,
            first_position: at.first_position,
            admitted_at: at.admitted_at,
            directory_position: Position::ZERO,
            sealed_root: at.sealed_root,
        }
        .encode()
    };
    Draft { submission_id, chain: None, records, leaf: Box::new(leaf) }
}

/// Of a hundred events: 70 new placements, 15 later snapshots of one, 5 intakes, 4 screenings, 4 police reports, 2 licences.
fn record(n: u64, people: &mut u64) -> RecordDraft {
    let known = spread(n) % (*people).max(1);
    let case_ref = format!("CASE-{}", known / 4);
    match n % 100 {
        0..70 => {
            *people += 1;
            let person = *people - 1;
            let placement = drafts::evidenced_placement(person);
            event(
                "registry.v1.PlacementRecorded",
                format!("sisko-placement/t{person}"),
                placement.encode_to_vec(),
            )
        }
        70..85 => {
            let mut placement = drafts::evidenced_placement(known);
            placement.status = registry::PlacementStatus::Returned.into();
            event(
                "registry.v1.PlacementRecorded",
                format!("sisko-placement/t{known}"),
                placement.encode_to_vec(),
            )
        }
        85..90 => {
            let intake = embassy::IntakeRecorded {
                intake_no: format!("IN-{n}"),
                case_ref,
                person: Some(v1::PersonClaim { nik: drafts::nik(known), ..Default::default() }),
                contact_date: "2026-03-04".into(),
                location_country: "MMR".into(),
                ..Default::default()
            };
            event("embassy.v1.IntakeRecorded", format!("mission-intake/t{n}"), intake.encode_to_vec())
        }
        90..94 => {
            let screening = embassy::ScreeningSubmitted {
                screening_no: format!("SC-{n}"),
                case_ref,
                person: Some(v1::PersonClaim { nik: drafts::nik(known), ..Default::default() }),
                indicators: vec!["DEBT".into(), "PASSPORT_HELD".into()],
                ..Default::default()
            };
            event(
                "embassy.v1.ScreeningSubmitted",
                format!("mission-screening/t{n}"),
                screening.encode_to_vec(),
            )
        }
        94..98 => {
            let person = |nik| police::CasePerson {
                person: Some(v1::PersonClaim { nik, ..Default::default() }),
                ..Default::default()
            };
            let report = police::CaseUpdated {
                lp_number: format!("LP/B/{n}/II/2026/SPKT"),
                persons: vec![person(drafts::nik(known)), person(String::new())],
                related_case_ref: if n.is_multiple_of(2) { case_ref } else { String::new() },
                ..Default::default()
            };
            event("police.v1.CaseUpdated", format!("polri-lp/t{n}"), report.encode_to_vec())
        }
        _ => {
            let number = spread(n) % 2_000;
            let licence = registry::LicenceRecorded {
                licence_no: format!("SIP3MI-{number}"),
                holder: format!("PT Contoh {number}"),
                valid_until: "2030-01-01".into(),
                ..Default::default()
            };
            event("registry.v1.LicenceRecorded", format!("sisko-licence/t{number}"), licence.encode_to_vec())
        }
    }
}

fn event(r#type: &str, stream: String, payload: Vec<u8>) -> RecordDraft {
    let (salt, payload) = (Bytes::from(vec![1; 32]), Bytes::from(payload));
    let header = Header {
        event_id: System.event_id(),
        event_type: format!("simpul.{type}").parse().expect("a valid type"),
        stream: stream.parse().expect("a valid stream"),
        expected: ExpectedVersion::Any,
        occurred_at: Timestamp::from_us(1_700_000_000_000_000),
        purpose: "PLACEMENT".parse().expect("a valid purpose"),
        legal_basis: "UU 18/2017".into(),
        data_category: "general".into(),
        payload_commitment: commitment(&salt, &payload),
        correlation_id: None,
        causation_id: None,
        traceparent: String::new(),
    };
    RecordDraft {
        event_id: Some(header.event_id),
        stream: header.stream.clone(),
        header: header.to_wire().encode_to_vec().into(),
        salt,
        payload,
    }
}
