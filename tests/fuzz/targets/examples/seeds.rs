//! Writes the seeds of every corpus anew: `cargo run -p simpul-fuzz --example seeds`. Right inputs by the code's own
//! encoders, the published vectors, the committed mappings; what fuzzers found lies beside them and is left alone.
#![allow(clippy::unwrap_used, reason = "a helper that fails is a run that fails")]

use std::{fs, path::Path};

use bytes::Bytes;
use prost::Message;
use serde_json::Value;
use simpul_proto::{catalogue, v1};
use simpul_signing::{
    SUBMISSION_TYPE, SigningKey, commitment,
    enrolment::{Application, INVITE_TYPE, Invitation, REQUEST_TYPE, SignedText},
};
use simpul_tlog::{
    checkpoint::Checkpoint, leaf_hash, note::NoteSigner, path_of, receipt::LogProof, root_of, tile,
};
use simpul_types::{Position, Statement, Timestamp};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
}

fn seed(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = root().join("tests/fuzz/corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn main() {
    stored();
    receipts();
    wire();
    let vectors = fs::read(root().join("tests/data/merkle-vectors.json")).unwrap();
    evidence(&serde_json::from_slice(&vectors).unwrap());
    intake();
}

fn submission(events: usize) -> v1::Submission {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let any = v1::expected_version::Kind::Any(v1::expected_version::Any {});
    let event = |number: usize| {
        let (salt, payload) = ([number as u8; 32], vec![0x0a, 1, b'x']);
        let header = v1::EventHeader {
            version: 1,
            event_id: id(number as u8),
            r#type: "simpul.registry.v1.PlacementRecorded".into(),
            stream: format!("sisko-placement/t{number}"),
            expected: Some(v1::ExpectedVersion { kind: Some(any) }),
            occurred_at_us: 1_700_000_000_000_000,
            purpose: "PLACEMENT".into(),
            legal_basis: "UU 18/2017".into(),
            data_category: "general".into(),
            payload_commitment: Bytes::copy_from_slice(&commitment(&salt, &payload)),
            ..Default::default()
        };
        let header = header.encode_to_vec().into();
        v1::SubmittedEvent { header, salt: Bytes::copy_from_slice(&salt), payload: payload.into() }
    };
    let events: Vec<_> = (0..events).map(event).collect();
    let events_root = simpul_tlog::tree_hash(events.iter().map(|event| event.header.as_ref()));
    let statement = v1::SubmissionStatement {
        version: 1,
        submission_id: id(200),
        agency: "kp2mi".into(),
        connector: "sisko".into(),
        first_sequence: 1,
        event_count: events.len() as u32,
        events_root: Bytes::copy_from_slice(&events_root),
        created_at_us: 1_700_000_000_000_000,
    };
    let statement = statement.encode_to_vec();
    let signature = Bytes::copy_from_slice(&key.sign_dsse(SUBMISSION_TYPE, &statement));
    v1::Submission { statement: statement.into(), signature, key_id: key.key_id().to_string(), events }
}

/// An id of version 7.
fn id(number: u8) -> Bytes {
    Bytes::from(vec![1, 0x8f, 0, 0, 0, number, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

fn stored() {
    seed("frame", "two-leaves", simpul_log::fuzz::sample_frame());
    seed("segment_header", "first", simpul_log::fuzz::sample_segment_header());
    let folder = root().join("tests/fuzz/corpus/index_file");
    fs::create_dir_all(&folder).unwrap();
    simpul_log::fuzz::write_sample_index(&folder.join("small")).unwrap();
    seed("leaf", "one-event", leaf(submission(1)));
}

fn leaf(wire: v1::Submission) -> Bytes {
    let leaf = simpul_types::Leaf {
        statement: Statement::decode(&wire.statement).unwrap(),
        statement_bytes: wire.statement,
        signature: wire.signature,
        key_id: wire.key_id.parse().unwrap(),
        first_position: Position::new(3),
        admitted_at: Timestamp::from_us(1_700_000_000_000_000),
        directory_position: Position::new(1),
        sealed_root: [4; 32],
    };
    leaf.encode()
}

/// A log of one leaf, signed by the key that the targets trust.
fn receipts() {
    let wire = submission(1);
    let (event, leaf) = (wire.events[0].clone(), leaf(wire));
    let signer = NoteSigner::new("EnochRoot", &[0; 32]).unwrap();
    let head = Checkpoint { origin: "EnochRoot".into(), size: 1, root: leaf_hash(&leaf) };
    let proof =
        LogProof { index: 0, extra: Some(leaf.to_vec()), hashes: Vec::new(), checkpoint: head.sign(&signer) };
    seed("tlog_proof", "one-leaf", proof.to_string());
    let event = v1::BundleEvent { position: 3, header: event.header, ..Default::default() };
    let leaf = v1::BundleLeaf { leaf_index: 0, leaf, events: vec![event], ..Default::default() };
    let bundle = v1::EvidenceBundle {
        version: 1,
        subject: Some(v1::evidence_bundle::Subject::Position(3)),
        checkpoint: proof.checkpoint,
        leaves: vec![leaf],
        authority_key: Bytes::from(vec![5; 32]),
        ..Default::default()
    };
    seed("bundle", "one-event", bundle.encode_to_vec());
    seed("bundle", "whole-file", simpul_audit::bundle::encode(&bundle));
    let link = v1::SubjectLink { subject: Bytes::from(vec![6; 16]), number: 1, previous: None };
    let entry = v1::AccessEntry {
        version: 1,
        action: "picture.case".into(),
        links: vec![link],
        ..Default::default()
    };
    let leaf = Bytes::from(entry.encode_to_vec());
    let head = Checkpoint { origin: "EnochRoot".into(), size: 1, root: leaf_hash(&leaf) };
    let chain = v1::SubjectChain {
        subject: Bytes::from(vec![6; 16]),
        count: 1,
        newest: Some(0),
        ..Default::default()
    };
    let statement = v1::SubjectStatement {
        version: 1,
        access_checkpoint: head.sign(&signer),
        chains: vec![chain],
        ..Default::default()
    };
    let report = v1::SubjectReport {
        statement: statement.encode_to_vec().into(),
        accesses: vec![v1::ReportedAccess { index: 0, leaf, inclusion_proof: Vec::new() }],
        ..Default::default()
    };
    seed("subject_report", "one-look", report.encode_to_vec());
    seed("subject_report", "whole-file", simpul_audit::subject_report::encode(&report));
}

fn wire() {
    for events in [1, 3] {
        let wire = submission(events);
        seed("submission", &format!("{events}-events"), wire.encode_to_vec());
        seed("statement", &format!("{events}-events"), &wire.statement);
        seed("event_header", &format!("{events}-events"), &wire.events[0].header);
    }
    for (number, name) in catalogue::EVENT_TYPES.iter().enumerate() {
        let short = name.rsplit('.').next().unwrap();
        seed("payload", short, [&[number as u8][..], b"\x0a\x04text\x12\x06\x0a\x04text\x18\x01"].concat());
    }
    seed("sender", "connector", "spiffe://simpul/agency/kp2mi/connector/sisko");
}

fn evidence(vectors: &Value) {
    for (number, note) in vectors["notes"].as_array().unwrap().iter().enumerate() {
        seed("note", &format!("published-{number}"), note["note"].as_str().unwrap());
        seed("vkey", &format!("published-{number}"), note["vkey"].as_str().unwrap());
    }
    let bodies = &vectors["checkpoint_bodies"];
    for (number, body) in bodies["valid"].as_array().unwrap().iter().enumerate() {
        seed("checkpoint", &format!("published-{number}"), body.as_str().unwrap());
        seed("checkpoint", &format!("extended-{number}"), format!("{}extension\n", body.as_str().unwrap()));
    }
    for (number, path) in vectors["tile_paths"]["hash_tile"].as_array().unwrap().iter().enumerate() {
        seed("tile_path", &format!("published-{number}"), path[3].as_str().unwrap());
    }
    seed("tile_path", "entries", "tile/entries/x123/x456/789.p/7");
    let entries = [Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")];
    seed("entries", "three", tile::encode_entries(&entries).unwrap());

    let hashes: Vec<_> = (0u8..11).map(|leaf| leaf_hash(&[leaf])).collect();
    let mut proof = [6u64.to_le_bytes(), 11u64.to_le_bytes()].concat();
    proof.extend([hashes[6], root_of(&hashes)].concat());
    proof.extend(path_of(&hashes, 6).concat());
    seed("proof", "inclusion", proof);
    for case in vectors["derived_all_proofs_n_le_8"]["consistency"].as_array().unwrap() {
        let (old, new) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
        let parts = case["proof_hex"].as_array().unwrap();
        if (old, new) == (6, 7) || (old, new) == (3, 7) {
            let leaves: Vec<_> =
                vectors["reference_tree_8"]["leaf_inputs_hex"].as_array().unwrap().iter().collect();
            let hashes: Vec<_> =
                leaves.iter().map(|leaf| leaf_hash(&unhex(leaf.as_str().unwrap()))).collect();
            let mut proof = [old.to_le_bytes(), new.to_le_bytes()].concat();
            proof.extend(root_of(&hashes[..old as usize]));
            proof.extend(root_of(&hashes[..new as usize]));
            parts.iter().for_each(|part| proof.extend(unhex(part.as_str().unwrap())));
            seed("proof", &format!("consistency-{old}-{new}"), proof);
        }
    }
    let [log, witness] =
        [&vectors["notes"][3], &vectors["notes"][5]].map(|note| note["vkey"].as_str().unwrap());
    let policy = format!(
        "# ours\nlog {log} https://log.example\nwitness ngo {witness}\ngroup all-of all ngo\nquorum all-of\n"
    );
    seed("policy", "one-witness", policy);
    seed("policy", "none", format!("log {log}\nquorum none\n"));
    let note = vectors["notes"][3]["note"].as_str().unwrap().to_string();
    let request = simpul_witness::AddCheckpoint { old: 3, proof: vec![[1; 32], [2; 32]], note };
    seed("witness_request", "two-hashes", request.encode());
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let public = key.verifying_key();
    seed("key_file", "trusted", format!("# keys\nauthority {public}\nkey kp2mi/sisko {public}\n"));
    seed("key_file", "secret", key.to_text().as_bytes());
    seed("key_file", "public", public.to_string());
    let invitation = Invitation {
        invite: "0190".into(),
        agency: "kp2mi".into(),
        connector: "sisko-2".into(),
        expires_at: "2026-12-01T00:00:00Z".into(),
        endpoint: "https://localhost:7443".into(),
        server_name: "localhost".into(),
        ca_pem: String::new(),
        log_verifier: None,
        access_verifier: None,
        verdict_key: None,
        nats: None,
        enrol_url: Some("https://localhost:7444".into()),
    };
    let invitation = SignedText::new(INVITE_TYPE, &invitation, &key);
    let application = Application { invitation, public_key: public.to_string(), csr_pem: String::new() };
    let request = SignedText::new(REQUEST_TYPE, &application, &key);
    seed("enrolment", "request", serde_json::to_vec(&request).unwrap());
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn intake() {
    // The specimen of ICAO 9303 part 4.
    let specimen =
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
    seed("mrz", "specimen", specimen);
    for (name, text) in [("nik", "3302034407919001"), ("passport", "C1000001"), ("card", "EPMI0000000001")] {
        seed("identity", name, text);
    }
    for entry in fs::read_dir(root().join("connectors/mappings")).unwrap() {
        let path = entry.unwrap().path();
        seed("mapping", path.file_stem().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
    }
    seed("csv", "quoted", "\u{0}a,b\n\"x\"\"y\",\"two\nlines\"\r\n1,2");
}
