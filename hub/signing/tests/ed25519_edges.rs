//! The Ed25519 acceptance rule of `src/key.rs` on edge vectors: `tests/data/ed25519-edges.json`, made with arithmetic that
//! shares no code with `ring`.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{path::Path, sync::LazyLock};

use data_encoding::HEXLOWER;
use serde_json::Value;
use simpul_signing::{SigningKey, VerifyingKey};

static EDGES: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/ed25519-edges.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
});

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    VerifyingKey::from_bytes(key.try_into().unwrap()).verify(message, signature).is_ok()
}

/// The twelve conditions of "Taming the many EdDSAs": the documented answer for each, in their order.
#[test]
fn each_edge_condition_has_its_documented_answer() {
    let documented = [true, true, true, true, false, false, false, false, false, false, false, true];
    let conditions = EDGES["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), documented.len());
    for (condition, documented) in conditions.iter().zip(documented) {
        let [key, message, signature] = ["key", "message", "signature"].map(|part| hex(&condition[part]));
        assert_eq!(accepts(&key, &message, &signature), documented, "{}", condition["name"]);
        assert_eq!(condition["accept"], documented, "{}: the model", condition["name"]);
    }
}

#[test]
fn every_pair_of_small_order_encodings_is_judged_by_the_rule() {
    let message = hex(&EDGES["small_order"]["message"]);
    let encodings: Vec<_> = EDGES["small_order"]["encodings"].as_array().unwrap().iter().map(hex).collect();
    let grid = EDGES["small_order"]["accept_by_key_then_r"].as_array().unwrap();
    assert_eq!((encodings.len(), grid.len()), (14, 14));
    for (key, row) in encodings.iter().zip(grid) {
        for (r, expect) in encodings.iter().zip(row.as_str().unwrap().chars()) {
            let signature = [&r[..], &[0; 32]].concat();
            let (key_text, r_text) = (HEXLOWER.encode(key), HEXLOWER.encode(r));
            assert_eq!(accepts(key, &message, &signature), expect == '1', "key {key_text}, R {r_text}");
        }
    }
}

#[test]
fn a_key_off_the_curve_verifies_nothing() {
    let key = hex(&EDGES["off_curve_key"]);
    let signature = SigningKey::from_seed(&[7; 32]).unwrap().sign(b"message");
    assert!(!accepts(&key, b"message", &signature));
}

/// Whoever changes a signature in flight gets a rejection, not a second valid signature.
#[test]
fn no_bit_of_a_signature_can_be_changed() {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let (public, signature) = (key.public_key(), key.sign(b"message"));
    assert!(accepts(&public, b"message", &signature));
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepts(&public, b"message", &changed), "bit {bit}");
    }
    for length in (0..64).chain(65..70) {
        let mut other = signature.to_vec();
        other.resize(length, 0);
        assert!(!accepts(&public, b"message", &other), "{length} bytes");
    }
}
