//! Offline proofs: written, read and refused.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use simpul_tlog::{
    checkpoint::Checkpoint,
    leaf_hash,
    note::NoteSigner,
    path_of,
    policy::Policy,
    receipt::{LogProof, LogProofError},
    root_of,
};

fn proof() -> (LogProof, Policy) {
    let signer = NoteSigner::new("simpul.example/demo", &[1; 32]).unwrap();
    let hashes: Vec<_> = (0..11).map(|number| leaf_hash(format!("leaf {number}").as_bytes())).collect();
    let checkpoint = Checkpoint { origin: signer.name().into(), size: 11, root: root_of(&hashes) };
    let extra = Some(b"leaf 6".to_vec());
    let proof =
        LogProof { index: 6, extra, hashes: path_of(&hashes, 6), checkpoint: checkpoint.sign(&signer) };
    (proof, Policy::of_log(signer.verifier()))
}

#[test]
fn a_proof_makes_the_round_trip_and_holds() {
    let (proof, policy) = proof();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra bGVhZiA2\nindex 6\n"), "{text}");
    let read = LogProof::parse(&text).unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.verify(None, &policy).unwrap().checkpoint.size, 11);
    assert!(read.verify(Some(b"leaf 6"), &policy).is_ok());
    assert!(matches!(read.verify(Some(b"leaf 7"), &policy), Err(LogProofError::Inclusion { index: 6, .. })));
    let bare = LogProof { extra: None, ..proof };
    assert_eq!(LogProof::parse(&bare.to_string()).unwrap(), bare);
    assert_eq!(bare.verify(None, &policy), Err(LogProofError::NoLeaf));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (proof, policy) = proof();
    let text = proof.to_string().into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let held = LogProof::parse(&changed).and_then(|proof| proof.verify(None, &policy).map(drop));
            assert!(held.is_err(), "byte {at} bit {bit}: {changed}");
        }
    }
}

#[test]
fn a_malformed_line_is_named() {
    let right = proof().0.to_string();
    for (from, to, line) in [
        ("@v1", "@v2", 1),
        ("extra bGVhZiA2", "extra bGVhZiA", 2),
        ("index 6", "index 06", 3),
        ("index 6", "index", 3),
        ("index 6\n", "index 6\nAAAA\n", 4),
        ("\n\n", "\n", 0),
    ] {
        let error = LogProof::parse(&right.replacen(from, to, 1)).map(|_| ());
        match error {
            Err(LogProofError::Form { line: at, .. }) => assert!(line == 0 || at == line, "{to}: line {at}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}
