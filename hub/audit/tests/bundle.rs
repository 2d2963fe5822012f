//! Evidence bundles of a real log: what they prove, on whose word, and that every changed byte is named.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use bytes::Bytes;
use prost::Message;
use simpul_audit::{
    TrustedKeys,
    bundle::{self, BundleError, BundleReport, BundleSource, make_bundle, verify_bundle},
};
use simpul_proto::v1::{self, evidence_bundle::Subject};
use simpul_signing::SigningKey;
use simpul_tlog::{cosignature::CosignatureSigner, note::SignedNote, policy::Policy};
use simpul_types::Position;
use support::{Fact, Folder, ORIGIN, position};
use tempfile::TempDir;

struct World {
    folder: Folder,
    _dir: TempDir,
}

impl World {
    /// Positions 0 (registers `kp2mi/desk`), 1–3, 4–5, 6: leaves 0 to 3.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path()).await;
        let licence = |name: &str| Fact::licence(&format!("sisko-licence/{name}"));
        folder.desk(vec![licence("a"), licence("b"), licence("c")]).await;
        folder.desk(vec![licence("b"), licence("a")]).await;
        folder.desk(vec![licence("d")]).await;
        Self { folder, _dir: dir }
    }

    fn make(&self, subject: Subject, positions: &[u64], opens: bool) -> v1::EvidenceBundle {
        let head = self.folder.reader.head();
        self.make_at((head.checkpoint.clone(), head.size.get()), subject, positions, opens).unwrap()
    }

    fn make_at(
        &self,
        checkpoint: (String, u64),
        subject: Subject,
        positions: &[u64],
        opens: bool,
    ) -> Result<v1::EvidenceBundle, BundleError> {
        let source = BundleSource {
            reader: &self.folder.reader,
            checkpoint,
            opens: &|event_type, _| opens && event_type.ends_with("LicenceRecorded"),
            registered: &|_, _| vec![Position::ZERO],
            authority_key: authority(),
        };
        let positions: Vec<_> = positions.iter().copied().map(position).collect();
        make_bundle(&source, subject, "ombudsman", &positions)
    }

    fn stream(&self, opens: bool) -> v1::EvidenceBundle {
        self.make(Subject::Stream("sisko-licence/a".into()), &[1, 5], opens)
    }
}

fn authority() -> [u8; 32] {
    SigningKey::from_seed(&[1; 32]).unwrap().public_key()
}

fn policy() -> Policy {
    Policy::of_log(support::signer(ORIGIN).verifier())
}

fn check(file: &Bytes, keys: &TrustedKeys) -> BundleReport {
    verify_bundle(file, &policy(), keys).unwrap()
}

fn wrong(bundle: &v1::EvidenceBundle) -> String {
    let report = check(&bundle::encode(bundle), &TrustedKeys::default());
    assert!(!report.ok);
    report.violations[0].to_string()
}

#[tokio::test]
async fn a_bundle_leads_from_the_payload_to_the_witnesses() {
    let world = World::new().await;
    let mut bundle = world.stream(true);
    let keys = TrustedKeys { authority: Some(authority()), ..Default::default() };
    let report = check(&bundle::encode(&bundle), &keys);
    assert!(report.ok, "{:?}", report.violations);
    let events: Vec<_> =
        report.events.iter().map(|event| (event.position, event.leaf, event.disclosed)).collect();
    assert_eq!(events, [(1, 1, true), (5, 2, true)]);
    assert_eq!(report.senders.len(), 1);
    assert!(report.senders[0].trust.contains("the directory authority that you gave"));

    let report = check(&bundle::encode(&bundle), &TrustedKeys::default());
    assert!(report.ok && report.senders[0].trust.contains("the bundle's own word"), "{report:?}");
    let desk = SigningKey::from_seed(&[2; 32]).unwrap().public_key();
    let given = TrustedKeys { senders: vec![(support::sender("kp2mi", "desk"), desk)], ..Default::default() };
    let report = check(&bundle::encode(&bundle), &given);
    assert!(report.ok && report.senders[0].trust == "a key that you gave", "{report:?}");

    // A quorum of witnesses, first missing and then there.
    let witness = CosignatureSigner::new("ngo.example", &[9; 32]).unwrap();
    let text = format!(
        "log {}\nwitness ngo {}\nquorum ngo\n",
        support::signer(ORIGIN).verifier(),
        witness.verifier()
    );
    let strict = Policy::parse(text.as_bytes()).unwrap();
    let report = verify_bundle(&bundle::encode(&bundle), &strict, &keys).unwrap();
    assert!(
        report.violations[0].to_string().starts_with("checkpoint: quorum `ngo` is not met"),
        "{report:?}"
    );
    let body = SignedNote::parse(&bundle.checkpoint).unwrap().text;
    bundle.checkpoint.push_str(&witness.sign_line(1_800_000_000, &body));
    let report = verify_bundle(&bundle::encode(&bundle), &strict, &keys).unwrap();
    assert!(report.ok && report.witnesses == ["ngo"], "{report:?}");

    let sealed = world.stream(false);
    let report = check(&bundle::encode(&sealed), &keys);
    assert!(report.ok && report.events.iter().all(|event| !event.disclosed), "{report:?}");
}

#[tokio::test]
async fn every_flipped_bit_of_a_bundle_is_named() {
    let world = World::new().await;
    let file = bundle::encode(&world.stream(true));
    for at in 0..file.len() {
        let mut bytes = file.to_vec();
        bytes[at] ^= 1 << (at % 8);
        let report = check(&bytes.into(), &TrustedKeys::default());
        assert!(!report.ok && !report.violations[0].what.is_empty(), "byte {at}");
    }
    for cut in [0, 10, 30, file.len() / 2, file.len() - 1] {
        assert!(!check(&file.slice(..cut), &TrustedKeys::default()).ok, "cut at {cut}");
    }
}

/// What somebody can do who makes the digest anew.
#[tokio::test]
async fn every_forged_part_of_a_bundle_is_named() {
    let world = World::new().await;
    let right = world.stream(true);
    let flip = |bytes: &mut Bytes| {
        let mut changed = bytes.to_vec();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        *bytes = changed.into();
    };
    type Forge<'a> = Box<dyn Fn(&mut v1::EvidenceBundle) + 'a>;
    let cases: Vec<(&str, Forge<'_>)> = vec![
        ("event at position 1: the header does not", Box::new(|b| flip(&mut b.leaves[0].events[0].header))),
        (
            "event at position 1: the header does not lead",
            Box::new(|b| flip(&mut b.leaves[0].events[0].header_path[0])),
        ),
        (
            "event at position 5: the sealed payload's digest",
            Box::new(|b| flip(&mut b.leaves[1].events[0].sealed_digest)),
        ),
        (
            "event at position 5: the sealed payload's digest",
            Box::new(|b| flip(&mut b.leaves[1].events[0].sealed_path[0])),
        ),
        (
            "event at position 1: the payload is not the one",
            Box::new(|b| flip(&mut b.leaves[0].events[0].opened)),
        ),
        ("event at position 2: the header does not lead", Box::new(|b| b.leaves[0].events[0].position = 2)),
        ("event at position 9: does not lie in its leaf", Box::new(|b| b.leaves[0].events[0].position = 9)),
        ("leaf 1: does not lead to the checkpoint's root", Box::new(|b| flip(&mut b.leaves[0].leaf))),
        (
            "leaf 2: does not lead to the checkpoint's root",
            Box::new(|b| flip(&mut b.leaves[1].inclusion_proof[0])),
        ),
        ("leaf 3: does not lead to the checkpoint's root", Box::new(|b| b.leaves[1].leaf_index = 3)),
        ("leaf 1: the leaves are not in the order", Box::new(|b| b.leaves.swap(0, 1))),
        (
            "checkpoint: the checkpoint's note",
            Box::new(|b| b.checkpoint = b.checkpoint.replacen("\n4\n", "\n5\n", 1)),
        ),
        ("directory leaf 0: is not signed", Box::new(|b| b.authority_key = vec![7; 32].into())),
        (
            "directory leaf 0, event at position 0: the payload",
            Box::new(|b| flip(&mut b.directory[0].events[0].opened)),
        ),
        ("leaf 1: no key ", Box::new(|b| b.directory.clear())),
        ("file: holds no event", Box::new(|b| b.leaves.clear())),
        ("subject: holds events of something else", Box::new(|b| b.subject = Some(Subject::Position(1)))),
        ("subject: the bundle does not say", Box::new(|b| b.subject = None)),
        ("file: has a version", Box::new(|b| b.version = 2)),
    ];
    for (words, forge) in cases {
        let mut forged = right.clone();
        forge(&mut forged);
        let said = wrong(&forged);
        assert!(said.starts_with(words), "{words}: {said}");
    }
    // Bytes that say nothing: an unknown field, with the digest made anew.
    let mut body = right.encode_to_vec();
    body.extend([0x82, 0x06, 0x00]);
    let mut file = b"simpul-evidence-bundle@v1\n".to_vec();
    file.extend(body);
    let digest = simpul_signing::sha256(&[&file]);
    file.extend(digest);
    let report = check(&file.into(), &TrustedKeys::default());
    assert!(report.violations[0].what.contains("say nothing"), "{report:?}");

    // The authority that the verifier knows is another one.
    let keys = TrustedKeys { authority: Some([8; 32]), ..Default::default() };
    let report = check(&bundle::encode(&right), &keys);
    assert_eq!(report.violations[0].part, "authority key");
}

#[tokio::test]
async fn a_bundle_never_speaks_of_leaves_beyond_its_checkpoint() {
    let world = World::new().await;
    let old = world.folder.reader.head();
    let refused = world.make_at((old.checkpoint.clone(), 2), Subject::Position(6), &[6], false);
    assert!(matches!(refused, Err(BundleError::NotYet { leaf: 3, size: 2 })), "{:?}", refused.err());
    let beyond = world.make_at((old.checkpoint.clone(), 4), Subject::Position(7), &[7], false);
    assert!(matches!(beyond, Err(BundleError::Read(_))));
    let many = vec![1; 10_001];
    let many = world.make_at((old.checkpoint.clone(), 4), Subject::Position(1), &many, false);
    assert!(matches!(many, Err(BundleError::TooMany(10_001))));
}
