//! The published vectors: `tests/data/merkle-vectors.json` and the edges of Ed25519.

use std::path::Path;

use serde_json::Value;
use simpul_signing::VerifyingKey;

use super::{
    notes,
    question::{Ask, List, digest, hex, unhex},
    trees,
};

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no list at {pointer}"))
}

fn text(value: &Value) -> String {
    value.as_str().map(str::to_string).unwrap_or_else(|| panic!("no text: {value}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|texts| texts.iter().map(text).collect()).unwrap_or_default()
}

pub(super) fn ask(list: &mut List) {
    let vectors = read("merkle-vectors.json");
    proofs(list, &vectors);
    texts_of_notes(list, &vectors);
    edges(list, &read("ed25519-edges.json"));
}

fn proofs(list: &mut List, vectors: &Value) {
    let leaves = texts(&vectors["reference_tree_8"]["leaf_inputs_hex"]);
    let hashes = texts(&vectors["reference_tree_8"]["node_hashes_by_level_hex"][0]);
    let roots = texts(&vectors["reference_tree_8"]["root_by_size_hex"]);
    let tree = list.add("published root", Ask::Tree { leaves: leaves.clone() }, roots.last().cloned());
    for (size, root) in roots.iter().enumerate().skip(1) {
        list.add("published root", Ask::Root { tree, size: size as u64 }, Some(root.clone()));
    }
    for case in list_at(vectors, "/derived_all_proofs_n_le_8/inclusion") {
        let ask = Ask::ProveInclusion { tree, index: number(&case["index"]), size: number(&case["size"]) };
        list.add("published proof", ask, Some(texts(&case["proof_hex"]).concat()));
    }
    for case in list_at(vectors, "/derived_all_proofs_n_le_8/consistency") {
        let ask = Ask::ProveConsistency { tree, old: number(&case["size1"]), new: number(&case["size2"]) };
        list.add("published proof", ask, Some(texts(&case["proof_hex"]).concat()));
    }
    let long = |texts: &[&str]| texts.iter().all(|text| digest(text).is_some());
    for probe in list_at(vectors, "/probes/inclusion") {
        let (index, size) = (number(&probe["index"]), number(&probe["size"]));
        let (root, leaf_hash) = (text(&probe["root_hex"]), text(&probe["leaf_hash_hex"]));
        let proof = texts(&probe["proof_hex"]);
        let class = if long(&[&root, &leaf_hash]) {
            "published inclusion probe"
        } else {
            "published probe, odd hash"
        };
        let leaf = hashes.iter().position(|hash| *hash == leaf_hash).map(|at| leaves[at].clone());
        let ours = trees::inclusion_holds(index, size, &root, &leaf_hash, &proof);
        list.add(class, Ask::Inclusion { index, size, root, leaf_hash, leaf, proof }, ours);
    }
    for probe in list_at(vectors, "/probes/consistency") {
        let (old, new) = (number(&probe["size1"]), number(&probe["size2"]));
        let (old_root, new_root) = (text(&probe["root1_hex"]), text(&probe["root2_hex"]));
        let proof = texts(&probe["proof_hex"]);
        let class = match (long(&[&old_root, &new_root]), old) {
            (false, _) => "published probe, odd hash",
            (true, 0) => "published consistency probe from size 0",
            (true, _) => "published consistency probe",
        };
        let ours = trees::consistency_holds(old, new, &old_root, &new_root, &proof);
        list.add(class, Ask::Consistency { old, new, old_root, new_root, proof }, ours);
    }
}

fn texts_of_notes(list: &mut List, vectors: &Value) {
    for case in list_at(vectors, "/notes") {
        let (vkey, note) = (text(&case["vkey"]), text(&case["note"]));
        if number(&case["sig_type"]) == 4 {
            notes::cosigned(list, "published cosignature", &vkey, &note);
            continue;
        }
        notes::vkey(list, "published vkey", &vkey);
        notes::note(list, "published note", &vkey, &note);
        if case.get("checkpoint").is_some() {
            notes::signed_checkpoint(list, "published checkpoint of another name", &vkey, &note);
        }
    }
    for case in list_at(vectors, "/key_ids/bad_vkeys/cases") {
        notes::vkey(list, "published bad vkey", &text(&case["vkey"]));
    }
    for body in texts(&vectors["checkpoint_bodies"]["valid"]) {
        notes::checkpoint(list, "published checkpoint text", &body);
    }
    for body in texts(&vectors["checkpoint_bodies"]["invalid"]) {
        notes::checkpoint(list, "published bad checkpoint text", &body);
    }
    for row in list_at(vectors, "/tile_paths/hash_tile") {
        super::paths::path(list, "published tile path", &text(&row[3]));
    }
    for row in list_at(vectors, "/tile_paths/entries") {
        super::paths::path(list, "published tile path", &text(&row[2]));
    }
    for path in texts(&vectors["tile_paths"]["reject"]) {
        super::paths::path(list, "published bad tile path", &format!("tile/{path}"));
    }
}

fn edges(list: &mut List, edges: &Value) {
    let mut ask = |class: &str, key: String, message: String, signature: String| {
        let parts = (digest(&key), unhex(&message), unhex(&signature));
        let (Some(key_bytes), Some(message_bytes), Some(signature_bytes)) = parts else {
            panic!("{class}: no hex")
        };
        let ours = VerifyingKey::from_bytes(key_bytes).verify(&message_bytes, &signature_bytes).is_ok();
        list.add(class, Ask::Ed25519 { key, message, signature }, ours);
    };
    for condition in list_at(edges, "/conditions") {
        let class = format!("ed25519: {}", text(&condition["name"]));
        ask(&class, text(&condition["key"]), text(&condition["message"]), text(&condition["signature"]));
    }
    let encodings = texts(&edges["small_order"]["encodings"]);
    let message = text(&edges["small_order"]["message"]);
    for key in &encodings {
        for r in &encodings {
            let signature = format!("{r}{}", hex([0; 32]));
            ask("ed25519: small order", key.clone(), message.clone(), signature);
        }
    }
}
