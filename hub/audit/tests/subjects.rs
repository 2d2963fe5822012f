//! Everybody who looked at a person, and the proof that nobody is left out (QRY-2).

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use bytes::Bytes;
use prost::Message;
use simpul_audit::{
    AccessDraft, AccessLog, Chain, EVERYBODY, EntryFilter, SubjectId,
    breach::{BreachFilter, summarise},
    entries,
    subject_report::{self, LooksReport, Report, make_report, verify_report},
};
use simpul_log::{Config, Keys};
use simpul_proto::v1;
use simpul_signing::{SUBJECT_REPORT_TYPE, SigningKey};
use simpul_types::Timestamp;

const ORIGIN: &str = "simpul.example/test/access";
const ALMA: SubjectId = [1; 16];
const BUDI: SubjectId = [2; 16];

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

fn look(agency: &str, subjects: &[SubjectId]) -> AccessDraft {
    AccessDraft {
        caller: Some(support::caller(agency)),
        action: "picture.case",
        purpose: "ASSIST".into(),
        disclosed: vec!["identity".into()],
        answer: "DOCUMENT".into(),
        subjects: subjects.to_vec(),
        ..AccessDraft::default()
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).unwrap()
}

fn report(log: &AccessLog, since_us: i64, access_entry: u64) -> v1::SubjectReport {
    report_with(log, since_us, access_entry, Vec::new())
}

fn report_with(
    log: &AccessLog,
    since_us: i64,
    access_entry: u64,
    released: Vec<String>,
) -> v1::SubjectReport {
    let (key, subjects) = (key(), BTreeSet::from([ALMA, EVERYBODY]));
    let at = Timestamp::from_us(1);
    make_report(
        log,
        &Report { subjects, released, issued_to: "ombudsman".into(), at, since_us, access_entry, key: &key },
    )
    .unwrap()
}

fn checked(log: &AccessLog, report: &v1::SubjectReport) -> LooksReport {
    let file = subject_report::encode(report);
    verify_report(&file, &log.reader().verifier(), Some(&key().verifying_key())).unwrap()
}

fn shown(report: &LooksReport) -> Vec<u64> {
    report.looks.iter().map(|look| look.index).collect()
}

/// Looks at Alma: 0, 2, 4 and 5, the last by everybody's chain; 6 is the report's own.
async fn looked_at() -> (tempfile::TempDir, AccessLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for subjects in [&[ALMA][..], &[BUDI], &[ALMA, BUDI], &[], &[BUDI, ALMA, ALMA], &[EVERYBODY], &[ALMA]] {
        log.record(look("kbri-yangon", subjects)).await.unwrap();
    }
    (dir, log)
}

#[tokio::test]
async fn qry_2_entries_about_a_subject_are_numbered_without_a_gap_also_over_a_restart() {
    let (dir, log) = looked_at().await;
    log.close();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.chain(&ALMA), Some(Chain { count: 4, newest: 6 }));
    log.record(look("polri", &[BUDI])).await.unwrap();
    let links = |subject: SubjectId| {
        let all = entries(log.reader(), 0, u64::MAX, EntryFilter::default()).map(|entry| entry.unwrap().1);
        let links = all.flat_map(|entry| entry.links).filter(|link| link.subject[..] == subject);
        links.map(|link| (link.number, link.previous)).collect::<Vec<_>>()
    };
    assert_eq!(links(ALMA), [(1, None), (2, Some(0)), (3, Some(2)), (4, Some(4))]);
    assert_eq!(links(BUDI), [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(4))]);
    assert_eq!(links(EVERYBODY), [(1, None)]);
    // More persons than an entry holds: it concerns everybody.
    let many: Vec<SubjectId> = (0..1_001_u128).map(|n| (n + 10).to_be_bytes()).collect();
    log.record(look("polri", &many)).await.unwrap();
    assert_eq!(log.chain(&EVERYBODY), Some(Chain { count: 2, newest: 8 }));
}

#[tokio::test]
async fn qry_2_a_report_shows_everybody_who_looked() {
    let (_dir, log) = looked_at().await;
    let all = checked(&log, &report(&log, 0, 6));
    assert_eq!((all.ok, shown(&all)), (true, vec![0, 2, 4, 5, 6]), "{:?}", all.violations);
    assert_eq!(
        all.looks.iter().map(|look| look.everybody).collect::<Vec<_>>(),
        [false, false, false, true, false]
    );
    assert_eq!((all.issued_to.as_str(), all.size), ("ombudsman", 7));
    // From a time on: nothing older, and nothing younger left out.
    let at_us = entries(log.reader(), 4, 5, EntryFilter::default()).next().unwrap().unwrap().1.at_us;
    let late = checked(&log, &report(&log, at_us, 6));
    assert_eq!((late.ok, shown(&late)), (true, vec![4, 5, 6]), "{:?}", late.violations);
}

#[tokio::test]
async fn qry_2_what_is_left_out_made_up_or_changed_is_named() {
    let (_dir, log) = looked_at().await;
    let honest = report(&log, 0, 6);
    let at = |index: u64| honest.accesses.iter().position(|access| access.index == index).unwrap();
    let (first, middle, everybody) = (at(0), at(2), at(5));
    let without = |place: usize| {
        let mut report = honest.clone();
        report.accesses.remove(place);
        checked(&log, &report).violations.join("; ")
    };
    assert!(without(middle).contains("entry 2, number 2, is missing"), "{}", without(middle));
    assert!(without(first).contains("entry 0, number 1, is missing"));
    assert!(without(everybody).contains("entry 5, number 1, is missing"));

    let mut changed = honest.clone();
    let mut entry = v1::AccessEntry::decode(changed.accesses[middle].leaf.clone()).unwrap();
    entry.official = "nobody".into();
    changed.accesses[middle].leaf = entry.encode_to_vec().into();
    assert!(checked(&log, &changed).violations[0].starts_with("entry 2: is not in the log"));

    // An entry about somebody else has no place in it.
    let mut foreign = honest.clone();
    let leaf = log.reader().leaf(simpul_types::LeafIndex::new(1)).unwrap().bytes;
    let proof =
        log.reader().inclusion_proof(simpul_types::LeafIndex::new(1), log.reader().head().size).unwrap();
    let inclusion_proof = proof.iter().map(|hash| Bytes::copy_from_slice(hash)).collect();
    foreign.accesses.push(v1::ReportedAccess { index: 1, leaf, inclusion_proof });
    assert_eq!(checked(&log, &foreign).violations, ["entry 1: stands in none of the chains"]);

    // The newest withheld: only by signing something else than what the log holds.
    let mut statement = v1::SubjectStatement::decode(honest.statement.clone()).unwrap();
    for chain in &mut statement.chains {
        if chain.subject[..] == ALMA {
            (chain.count, chain.newest) = (3, Some(4));
        }
    }
    let mut short = honest.clone();
    short.statement = statement.encode_to_vec().into();
    let violations = checked(&log, &short).violations;
    assert!(violations[0].starts_with("statement: not signed by key"), "{violations:?}");
    short.signature = key().sign_dsse(SUBJECT_REPORT_TYPE, &short.statement).to_vec().into();
    assert_eq!(checked(&log, &short).violations, ["entry 6: stands in none of the chains"]);

    // Bytes of the file.
    let verifier = log.reader().verifier();
    let mut file = subject_report::encode(&honest).to_vec();
    file[100] ^= 1;
    let broken = verify_report(&file.into(), &verifier, None).unwrap_err();
    assert_eq!(broken, "does not have the digest that it ends with");
    assert!(verify_report(&Bytes::from_static(b"simpul-subject-report@v1\n"), &verifier, None).is_err());
    // With another log's key nothing holds.
    let other = support::signer("simpul.example/other").verifier();
    let report = verify_report(&subject_report::encode(&honest), &other, None).unwrap();
    assert!(!report.ok && report.violations[0].starts_with("checkpoint: "), "{:?}", report.violations);
}

#[tokio::test]
async fn chains_come_back_from_their_snapshot_and_a_foreign_or_broken_one_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(open(dir.path()));
    // More than the least that leaves a snapshot, many at once.
    for _ in 0..17 {
        let looks: Vec<_> = (0..1_000_u128)
            .map(|number| {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    log.record(look("polri", &[ALMA, number.to_be_bytes()])).await.unwrap()
                })
            })
            .collect();
        for look in looks {
            look.await.unwrap();
        }
    }
    let chains = |log: &AccessLog| {
        [ALMA, 7_u128.to_be_bytes(), 999_u128.to_be_bytes()].map(|subject| log.chain(&subject))
    };
    let want = chains(&log);
    assert_eq!(want[0], Some(Chain { count: 17_000, newest: 16_999 }));
    log.close();
    drop(log);
    let snapshot = dir.path().join("subjects");
    let kept = fs::read(&snapshot).expect("a snapshot");
    assert_eq!(chains(&open(dir.path())), want);
    // What believes it reads no entry: a snapshot that lies, with a digest that fits, shows.
    let mut lying = kept.clone();
    let place = kept.windows(16).position(|window| window == ALMA).unwrap() + 16;
    lying[place..place + 8].copy_from_slice(&5_u64.to_le_bytes());
    let end = lying.len() - 32;
    let digest = simpul_signing::sha256(&[&lying[..end]]);
    lying[end..].copy_from_slice(&digest);
    fs::write(&snapshot, &lying).unwrap();
    assert_eq!(chains(&open(dir.path()))[0].unwrap().count, 5);
    // One of another log, whose root is not this one's, or with a byte changed: read anew.
    let mut foreign = kept.clone();
    foreign[26 + 8] ^= 1;
    let digest = simpul_signing::sha256(&[&foreign[..end]]);
    foreign[end..].copy_from_slice(&digest);
    fs::write(&snapshot, &foreign).unwrap();
    assert_eq!(chains(&open(dir.path())), want);
    let mut broken = kept;
    broken[place] ^= 1;
    fs::write(&snapshot, &broken).unwrap();
    assert_eq!(chains(&open(dir.path())), want);
}

#[tokio::test]
async fn a_breach_report_sums_up_who_received_what_in_a_time() {
    let (_dir, log) = looked_at().await;
    let nothing = AccessDraft { disclosed: Vec::new(), answer: "DENIED".into(), ..look("polri", &[]) };
    log.record(nothing).await.unwrap();
    let nobody = AccessDraft { answer: "NO_RECORD".into(), ..look("polri", &[[5; 16]]) };
    log.record(nobody).await.unwrap();
    log.record(AccessDraft { official: "penyidik-7".into(), ..look("polri", &[BUDI]) }).await.unwrap();
    let times: Vec<i64> = entries(log.reader(), 0, u64::MAX, EntryFilter::default())
        .map(|entry| entry.unwrap().1.at_us)
        .collect();
    let all = BreachFilter {
        since: Timestamp::from_us(0),
        until: Timestamp::from_us(i64::MAX),
        agency: None,
        certificate: None,
        official: None,
    };
    let told = |filter: &BreachFilter| {
        let summary = summarise(log.reader(), filter).unwrap();
        let line = |(to, what): &(_, simpul_audit::breach::What)| {
            let to: &simpul_audit::breach::To = to;
            (to.agency.clone(), to.official.clone(), what.answers, what.persons.len(), what.everybody)
        };
        (summary.persons, summary.received.iter().map(line).collect::<Vec<_>>())
    };
    let mission =
        |answers, persons, everybody| ("kbri-yangon".to_owned(), String::new(), answers, persons, everybody);
    let police = ("polri".to_owned(), "penyidik-7".to_owned(), 1, 1, false);
    assert_eq!(told(&all), (2, vec![mission(7, 2, true), police.clone()]));
    // The end is not in it.
    let (since, until) = (Timestamp::from_us(times[2]), Timestamp::from_us(times[4]));
    assert_eq!(told(&BreachFilter { since, until, ..all.clone() }), (2, vec![mission(2, 2, false)]));
    let one = BreachFilter { official: Some("penyidik-7".into()), ..all.clone() };
    assert_eq!(told(&one), (1, vec![police.clone()]));
    let agency = BreachFilter { agency: Some("polri".parse().unwrap()), ..all.clone() };
    assert_eq!(told(&agency), (1, vec![police]));
    let certificate = BreachFilter { certificate: Some("cd".repeat(32)), ..all };
    assert_eq!(told(&certificate), (0, Vec::new()));
}

#[tokio::test]
async fn qry_2_a_look_under_embargo_leaves_no_trace_in_her_report_until_it_is_over() {
    let (dir, log) = looked_at().await;
    let hidden = |embargo: &str| AccessDraft {
        embargo: Some(v1::AccessEmbargo { embargo: embargo.into(), article: "KUHAP 17".into(), until_us: 9 }),
        case_ref: "TPPO-7".into(),
        ..look("polri", &[ALMA])
    };
    for embargo in ["e-1", "e-2", "e-1"] {
        log.record(hidden(embargo)).await.unwrap();
    }
    let own = log.record(look("ombudsman", &[ALMA])).await.unwrap();
    // Her numbers go on as if nothing had been: 7, 8 and 9 are not hers.
    let now = checked(&log, &report(&log, 0, own));
    assert_eq!((now.ok, shown(&now)), (true, vec![0, 2, 4, 5, 6, 10]), "{:?}", now.violations);
    let all: Vec<_> =
        entries(log.reader(), 7, 10, EntryFilter::default()).map(|entry| entry.unwrap().1).collect();
    assert!(all.iter().all(|entry| entry.links.len() == 1 && entry.links[0].subject[..] != ALMA));
    assert_ne!(all[0].links[0].subject, all[1].links[0].subject, "each embargo has ids of its own");
    assert_eq!(all.iter().map(|entry| entry.links[0].number).collect::<Vec<_>>(), [1, 1, 2]);

    // What is over is shown whole; the other one stays hidden, and one that had nothing to do with her is not named.
    let made = report_with(&log, 0, own, vec!["e-1".into(), "e-3".into()]);
    let after = checked(&log, &made);
    assert_eq!((after.ok, shown(&after)), (true, vec![0, 2, 4, 5, 6, 7, 9, 10]), "{:?}", after.violations);
    let articles: Vec<_> =
        after.looks.iter().filter(|look| !look.embargo.is_empty()).map(|look| look.index).collect();
    assert_eq!(articles, [7, 9]);
    let statement = v1::SubjectStatement::decode(made.statement.clone()).unwrap();
    let released: Vec<_> = statement.chains.iter().map(|chain| chain.released.as_str()).collect();
    assert_eq!(released, ["", "", "e-1"]);
    // Over a restart too.
    log.close();
    drop(log);
    let log = open(dir.path());
    assert_eq!(shown(&checked(&log, &report_with(&log, 0, own, vec!["e-2".into()]))), [0, 2, 4, 5, 6, 8, 10]);
}

/// By hand: `cargo test --release -p simpul-audit --test subjects -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: a million entries"]
async fn reports_over_a_million_entries() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Arc::new(open(dir.path()));
    for round in 0..1_000_u128 {
        let looks: Vec<_> = (0..1_000_u128)
            .map(|number| {
                let log = Arc::clone(&log);
                let person = (1 + (round * 1_000 + number) % 200_000).to_be_bytes();
                tokio::spawn(async move { log.record(look("polri", &[person])).await.unwrap() })
            })
            .collect();
        for look in looks {
            look.await.unwrap();
        }
    }
    for _ in 0..1_000 {
        log.record(look("polri", &[ALMA])).await.unwrap();
    }
    let own = log.record(look("ombudsman", &[ALMA])).await.unwrap();
    let start = std::time::Instant::now();
    let all = BreachFilter {
        since: Timestamp::from_us(0),
        until: Timestamp::from_us(i64::MAX),
        agency: None,
        certificate: None,
        official: None,
    };
    let summary = summarise(log.reader(), &all).unwrap();
    println!(
        "breach report over {} entries, {} persons: {:?}",
        summary.entries,
        summary.persons,
        start.elapsed()
    );
    let start = std::time::Instant::now();
    let made = report(&log, 0, own);
    println!("subject report of {} entries: {:?}", made.accesses.len(), start.elapsed());
    let start = std::time::Instant::now();
    assert!(checked(&log, &made).ok);
    println!("its check: {:?}", start.elapsed());
    log.close();
    drop(log);
    let start = std::time::Instant::now();
    let log = open(dir.path());
    println!("start with a snapshot: {:?}", start.elapsed());
    drop(log);
    fs::remove_file(dir.path().join("subjects")).unwrap();
    let start = std::time::Instant::now();
    open(dir.path());
    println!("start without one: {:?}", start.elapsed());
}
