//! What strangers send or are sent: notes, checkpoints, proofs, tiles, policies.

use std::str::from_utf8;

use bytes::Bytes;
use prost::Message;
use simpul_audit::{
    TrustedKeys,
    bundle::{encode, verify_bundle},
    subject_report,
};
use simpul_proto::v1;
use simpul_signing::enrolment::EnrolmentRequest;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    cosignature,
    note::{NoteVerifier, SignedNote},
    policy::Policy,
    proof,
    receipt::LogProof,
    tile::{self, Tile},
};
use simpul_types::Digest;
use simpul_witness::AddCheckpoint;

/// Key of the seeds; its private half is 32 zero bytes.
const VKEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";

pub(crate) fn note(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let key = NoteVerifier::parse(VKEY).expect("a right key");
    checkpoint::open(text, &key).ok();
    let Ok(note) = SignedNote::parse(text) else { return };
    assert!(!note.signatures.is_empty() && note.text.ends_with('\n'));
    assert!(text.starts_with(&note.text), "the text is what stands in the note");
    for line in &note.signatures {
        cosignature::time_of(line);
    }
    note.signature_of(&key);
}

pub(crate) fn vkey(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(key) = NoteVerifier::parse(text) {
        assert_eq!(key.to_string(), text, "one key has one text");
    }
}

pub(crate) fn checkpoint(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.body()), "one checkpoint has one text, extensions apart");
    }
}

/// Index and sizes, 8 bytes each, then hashes: two roots and the proof.
pub(crate) fn proof(data: &[u8]) {
    let (head, rest) = data.split_at(data.len().min(16));
    let number = |at: usize| {
        head.get(at..at + 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    };
    let (small, large) = (number(0), number(8));
    let hashes: Vec<Digest> = rest.chunks_exact(32).map(|hash| hash.try_into().expect("32 bytes")).collect();
    let [first, second, path @ ..] = &hashes[..] else { return };
    if proof::verify_inclusion(small, large, first, path, second).is_ok() {
        assert!(small < large && path.len() <= 64);
        assert!(proof::verify_inclusion(small, large, second, path, first).is_err() || first == second);
    }
    if proof::verify_consistency(small, large, path, first, second).is_ok() {
        assert!(small <= large && path.len() <= 65);
        assert!(small != large || first == second);
    }
}

pub(crate) fn tlog_proof(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(proof) = LogProof::parse(text) {
        assert_eq!(proof.to_string(), text, "one proof has one text");
        proof.verify(None, &own_policy()).ok();
    }
}

/// As it is, and as a bundle whose digest was set right, so that what stands behind it is reached.
pub(crate) fn bundle(data: &[u8]) {
    let read = |file: &Bytes| drop(verify_bundle(file, &own_policy(), &TrustedKeys::default()));
    read(&Bytes::copy_from_slice(data));
    if let Ok(bundle) = v1::EvidenceBundle::decode(data) {
        read(&encode(&bundle));
    }
}

/// As it is, and as a report whose digest was set right. One that holds leads to the log that the targets trust.
pub(crate) fn subject_report(data: &[u8]) {
    let key = NoteVerifier::parse(VKEY).expect("a right key");
    let read = |file: &Bytes| {
        if let Ok(report) = subject_report::verify_report(file, &key, None) {
            assert!(report.looks.len() as u64 <= report.size, "no more looks than the log has entries");
        }
    };
    read(&Bytes::copy_from_slice(data));
    if let Ok(report) = v1::SubjectReport::decode(data) {
        read(&subject_report::encode(&report));
    }
}

fn own_policy() -> Policy {
    Policy::of_log(NoteVerifier::parse(VKEY).expect("a right key"))
}

pub(crate) fn tile_path(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.to_string(), text, "one tile has one path");
    }
}

pub(crate) fn entries(data: &[u8]) {
    if let Ok(entries) = tile::decode_entries(&Bytes::copy_from_slice(data)) {
        assert_eq!(tile::encode_entries(&entries).as_deref(), Ok(data), "one bundle has one encoding");
    }
}

pub(crate) fn policy(data: &[u8]) {
    if let Err(error) = Policy::parse(data) {
        assert!(error.to_string().contains("line"), "an error names its line: {error}");
    }
}

pub(crate) fn witness_request(data: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(data) {
        assert_eq!(request.encode().as_bytes(), data, "one request has one text");
    }
}

pub(crate) fn key_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    TrustedKeys::parse(text).ok();
    simpul_signing::SigningKey::from_text(text).ok();
    simpul_signing::VerifyingKey::from_hex(text).ok();
}

/// What reads is signed by the key that it names, and reads the same again.
pub(crate) fn enrolment(data: &[u8]) {
    let Ok(request) = EnrolmentRequest::read(data) else { return };
    let again = EnrolmentRequest::read(data).expect("it was read before");
    assert_eq!(request.fingerprint, again.fingerprint);
    assert_eq!(request.sender, again.sender);
    assert_eq!(
        request.sender.to_string(),
        format!("{}/{}", request.invitation.agency, request.invitation.connector)
    );
}
