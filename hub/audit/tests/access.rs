//! The access log on a real disk.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use simpul_audit::{AccessDraft, AccessError, AccessLog, EntryFilter, entries};
use simpul_log::{AppendError, Config, Keys};
use simpul_types::{LeafIndex, Position};

const ORIGIN: &str = "simpul.example/test/access";

fn open(dir: &Path) -> AccessLog {
    let keys = Keys { signer: support::signer(ORIGIN), wrap: support::master().wrap_key() };
    AccessLog::open(
        Config { key_pool: 16, ..Config::new(dir, ORIGIN) },
        keys,
        support::master().index_key(),
        support::clock(),
    )
    .unwrap()
}

fn draft(agency: &str) -> AccessDraft {
    AccessDraft {
        caller: Some(support::caller(agency)),
        official: "officer-17".into(),
        action: "legality.check",
        purpose: "VERIFY_LEGALITY".into(),
        disclosed: vec!["placement".into()],
        answer: "PROCEDURAL".into(),
        position: Position::new(9),
        directory_position: Position::new(3),
        policies: vec!["mission-checks-legality".into()],
        checkpoint: Some("a checkpoint\n".into()),
        parameters: Bytes::from_static(b"nik 3174015203900001"),
        ..AccessDraft::default()
    }
}

#[tokio::test]
async fn qry_1_an_entry_is_durable_when_record_returns() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.record(draft("kbri-yangon")).await.unwrap(), 0);
    assert_eq!(log.record(AccessDraft { caller: None, ..draft("polri") }).await.unwrap(), 1);
    assert_eq!(log.record(draft("polri")).await.unwrap(), 2);
    log.close();
    drop(log);

    let log = open(dir.path());
    let all: Vec<_> =
        entries(log.reader(), 0, u64::MAX, EntryFilter::default()).map(Result::unwrap).collect();
    assert_eq!(all.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    let entry = &all[0].1;
    assert_eq!((entry.agency.as_str(), entry.client.as_str()), ("kbri-yangon", "desk"));
    assert_eq!((entry.action.as_str(), entry.answer.as_str()), ("legality.check", "PROCEDURAL"));
    assert_eq!((entry.position, entry.directory_position), (9, 3));
    assert_eq!(entry.checkpoint_digest[..], simpul_signing::sha256(&[b"a checkpoint\n"]));
    assert_eq!(all[1].1.agency, "");

    let polri = EntryFilter { agency: Some("polri".parse().unwrap()), ..EntryFilter::default() };
    let found: Vec<_> = entries(log.reader(), 0, 3, polri).map(|entry| entry.unwrap().0).collect();
    assert_eq!(found, [2]);
    assert_eq!(entries(log.reader(), 1, 2, EntryFilter::default()).count(), 1);

    let leaf = log.reader().leaf(LeafIndex::new(0)).unwrap();
    let opened = log.reader().open_payload(&leaf.events[0]).unwrap();
    assert_eq!(&opened.payload[..], b"nik 3174015203900001");
}

#[tokio::test]
async fn entries_of_many_callers_at_once_are_all_there_and_numbered_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(open(dir.path()));
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.record(draft("polri")).await.unwrap() })
        })
        .collect();
    let mut indexes = Vec::new();
    for caller in callers {
        indexes.push(caller.await.unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>());
    assert_eq!(entries(log.reader(), 0, u64::MAX, EntryFilter::default()).count(), 200);
}

#[tokio::test]
async fn pii_1_no_identifier_stands_in_clear_in_any_file() {
    let nik = "3174015203900001";
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let careless = AccessDraft {
        official: format!("officer {nik}"),
        case_ref: nik.into(),
        parameters: nik.into(),
        ..draft("polri")
    };
    log.record(careless).await.unwrap();
    let (_, entry) = entries(log.reader(), 0, 1, EntryFilter::default()).next().unwrap().unwrap();
    assert_eq!((entry.official.as_str(), entry.case_ref.as_str()), ("(withheld)", "(withheld)"));
    log.close();
    drop(log);
    let mut files = vec![dir.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(16).any(|window| window == nik.as_bytes()), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn qry_1_what_cannot_be_recorded_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let large = AccessDraft { parameters: vec![0; 300_000].into(), ..draft("polri") };
    assert_eq!(log.record(large).await, Err(AccessError::Oversized));
    let wordy = AccessDraft { policies: vec!["p".repeat(1_000); 20], ..draft("polri") };
    assert_eq!(log.record(wordy).await, Err(AccessError::Oversized));
    log.close();
    log.close();
    assert_eq!(log.record(draft("polri")).await, Err(AccessError::Append(AppendError::Closed)));
}
