//! Every known answer of `tests/data/merkle-vectors.json`: trees, 196 proof probes, notes, cosignatures, tiles.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{collections::HashMap, path::Path, sync::LazyLock};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use simpul_tlog::{
    checkpoint::{self, Checkpoint, CheckpointError},
    cosignature::{CosignatureSigner, time_of},
    empty_root, leaf_hash, node_hash,
    note::{NoteError, NoteSigner, NoteVerifier, SignedNote, key_id},
    path_of, proof, root_of,
    stored::{self, Frontier, HashReader},
    tile::{self, Tile, TileKind},
    tree_hash,
};

type Digest = [u8; 32];

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/merkle-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
});

fn at(pointer: &str) -> &'static Value {
    VECTORS.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"))
}

fn list(value: &'static Value) -> &'static [Value] {
    value.as_array().unwrap()
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap()
}

fn hex(value: &'static Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).unwrap()
}

/// `None` where the probe gives another length, which the types here cannot even express.
fn digest(value: &'static Value) -> Option<Digest> {
    hex(value).try_into().ok()
}

fn digests(value: &'static Value) -> Option<Vec<Digest>> {
    list(value).iter().map(digest).collect()
}

struct Memory(Vec<Digest>);

impl HashReader for Memory {
    type Error = u64;

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, u64> {
        indexes.iter().map(|&index| self.0.get(index as usize).copied().ok_or(index)).collect()
    }
}

fn stored_of(leaf_hashes: &[Digest]) -> (Frontier, Memory) {
    let (mut frontier, mut out) = (Frontier::empty(), Vec::new());
    leaf_hashes.iter().for_each(|hash| frontier.push(*hash, &mut out));
    (frontier, Memory(out))
}

fn reference_leaves() -> Vec<Vec<u8>> {
    list(at("/reference_tree_8/leaf_inputs_hex")).iter().map(hex).collect()
}

fn reference_hashes() -> Vec<Digest> {
    reference_leaves().iter().map(|leaf| leaf_hash(leaf)).collect()
}

#[test]
fn leaf_and_node_hashes_are_those_of_rfc_6962() {
    let cases = list(at("/rfc6962_hashing/cases"));
    assert_eq!(cases.len(), 5);
    for case in cases {
        let hash = match case.as_object().unwrap() {
            case if case.contains_key("leaf_hex") => leaf_hash(&hex(&case["leaf_hex"])),
            case if case.contains_key("left_hex") => {
                // The two sides of this answer are not 32 bytes long, so it stands for the concatenation only.
                let sides = [&[1][..], &hex(&case["left_hex"]), &hex(&case["right_hex"])].concat();
                ring::digest::digest(&ring::digest::SHA256, &sides).as_ref().try_into().unwrap()
            }
            _ => empty_root(),
        };
        assert_eq!(Some(hash), digest(&case["hash_hex"]), "{}", case["what"]);
    }
}

#[test]
fn reference_tree_has_every_known_node_and_root() {
    let (leaves, hashes) = (reference_leaves(), reference_hashes());
    let (_, memory) = stored_of(&hashes);
    for (level, nodes) in list(at("/reference_tree_8/node_hashes_by_level_hex")).iter().enumerate() {
        for (n, node) in list(nodes).iter().enumerate() {
            let index = stored::stored_index(level as u8, n as u64) as usize;
            assert_eq!(Some(memory.0[index]), digest(node), "level {level}, node {n}");
        }
    }
    for (size, root) in list(at("/reference_tree_8/root_by_size_hex")).iter().enumerate() {
        let root = digest(root).unwrap();
        assert_eq!(tree_hash(leaves[..size].iter().map(Vec::as_slice)), root, "tree_hash, size {size}");
        assert_eq!(root_of(&hashes[..size]), root, "root_of, size {size}");
        assert_eq!(stored_of(&hashes[..size]).0.root(), root, "frontier, size {size}");
        assert_eq!(stored::root(size as u64, &memory), Ok(root), "stored, size {size}");
    }
}

#[test]
fn every_proof_up_to_eight_leaves_is_made_and_verified() {
    let hashes = reference_hashes();
    let (_, memory) = stored_of(&hashes);
    let inclusion = list(at("/derived_all_proofs_n_le_8/inclusion"));
    assert_eq!(inclusion.len(), 36);
    for case in inclusion {
        let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
        let expect = digests(&case["proof_hex"]).unwrap();
        assert_eq!(path_of(&hashes[..size as usize], index as usize), expect, "{index} of {size}");
        assert_eq!(stored::inclusion_proof(index, size, &memory).as_ref(), Ok(&expect), "{index} of {size}");
        let root = root_of(&hashes[..size as usize]);
        assert_eq!(proof::verify_inclusion(index, size, &hashes[index as usize], &expect, &root), Ok(()));
    }
    let consistency = list(at("/derived_all_proofs_n_le_8/consistency"));
    assert_eq!(consistency.len(), 36);
    for case in consistency {
        let (old, new) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
        let expect = digests(&case["proof_hex"]).unwrap();
        assert_eq!(stored::consistency_proof(old, new, &memory).as_ref(), Ok(&expect), "{old} to {new}");
        let (old_root, new_root) = (root_of(&hashes[..old as usize]), root_of(&hashes[..new as usize]));
        assert_eq!(proof::verify_consistency(old, new, &expect, &old_root, &new_root), Ok(()));
    }
}

#[test]
fn inclusion_probes_of_honest_and_malicious_provers_are_judged_as_known() {
    let probes = list(at("/probes/inclusion"));
    assert_eq!(probes.len(), 98);
    for probe in probes {
        let verified = || {
            let (leaf, root) = (digest(&probe["leaf_hash_hex"])?, digest(&probe["root_hex"])?);
            let (index, size) = (probe["index"].as_u64()?, probe["size"].as_u64()?);
            proof::verify_inclusion(index, size, &leaf, &digests(&probe["proof_hex"])?, &root).ok()
        };
        assert_eq!(verified().is_none(), probe["want_error"].as_bool().unwrap(), "{}", probe["file"]);
    }
}

#[test]
fn consistency_probes_of_honest_and_malicious_provers_are_judged_as_known() {
    let probes = list(at("/probes/consistency"));
    assert_eq!(probes.len(), 98);
    // Some roots are texts such as `don't care`; their digest stands in, so that equal ones stay equal.
    let root = |value| digest(value).unwrap_or_else(|| leaf_hash(&hex(value)));
    let mut judged_otherwise = Vec::new();
    for probe in probes {
        let (old, new) = (probe["size1"].as_u64().unwrap(), probe["size2"].as_u64().unwrap());
        let (old_root, new_root) = (root(&probe["root1_hex"]), root(&probe["root2_hex"]));
        let holds = digests(&probe["proof_hex"])
            .is_some_and(|proof| proof::verify_consistency(old, new, &proof, &old_root, &new_root).is_ok());
        if holds == probe["want_error"].as_bool().unwrap() {
            judged_otherwise.push(text(&probe["file"]));
        }
    }
    // The source refuses size 0 altogether. C2SP tlog-witness wants it to hold with an empty proof and the empty tree's
    // root, and so do we.
    assert_eq!(judged_otherwise, ["consistency/additional/size1-is-zero-and-size2-is-not-zero.json"]);
}

#[test]
fn size_zero_holds_with_the_empty_root_and_an_empty_proof_only() {
    let (empty, other) = (empty_root(), leaf_hash(b"x"));
    assert_eq!(proof::verify_consistency(0, 0, &[], &empty, &empty), Ok(()));
    assert_eq!(proof::verify_consistency(0, 5, &[], &empty, &other), Ok(()));
    for (old, new, hashes, old_root, new_root) in [
        (0, 0, &[][..], &empty, &other),
        (0, 0, &[][..], &other, &empty),
        (0, 0, &[][..], &other, &other),
        (0, 5, &[][..], &other, &other),
        (0, 5, &[other][..], &empty, &other),
        (5, 0, &[][..], &empty, &empty),
    ] {
        assert!(proof::verify_consistency(old, new, hashes, old_root, new_root).is_err(), "{old} to {new}");
    }
}

#[test]
fn seven_leaf_example_of_rfc_6962_section_2_1_3_is_reproduced() {
    let hashes = &reference_hashes()[..7];
    let mut nodes: HashMap<&str, Digest> =
        ["a", "b", "c", "d", "e", "f", "j"].into_iter().zip(hashes.to_vec()).collect();
    for (name, left, right) in
        [("g", "a", "b"), ("h", "c", "d"), ("i", "e", "f"), ("k", "g", "h"), ("l", "i", "j")]
    {
        nodes.insert(name, node_hash(&nodes[left], &nodes[right]));
    }
    let named = |names: &'static Value| list(names).iter().map(|name| nodes[text(name)]).collect::<Vec<_>>();
    let (_, memory) = stored_of(hashes);
    for (leaf, names) in at("/rfc6962_s2.1.3_seven_leaf_example/audit_path").as_object().unwrap() {
        let index = leaf[1..].parse().unwrap();
        assert_eq!(stored::inclusion_proof(index, 7, &memory), Ok(named(names)), "{leaf}");
    }
    for (from, names) in at("/rfc6962_s2.1.3_seven_leaf_example/consistency_to_7").as_object().unwrap() {
        let old = from.trim_start_matches("from_").parse().unwrap();
        assert_eq!(stored::consistency_proof(old, 7, &memory), Ok(named(names)), "{from}");
    }
}

#[test]
fn signed_notes_and_cosignatures_verify_and_are_signed_again_byte_for_byte() {
    let notes = list(at("/notes"));
    assert_eq!(notes.len(), 7);
    for case in notes {
        let (what, note) = (&case["name"], text(&case["note"]));
        let verifier = NoteVerifier::parse(text(&case["vkey"])).unwrap();
        assert_eq!(verifier.to_string(), text(&case["vkey"]), "{what}");
        assert_eq!(verifier.id().to_vec(), hex(&case["key_id_hex"]), "{what}");
        let key_type = case["sig_type"].as_u64().unwrap() as u8;
        assert_eq!(verifier.key_type(), key_type, "{what}");
        assert_eq!(key_id(verifier.name(), key_type, &hex(&case["public_key_hex"])), verifier.id(), "{what}");

        let opened = SignedNote::open(note, std::slice::from_ref(&verifier)).unwrap();
        let line = opened.signatures.iter().find(|signature| verifier.made(signature)).unwrap();
        assert!(note.contains(&verifier.line(&line.signature)), "{what}");
        // One changed letter of the text: a known key's bad signature refuses the note.
        let changed = note.replacen(|letter: char| letter.is_ascii_alphanumeric(), "_", 1);
        let refused = SignedNote::open(&changed, std::slice::from_ref(&verifier));
        assert_eq!(refused, Err(NoteError::BadSignature(verifier.name().into())), "{what}");

        if let Some(checkpoint) = case.get("checkpoint") {
            let parsed = Checkpoint::parse(&opened.text).unwrap();
            assert_eq!(parsed.origin, text(&checkpoint["origin"]), "{what}");
            assert_eq!(parsed.size, checkpoint["size"].as_u64().unwrap(), "{what}");
            assert_eq!(BASE64.encode(&parsed.root), text(&checkpoint["root_b64"]), "{what}");
            assert_eq!(parsed.body(), opened.text, "{what}");
        }
        let Some(seed) = case.get("seed_hex").and_then(digest) else { continue };
        if let Some(time_s) = case.get("timestamp").and_then(Value::as_u64) {
            let signer = CosignatureSigner::new(verifier.name(), &seed).unwrap();
            assert_eq!(signer.verifier(), verifier, "{what}");
            assert_eq!(signer.sign_line(time_s, &opened.text), text(&case["signature_line"]), "{what}");
            assert_eq!(time_of(line), Some(time_s), "{what}");
            let raw = &line.signature[8..];
            assert!(verifier.verify_raw(text(&case["signed_message"]), raw), "{what}");
        } else {
            let signer = NoteSigner::new(verifier.name(), &seed).unwrap();
            assert_eq!(signer.verifier(), verifier, "{what}");
            assert!(note.ends_with(&signer.sign_line(&opened.text)), "{what}");
            assert_eq!(opened.signature_of(&verifier), Some(signer.raw_sign(&opened.text)), "{what}");
        }
    }
}

#[test]
fn a_checkpoint_is_accepted_from_the_log_s_own_key_only() {
    let find =
        |name: &str| list(at("/notes")).iter().find(|case| text(&case["name"]).starts_with(name)).unwrap();
    let open = |case: &'static Value| {
        checkpoint::open(text(&case["note"]), &NoteVerifier::parse(text(&case["vkey"])).unwrap())
    };
    assert_eq!(open(find("sigsum")).unwrap().size, 10);
    assert_eq!(open(find("sum.golang.org")), Err(CheckpointError::Origin("go.sum database tree".into())));
    assert!(matches!(open(find("cosignature/v1")), Err(CheckpointError::Note(NoteError::Key(_)))));
}

#[test]
fn bad_verifier_keys_are_refused() {
    let cases = list(at("/key_ids/bad_vkeys/cases"));
    assert_eq!(cases.len(), 3);
    let bad = cases.iter().map(|case| text(&case["vkey"]));
    let more = ["", "a", "a+b", "+c74f20a3+ARpc", "a b+00000000+AQ==", "a+00000000+", "a+0000000g+AQ=="];
    for vkey in bad.chain(more) {
        assert!(matches!(NoteVerifier::parse(vkey), Err(NoteError::Key(_))), "{vkey}");
    }
}

#[test]
fn checkpoint_texts_are_read_as_known() {
    for body in list(at("/checkpoint_bodies/valid")) {
        assert_eq!(Checkpoint::parse(text(body)).unwrap().body(), text(body));
    }
    let invalid = list(at("/checkpoint_bodies/invalid"));
    assert_eq!(invalid.len(), 8);
    let root = "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=";
    let more = [
        format!("Log\n01\n{root}\n"),
        format!("Log\n+1\n{root}\n"),
        format!("Log\n\n{root}\n"),
        format!("Log\n18446744073709551616\n{root}\n"),
        format!("Log\n1\n{root}\n\n"),
        format!("Log\n1\n{}\n", root.trim_end_matches('=')),
        String::new(),
    ];
    for body in invalid.iter().map(|body| text(body).to_owned()).chain(more) {
        assert!(Checkpoint::parse(&body).is_err(), "{body:?}");
    }
    let extended = format!("Log\n0\n{root}\nextension\n");
    assert_eq!(Checkpoint::parse(&extended).unwrap().size, 0);
}

#[test]
fn tile_paths_are_written_and_read_as_known() {
    for case in list(at("/tile_paths/hash_tile")) {
        let number = |column: usize| case[column].as_u64().unwrap();
        let width = if number(2) == 0 { tile::FULL_WIDTH } else { number(2) as u16 };
        let tile = Tile::new(TileKind::Hashes(number(0) as u8), number(1), width).unwrap();
        assert_eq!(tile.to_string(), text(&case[3]));
        assert_eq!(text(&case[3]).parse(), Ok(tile));
    }
    for case in list(at("/tile_paths/entries")) {
        let tile = Tile::of_entry(case[0].as_u64().unwrap(), case[1].as_u64().unwrap()).unwrap();
        assert_eq!(tile.to_string(), text(&case[2]));
        assert_eq!(text(&case[2]).parse(), Ok(tile));
    }
    let reject = list(at("/tile_paths/reject"));
    assert_eq!(reject.len(), 14);
    for path in reject {
        assert!(format!("tile/{}", text(path)).parse::<Tile>().is_err(), "{path}");
    }
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/+1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/x000/001",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000/",
        "/tile/0/000",
    ] {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
}

#[test]
fn tile_layout_is_as_known_for_every_size() {
    for (size, levels) in at("/tile_layout/sizes").as_object().unwrap() {
        let expect: Vec<_> = list(levels)
            .iter()
            .map(|level| tile::Level {
                level: level["level"].as_u64().unwrap() as u8,
                full: level["full"].as_u64().unwrap(),
                partial_width: level["partial_width"].as_u64().unwrap() as u16,
            })
            .collect();
        assert_eq!(tile::layout(size.parse().unwrap()), expect, "size {size}");
    }
    assert_eq!(tile::layout(0), []);
    assert_eq!(tile::layout(u64::MAX).len(), 8);
}

/// The root is a known answer; the flat array's digest is golden, so that the stored format cannot drift (recomputed by an
/// independent Python script).
#[test]
fn tree_of_300_records_has_the_known_root_and_the_golden_stored_hashes() {
    let leaves: Vec<_> = (0..300).map(|number| format!("record {number}")).collect();
    let root = tree_hash(leaves.iter().map(String::as_bytes));
    assert_eq!(BASE64.encode(&root), "gw31yQrqZZCcEOPrzX+bpy3nJ6QgngTKn8G1m0i62uU=");
    let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
    let (frontier, memory) = stored_of(&hashes);
    assert_eq!(frontier.root(), root);
    assert_eq!(memory.0.len() as u64, stored::stored_count(300));
    let flat = ring::digest::digest(&ring::digest::SHA256, memory.0.as_flattened());
    assert_eq!(
        HEXLOWER.encode(flat.as_ref()),
        "877c66ef9a5a4bdb17c253bc438f5349d69b4f37cfc44dfaf0796643386226cd"
    );
}

#[test]
fn stored_indexes_are_golden() {
    let golden = [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 2),
        (0, 2, 3),
        (0, 3, 4),
        (1, 1, 5),
        (2, 0, 6),
        (0, 4, 7),
        (0, 5, 8),
        (1, 2, 9),
        (0, 6, 10),
        (0, 7, 11),
        (1, 3, 12),
        (2, 1, 13),
        (3, 0, 14),
        (0, 8, 15),
        (10, 0, 2046),
        (0, 1_000_000, 1_999_993),
    ];
    for (level, n, index) in golden {
        assert_eq!(stored::stored_index(level, n), index, "level {level}, number {n}");
    }
    assert_eq!([0, 1, 2, 3, 4, 8, 9].map(stored::stored_count), [0, 1, 3, 4, 7, 15, 16]);
}
