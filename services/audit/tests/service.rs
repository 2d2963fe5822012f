//! The service over real logs, called as the router would call it.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../../hub/audit/tests/support/mod.rs"]
mod support;

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use prost::Message;
use simpul_audit::{
    EntryFilter, ReplayCounter, SubjectId, TrustedKeys,
    bundle::{BundleReport, verify_bundle},
    entries,
    subject_report::verify_report,
};
use simpul_audit_service::{
    Answers, AuditEdge, CaseEvents, PublishedTo, Records, RecordsError, SubjectError,
};
use simpul_policy::{Directory, FIRST_MATRIX, Word};
use simpul_proto::{
    directory,
    v1::{
        self, audit_service_server::AuditService, check_request, get_bundle_request::Subject,
        get_subject_report_request,
    },
};
use simpul_signing::SigningKey;
use simpul_tlog::{policy::Policy, proof};
use simpul_types::{Digest, Header, IdSource, Position, Timestamp, clock::System};
use support::{Fact, Folder};
use tempfile::TempDir;
use tonic::{Code, Request, Status};

/// Opens licences to oversight, which the first matrix does not.
const OPEN_LICENCES: &str = r#"
@id("test-opens-licences")
permit (principal, action == Action::"open_payload", resource == Resource::"simpul.registry.v1.LicenceRecorded")
when { principal.kind == "oversight" && context.purpose == "OVERSIGHT" };
"#;

struct Hub {
    folder: Folder,
    edge: AuditEdge,
    _dir: TempDir,
}

impl Hub {
    /// Three submissions of `kp2mi/desk`: positions 1–2, 3–4 and 5.
    async fn new(policies: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path()).await;
        for _ in 0..2 {
            folder.desk(vec![Fact::licence("sisko-licence/a"), Fact::licence("sisko-licence/b")]).await;
        }
        folder.desk(vec![Fact::licence("sisko-licence/a")]).await;
        let directory = Arc::new(ArcSwap::from_pointee(directory(policies)));
        let edge =
            AuditEdge::new(folder.reader.clone(), Arc::clone(&folder.access), directory, Arc::new(System));
        Self { folder, edge, _dir: dir }
    }

    /// Agency, action and answer of every access entry.
    fn entries(&self) -> Vec<(String, String, String)> {
        entries(self.folder.access.reader(), 0, u64::MAX, EntryFilter::default())
            .map(|entry| entry.unwrap().1)
            .map(|entry| (entry.agency, entry.action, entry.answer))
            .collect()
    }

    async fn replay(&self, request: v1::ReplayRequest) -> Vec<v1::ReplayLeaf> {
        collect(self.edge.replay(by("ombudsman", request)).await.unwrap().into_inner()).await
    }
}

/// Applies a directory event that the authority's first key signed.
fn apply(directory: &mut Directory, event_type: &str, payload: &[u8], position: Position) {
    let key_id = &"0011223344556677".parse().unwrap();
    directory.apply(&Word { event_type, payload, position, key_id }).unwrap();
}

fn directory(policies: &str) -> Directory {
    let authority = SigningKey::from_seed(&[1; 32]).unwrap().public_key();
    let mut directory = Directory::new(authority);
    for (code, kind) in [("ombudsman", "oversight"), ("polri", "police")] {
        let declared = directory::AgencyDeclared { code: code.into(), name: code.into(), kind: kind.into() };
        let position = directory.position();
        apply(&mut directory, "simpul.directory.v1.AgencyDeclared", &declared.encode_to_vec(), position);
    }
    let desk = SigningKey::from_seed(&[2; 32]).unwrap();
    for (event_type, payload) in [
        (
            "AgencyDeclared",
            directory::AgencyDeclared { code: "kp2mi".into(), name: "KP2MI".into(), kind: "registry".into() }
                .encode_to_vec(),
        ),
        (
            "ConnectorDeclared",
            directory::ConnectorDeclared { agency: "kp2mi".into(), connector: "desk".into() }.encode_to_vec(),
        ),
        ("KeyRegistered", support::register(&support::sender("kp2mi", "desk"), &desk).payload.to_vec()),
    ] {
        let event_type = format!("simpul.directory.v1.{event_type}");
        apply(&mut directory, &event_type, &payload, Position::ZERO);
    }
    let declared =
        directory::PolicyDeclared { cedar: format!("{FIRST_MATRIX}{policies}"), version: "test".into() };
    let payload = declared.encode_to_vec();
    apply(&mut directory, "simpul.directory.v1.PolicyDeclared", &payload, Position::new(2));
    directory
}

fn by<T>(agency: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(support::caller(agency));
    request
}

fn replay_of(from: u64, until: u64) -> v1::ReplayRequest {
    v1::ReplayRequest {
        from_position: from,
        until_position: until,
        stream: String::new(),
        purpose: "OVERSIGHT".into(),
        official: "auditor-3".into(),
    }
}

fn listing(agency: &str) -> v1::ListAccessRequest {
    v1::ListAccessRequest { purpose: "OVERSIGHT".into(), agency: agency.into(), ..Default::default() }
}

async fn collect<T>(stream: Answers<T>) -> Vec<T> {
    stream.map(Result::unwrap).collect().await
}

fn digests(hashes: &[bytes::Bytes]) -> Vec<Digest> {
    hashes.iter().map(|hash| hash[..].try_into().unwrap()).collect()
}

fn entry(agency: &str, action: &str, answer: &str) -> (String, String, String) {
    (agency.into(), action.into(), answer.into())
}

#[tokio::test]
async fn qry_1_every_call_leaves_its_entry_and_a_denied_one_too() {
    let hub = Hub::new("").await;
    hub.edge.get_checkpoint(by("ombudsman", v1::GetCheckpointRequest {})).await.unwrap();
    let denied = hub.edge.get_checkpoint(by("polri", v1::GetCheckpointRequest {})).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = hub.edge.replay(by("polri", replay_of(0, 0))).await.map(|_| ()).unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = hub.edge.list_access(by("polri", listing(""))).await.map(|_| ()).unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    hub.replay(replay_of(0, 0)).await;
    let beyond = hub.edge.replay(by("ombudsman", replay_of(0, 7))).await.map(|_| ()).unwrap_err();
    assert_eq!(beyond.code(), Code::OutOfRange);
    let expected = [
        entry("ombudsman", "audit.checkpoint", "CHECKPOINT"),
        entry("polri", "audit.checkpoint", "DENIED"),
        entry("polri", "audit.replay", "DENIED"),
        entry("polri", "audit.access", "DENIED"),
        entry("ombudsman", "audit.replay", "REPLAY"),
        entry("ombudsman", "audit.replay", "OUT_OF_RANGE"),
    ];
    assert_eq!(hub.entries(), expected);
    let (_, first) =
        entries(hub.folder.access.reader(), 0, 1, EntryFilter::default()).next().unwrap().unwrap();
    assert_eq!(first.policies, ["oversight-replays"]);
    assert_eq!(first.checkpoint_digest.len(), 32);
}

#[tokio::test]
async fn qry_1_there_is_no_answer_where_the_access_cannot_be_recorded() {
    let hub = Hub::new("").await;
    hub.folder.access.close();
    let refused = hub.edge.get_checkpoint(by("ombudsman", v1::GetCheckpointRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let refused = hub.edge.replay(by("ombudsman", replay_of(0, 0))).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn proofs_can_be_checked_with_the_log_s_key_alone() {
    let hub = Hub::new("").await;
    let answer = hub.edge.get_checkpoint(by("ombudsman", v1::GetCheckpointRequest {})).await.unwrap();
    let answer = answer.into_inner();
    let verifier = simpul_tlog::note::NoteVerifier::parse(&answer.verifier_key).unwrap();
    let checkpoint = simpul_tlog::checkpoint::open(&answer.checkpoint, &verifier).unwrap();
    assert_eq!(checkpoint.size, 4);
    let access = simpul_tlog::note::NoteVerifier::parse(&answer.access_verifier_key).unwrap();
    assert_eq!(simpul_tlog::checkpoint::open(&answer.access_checkpoint, &access).unwrap().size, 1);

    let asked = v1::GetInclusionProofRequest { leaf_index: 2, ..Default::default() };
    let answer = hub.edge.get_inclusion_proof(by("ombudsman", asked)).await.unwrap().into_inner();
    let hash = simpul_tlog::leaf_hash(&answer.leaf);
    proof::verify_inclusion(2, 4, &hash, &digests(&answer.proof), &checkpoint.root).unwrap();

    let asked = v1::GetConsistencyProofRequest { old_size: 3, new_size: 4 };
    let answer = hub.edge.get_consistency_proof(by("ombudsman", asked)).await.unwrap().into_inner();
    let old: Digest = answer.old_root[..].try_into().unwrap();
    proof::verify_consistency(3, 4, &digests(&answer.proof), &old, &checkpoint.root).unwrap();

    for (leaf_index, tree_size) in [(4, 0), (0, 5), (3, 2)] {
        let asked = v1::GetInclusionProofRequest { leaf_index, tree_size, ..Default::default() };
        let refused = hub.edge.get_inclusion_proof(by("ombudsman", asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{leaf_index} of {tree_size}");
    }
    let asked = v1::GetConsistencyProofRequest { old_size: 3, new_size: 2 };
    let refused = hub.edge.get_consistency_proof(by("ombudsman", asked)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(hub.entries().iter().filter(|(_, _, answer)| answer == "OUT_OF_RANGE").count() == 4);
}

#[tokio::test]
async fn a_replay_gives_a_range_or_a_stream_with_payloads_sealed() {
    let hub = Hub::new("").await;
    let leaves = hub.replay(replay_of(2, 5)).await;
    let positions = |leaves: &[v1::ReplayLeaf]| -> Vec<u64> {
        leaves.iter().flat_map(|leaf| &leaf.events).map(|event| event.position).collect()
    };
    assert_eq!(positions(&leaves), [2, 3, 4]);
    assert_eq!(leaves.iter().map(|leaf| leaf.leaf_index).collect::<Vec<_>>(), [1, 2]);
    assert!(leaves.iter().flat_map(|leaf| &leaf.events).all(|event| event.opened.is_empty()));

    let stream = v1::ReplayRequest { stream: "sisko-licence/a".into(), ..replay_of(0, 0) };
    assert_eq!(positions(&hub.replay(stream.clone()).await), [1, 3, 5]);
    let part = v1::ReplayRequest { from_position: 2, until_position: 5, ..stream };
    assert_eq!(positions(&hub.replay(part).await), [3]);
    assert!(hub.replay(replay_of(6, 6)).await.is_empty());

    let mut counter = ReplayCounter::new();
    for leaf in hub.replay(replay_of(0, 0)).await {
        let events = leaf.events.iter().map(|event| (event.position, &event.header[..], event.sealed.len()));
        counter.leaf(leaf.leaf_index, &leaf.leaf, events).unwrap();
    }
    let summary = counter.summary();
    assert_eq!((summary.leaves, summary.events), (4, 6));
}

#[tokio::test]
async fn a_replay_opens_the_types_that_policy_opens_and_says_so_on_the_record() {
    let hub = Hub::new(OPEN_LICENCES).await;
    let leaves = hub.replay(replay_of(0, 0)).await;
    assert!(leaves[0].events[0].opened.is_empty(), "directory events stay sealed");
    for event in leaves[1..].iter().flat_map(|leaf| &leaf.events) {
        let header = Header::decode(&event.header, "header").unwrap();
        assert_eq!(simpul_signing::sha256(&[&event.opened]), header.payload_commitment);
    }
    let (_, entry) =
        entries(hub.folder.access.reader(), 0, 1, EntryFilter::default()).next().unwrap().unwrap();
    assert_eq!(entry.disclosed, ["placement"]);
    assert_eq!(entry.policies, ["oversight-replays", "test-opens-licences"]);
    assert_eq!(entry.official, "auditor-3");
}

#[tokio::test]
async fn a_large_leaf_comes_in_parts_that_any_client_can_take() {
    let mut hub = Hub::new(OPEN_LICENCES).await;
    let facts = (0..15)
        .map(|_| Fact::new("simpul.registry.v1.LicenceRecorded", "sisko-licence/large", vec![0x7a; 250_000]));
    hub.folder.desk(facts.collect()).await;
    let leaves = hub.replay(replay_of(6, 0)).await;
    assert!(leaves.len() > 3);
    assert!(leaves.iter().all(|leaf| leaf.leaf_index == 4 && leaf.encoded_len() < 2 << 20));
    assert_eq!(leaves.iter().map(|leaf| leaf.events.len()).sum::<usize>(), 15);
}

#[tokio::test]
async fn reading_the_access_log_is_recorded_before_the_first_record_leaves() {
    let hub = Hub::new("").await;
    for _ in 0..300 {
        hub.folder.look("kbri-yangon").await;
    }
    hub.folder.look("polri").await;
    let stream = hub.edge.list_access(by("ombudsman", listing("polri"))).await.unwrap().into_inner();
    assert_eq!(hub.entries().last(), Some(&entry("ombudsman", "audit.access", "ENTRIES")));
    let records = collect(stream).await;
    assert_eq!(records.iter().map(|record| record.index).collect::<Vec<_>>(), [300]);

    let stream = hub.edge.list_access(by("ombudsman", listing(""))).await.unwrap().into_inner();
    assert_eq!(collect(stream).await.len(), 302);
    let some = v1::ListAccessRequest { from_index: 299, until_index: 301, ..listing("") };
    let stream = hub.edge.list_access(by("ombudsman", some)).await.unwrap().into_inner();
    assert_eq!(collect(stream).await.len(), 2);
    let beyond = v1::ListAccessRequest { until_index: 9_999, ..listing("") };
    let refused = hub.edge.list_access(by("ombudsman", beyond)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn what_is_malformed_is_refused_naming_the_field() {
    let hub = Hub::new("").await;
    let unknown = hub.edge.get_checkpoint(Request::new(v1::GetCheckpointRequest {})).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated);
    let cases = [
        ("purpose", v1::ReplayRequest { purpose: String::new(), ..replay_of(0, 0) }),
        ("stream", v1::ReplayRequest { stream: "no slash".into(), ..replay_of(0, 0) }),
        ("official", v1::ReplayRequest { official: "x".repeat(65), ..replay_of(0, 0) }),
        ("official", v1::ReplayRequest { official: "a\nb".into(), ..replay_of(0, 0) }),
    ];
    for (field, request) in cases {
        let refused = hub.edge.replay(by("ombudsman", request)).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    let refused = hub.edge.list_access(by("ombudsman", listing("NOT A CODE"))).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let bare = v1::GetBundleRequest { purpose: "OVERSIGHT".into(), ..Default::default() };
    let refused = hub.edge.get_bundle(by("ombudsman", bare)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(hub.entries().is_empty());
}

struct OneCase;

impl Records for OneCase {
    fn events_of(&self, reference: &str) -> Result<Option<CaseEvents>, RecordsError> {
        let positions = vec![Position::new(1), Position::new(5)];
        Ok((reference == "CASE-1").then(|| CaseEvents { case_ref: "CASE-1".into(), positions }))
    }

    fn concerned(&self, positions: &[Position]) -> Result<Vec<SubjectId>, RecordsError> {
        Ok(if positions.contains(&Position::new(5)) { vec![ALMA] } else { Vec::new() })
    }

    fn subjects_of(&self, subject: &check_request::Subject) -> Result<BTreeSet<SubjectId>, SubjectError> {
        match subject {
            check_request::Subject::Nik(nik) if nik.len() == 16 => Ok(BTreeSet::from([ALMA])),
            _ => Err(SubjectError::Malformed { field: "nik", rule: "16 digits" }),
        }
    }

    fn published(&self, _: Timestamp, _: Timestamp) -> Result<Vec<PublishedTo>, RecordsError> {
        let agency = "polri".parse().unwrap();
        Ok(vec![PublishedTo { agency, first_sequence: 3, last_sequence: 9 }])
    }
}

/// Whom position 5 concerns.
const ALMA: SubjectId = [1; 16];

impl Hub {
    fn with_records(&self) -> AuditEdge {
        let key = Arc::new(SigningKey::from_seed(&[9; 32]).unwrap());
        self.edge.clone().with_records(Arc::new(OneCase), key)
    }

    async fn bundle(&self, agency: &str, subject: Subject) -> Result<BundleReport, Status> {
        let request = v1::GetBundleRequest {
            subject: Some(subject),
            purpose: "OVERSIGHT".into(),
            official: "auditor-3".into(),
        };
        let edge = self.with_records();
        let parts = collect(edge.get_bundle(by(agency, request)).await?.into_inner()).await;
        let file: Vec<u8> = parts.iter().flat_map(|part| part.chunk.to_vec()).collect();
        let policy = Policy::of_log(self.folder.reader.verifier());
        Ok(verify_bundle(&file.into(), &policy, &TrustedKeys::default()).unwrap())
    }
}

#[tokio::test]
async fn qry_1_a_bundle_of_an_event_a_stream_or_a_case_is_gated_and_recorded() {
    let hub = Hub::new("").await;
    let positions =
        |report: &BundleReport| report.events.iter().map(|event| event.position).collect::<Vec<_>>();
    let one = hub.bundle("ombudsman", Subject::Position(4)).await.unwrap();
    assert_eq!((one.ok, positions(&one), one.access_entry), (true, vec![4], 0), "{:?}", one.violations);
    let stream = hub.bundle("ombudsman", Subject::Stream("sisko-licence/a".into())).await.unwrap();
    assert_eq!((stream.ok, positions(&stream), stream.access_entry), (true, vec![1, 3, 5], 1));
    let case = hub.bundle("ombudsman", Subject::CaseRef("CASE-1".into())).await.unwrap();
    assert_eq!((case.ok, positions(&case)), (true, vec![1, 5]));
    let header = hub.folder.reader.event(Position::new(2)).unwrap().header;
    let id = Header::decode(&header, "").unwrap().event_id;
    let by_id = Subject::EventId(id.as_bytes().to_vec().into());
    assert_eq!(positions(&hub.bundle("ombudsman", by_id.clone()).await.unwrap()), [2]);

    let asked =
        v1::GetInclusionProofRequest { event_id: id.as_bytes().to_vec().into(), ..Default::default() };
    let proof = hub.edge.get_inclusion_proof(by("ombudsman", asked)).await.unwrap().into_inner();
    assert_eq!(proof.leaf_index, 1);
    let unknown = v1::GetInclusionProofRequest {
        event_id: System.event_id().as_bytes().to_vec().into(),
        ..Default::default()
    };
    let refused = hub.edge.get_inclusion_proof(by("ombudsman", unknown)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);

    for (subject, code) in [
        (Subject::Position(6), Code::OutOfRange),
        (Subject::Stream("sisko-licence/none".into()), Code::NotFound),
        (Subject::CaseRef("CASE-2".into()), Code::NotFound),
    ] {
        assert_eq!(hub.bundle("ombudsman", subject).await.unwrap_err().code(), code);
    }
    assert_eq!(hub.bundle("polri", by_id).await.unwrap_err().code(), Code::PermissionDenied);
    let answers: Vec<_> = hub.entries().into_iter().map(|(_, _, answer)| answer).collect();
    let expected = [
        "BUNDLE",
        "BUNDLE",
        "BUNDLE",
        "BUNDLE",
        "PROOF",
        "OUT_OF_RANGE",
        "OUT_OF_RANGE",
        "NO_RECORD",
        "NO_RECORD",
        "DENIED",
    ];
    assert_eq!(answers, expected);
    let mut all = entries(hub.folder.access.reader(), 0, u64::MAX, EntryFilter::default());
    assert_eq!(all.nth(2).unwrap().unwrap().1.case_ref, "CASE-1");
    let none = hub.edge.get_bundle(by(
        "ombudsman",
        v1::GetBundleRequest {
            subject: Some(Subject::CaseRef("CASE-1".into())),
            purpose: "OVERSIGHT".into(),
            ..Default::default()
        },
    ));
    assert_eq!(none.await.map(|_| ()).unwrap_err().code(), Code::Unavailable, "no read models here");
}

#[tokio::test]
async fn a_bundle_discloses_what_policy_opens_and_says_so_on_the_record() {
    let hub = Hub::new(OPEN_LICENCES).await;
    let report = hub.bundle("ombudsman", Subject::Position(3)).await.unwrap();
    assert!(report.ok && report.events[0].disclosed, "{:?}", report.violations);
    let (_, entry) =
        entries(hub.folder.access.reader(), 0, 1, EntryFilter::default()).next().unwrap().unwrap();
    assert_eq!((entry.disclosed, entry.action.as_str()), (vec!["placement".to_string()], "audit.bundle"));
    assert_eq!(entry.policies, ["oversight-replays", "test-opens-licences"]);
    let sealed = Hub::new("").await.bundle("ombudsman", Subject::Position(3)).await.unwrap();
    assert!(sealed.ok && !sealed.events[0].disclosed);
}

#[tokio::test]
async fn qry_2_a_subject_report_holds_its_own_entry_and_is_gated() {
    let hub = Hub::new("").await;
    let edge = hub.with_records();
    let asked = |nik: &str| v1::GetSubjectReportRequest {
        subject: Some(get_subject_report_request::Subject::Nik(nik.into())),
        purpose: "OVERSIGHT".into(),
        official: "auditor-3".into(),
        since_us: 0,
    };
    let nik = "3201015206750001";
    hub.bundle("ombudsman", Subject::Position(5)).await.unwrap();
    hub.bundle("ombudsman", Subject::Position(4)).await.unwrap();
    let refused = edge.get_subject_report(by("polri", asked(nik))).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let malformed = edge.get_subject_report(by("ombudsman", asked("12"))).await.map(|_| ()).unwrap_err();
    assert_eq!((malformed.code(), malformed.message()), (Code::InvalidArgument, "nik: must be 16 digits"));

    let parts =
        collect(edge.get_subject_report(by("ombudsman", asked(nik))).await.unwrap().into_inner()).await;
    let file: Vec<u8> = parts.iter().flat_map(|part| part.chunk.to_vec()).collect();
    let key = SigningKey::from_seed(&[9; 32]).unwrap().verifying_key();
    let report = verify_report(&file.into(), &hub.folder.access.reader().verifier(), Some(&key)).unwrap();
    assert!(report.ok, "{:?}", report.violations);
    let looks: Vec<_> = report.looks.iter().map(|look| (look.index, look.action.as_str())).collect();
    assert_eq!(looks, [(0, "audit.bundle"), (4, "audit.subject_report")]);
    assert_eq!(
        hub.entries()[2..],
        [
            entry("polri", "audit.subject_report", "DENIED"),
            entry("ombudsman", "audit.subject_report", "MALFORMED"),
            entry("ombudsman", "audit.subject_report", "SUBJECT_REPORT"),
        ]
    );
}

#[tokio::test]
async fn a_breach_report_counts_answers_and_messages_and_is_gated() {
    let hub = Hub::new("").await;
    let edge = hub.with_records();
    hub.bundle("ombudsman", Subject::Position(5)).await.unwrap();
    let asked = v1::GetBreachReportRequest {
        since_us: 1,
        until_us: i64::MAX,
        purpose: "OVERSIGHT".into(),
        official: "auditor-3".into(),
        ..Default::default()
    };
    let refused = edge.get_breach_report(by("polri", asked.clone())).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let report = edge.get_breach_report(by("ombudsman", asked.clone())).await.unwrap().into_inner();
    // The bundle disclosed no payload; the refusal nothing at all.
    assert_eq!((report.entries, report.received.len(), report.access_entry), (2, 0, 2));
    let published: Vec<_> = report.published.iter().map(|one| (one.agency.as_str(), one.messages)).collect();
    assert_eq!(published, [("polri", 7)]);
    let again = edge.get_breach_report(by("ombudsman", asked.clone())).await.unwrap().into_inner();
    let received: Vec<_> = again.received.iter().map(|one| (one.action.as_str(), one.answers)).collect();
    assert_eq!(received, [("audit.breach_report", 1)]);
    let other = v1::GetBreachReportRequest { agency: "kp2mi".into(), ..asked.clone() };
    assert!(edge.get_breach_report(by("ombudsman", other)).await.unwrap().into_inner().published.is_empty());
    let backward = v1::GetBreachReportRequest { until_us: 1, ..asked };
    let refused = edge.get_breach_report(by("ombudsman", backward)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.message(), "until_us: must be later than since_us");
}
