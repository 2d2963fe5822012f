//! Stored hashes against the RFC's own recursion, all pairs of sizes, changed proofs, and no panic on any input.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use proptest::prelude::*;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    cosignature::CosignatureSigner,
    leaf_hash, node_hash,
    note::{NoteError, NoteSigner, NoteVerifier, SignedNote},
    path_of, proof, root_of,
    stored::{self, Frontier, HashReader},
    tile::{Tile, TileKind},
    tree_hash,
};

type Digest = [u8; 32];

/// RFC 6962 section 2.1 as it stands there.
mod rfc {
    use super::*;

    fn k(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    pub fn mth(d: &[Digest]) -> Digest {
        match d {
            [] => ring::digest::digest(&ring::digest::SHA256, b"").as_ref().try_into().unwrap(),
            [one] => *one,
            _ => node_hash(&mth(&d[..k(d.len())]), &mth(&d[k(d.len())..])),
        }
    }

    pub fn path(m: usize, d: &[Digest]) -> Vec<Digest> {
        if d.len() == 1 {
            return Vec::new();
        }
        let (left, right) = d.split_at(k(d.len()));
        if m < left.len() {
            [path(m, left), vec![mth(right)]].concat()
        } else {
            [path(m - left.len(), right), vec![mth(left)]].concat()
        }
    }

    pub fn subproof(m: usize, d: &[Digest], whole: bool) -> Vec<Digest> {
        if m == d.len() {
            return if whole { Vec::new() } else { vec![mth(d)] };
        }
        let (left, right) = d.split_at(k(d.len()));
        if m <= left.len() {
            [subproof(m, left, whole), vec![mth(right)]].concat()
        } else {
            [subproof(m - left.len(), right, false), vec![mth(left)]].concat()
        }
    }
}

struct Memory(Vec<Digest>);

impl HashReader for Memory {
    type Error = u64;

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, u64> {
        indexes.iter().map(|&index| self.0.get(index as usize).copied().ok_or(index)).collect()
    }
}

/// Breaks the reader's promise: gives back less than was asked for.
struct Short;

impl HashReader for Short {
    type Error = ();

    fn read(&self, indexes: &[u64]) -> Result<Vec<Digest>, ()> {
        Ok(vec![[7; 32]; indexes.len() / 2])
    }
}

fn hashes(count: usize) -> Vec<Digest> {
    (0..count).map(|number| leaf_hash(format!("leaf {number}").as_bytes())).collect()
}

fn stored_of(leaf_hashes: &[Digest]) -> (Frontier, Memory) {
    let (mut frontier, mut out) = (Frontier::empty(), Vec::new());
    leaf_hashes.iter().for_each(|hash| frontier.push(*hash, &mut out));
    (frontier, Memory(out))
}

#[test]
fn stored_proofs_equal_the_naive_recursion_for_every_size() {
    let all = hashes(130);
    let (_, memory) = stored_of(&all);
    for size in 0..=all.len() {
        let leaves = &all[..size];
        let root = rfc::mth(leaves);
        assert_eq!(root_of(leaves), root, "size {size}");
        assert_eq!(stored::root(size as u64, &memory), Ok(root), "size {size}");
        for index in 0..size {
            let path = rfc::path(index, leaves);
            assert_eq!(path_of(leaves, index), path, "{index} of {size}");
            assert_eq!(stored::inclusion_proof(index as u64, size as u64, &memory).as_ref(), Ok(&path));
            let verdict = proof::verify_inclusion(index as u64, size as u64, &leaves[index], &path, &root);
            assert_eq!(verdict, Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn consistency_holds_between_all_sizes_and_fails_for_another_history() {
    let all = hashes(70);
    let (_, memory) = stored_of(&all);
    let roots: Vec<_> = (0..=all.len()).map(|size| rfc::mth(&all[..size])).collect();
    for new in 0..=all.len() {
        for old in 0..=new {
            let made = stored::consistency_proof(old as u64, new as u64, &memory).unwrap();
            if old > 0 {
                assert_eq!(made, rfc::subproof(old, &all[..new], true), "{old} to {new}");
            }
            let verify = |old_root, new_root| {
                proof::verify_consistency(old as u64, new as u64, &made, old_root, new_root)
            };
            assert_eq!(verify(&roots[old], &roots[new]), Ok(()), "{old} to {new}");
            assert!(verify(&[9; 32], &roots[new]).is_err(), "{old} to {new}");
            if old > 0 {
                assert!(verify(&roots[old], &[9; 32]).is_err(), "{old} to {new}");
            }
        }
    }
}

#[test]
fn a_frontier_is_the_same_pushed_or_loaded_and_shows_what_it_completes() {
    let all = hashes(300);
    let (mut frontier, mut out) = (Frontier::empty(), Vec::new());
    for (before, hash) in all.iter().enumerate() {
        assert_eq!(out.len() as u64, stored::stored_count(before as u64));
        assert_eq!(stored::stored_index(0, before as u64), out.len() as u64);
        frontier.push(*hash, &mut out);
        assert_eq!(frontier.size(), before as u64 + 1);
    }
    let memory = Memory(out);
    for size in 0..=300 {
        let loaded = Frontier::load(size, &memory).unwrap();
        assert_eq!((loaded.size(), loaded.root()), (size, root_of(&all[..size as usize])));
    }
    assert_eq!(Frontier::load(300, &memory), Ok(frontier));
    for level in 0..=8 {
        for n in 0..300 >> level {
            let range = (n as usize) << level..(n as usize + 1) << level;
            assert_eq!(memory.0[stored::stored_index(level, n) as usize], rfc::mth(&all[range]));
        }
    }
}

#[test]
fn outside_of_the_tree_there_is_an_error_or_nothing_but_no_panic() {
    let (_, memory) = stored_of(&hashes(5));
    assert_eq!(stored::inclusion_proof(5, 5, &memory), Ok(vec![]));
    assert_eq!(stored::inclusion_proof(0, 0, &memory), Ok(vec![]));
    assert_eq!(stored::consistency_proof(6, 5, &memory), Ok(vec![]));
    assert!(stored::inclusion_proof(0, 9, &memory).is_err());
    assert!(stored::root(u64::MAX, &memory).is_err());
    assert_eq!(path_of(&hashes(3), 3), Vec::<Digest>::new());
    assert_eq!(stored::stored_index(64, 0), u64::MAX);
    assert_eq!(stored::stored_index(u8::MAX, u64::MAX), u64::MAX);
    assert_eq!(stored::stored_index(63, u64::MAX), u64::MAX);
    assert_eq!(stored::stored_count(u64::MAX), u64::MAX);
    assert!(stored::inclusion_proof(3, 1 << 40, &Short).is_ok());
    let mut frontier = Frontier::load(u64::MAX, &Short).unwrap();
    frontier.push([1; 32], &mut Vec::new());
    assert_eq!(frontier.size(), u64::MAX);
    frontier.root();
}

#[test]
fn notes_with_many_signatures_keep_the_rules() {
    let signers: Vec<_> =
        (0..20u8).map(|n| NoteSigner::new(&format!("key-{n}"), &[n; 32]).unwrap()).collect();
    let text = "first\n\nthird line, after an empty one\n";
    let lines: String = signers.iter().map(|signer| signer.sign_line(text)).collect();
    let note = format!("{text}\n{lines}");
    let verifiers: Vec<_> = signers.iter().map(NoteSigner::verifier).collect();
    let opened = SignedNote::open(&note, &verifiers).unwrap();
    assert_eq!((opened.text.as_str(), opened.signatures.len()), (text, 20));
    assert!(SignedNote::open(&note, &verifiers[3..4]).is_ok());
    let stranger = NoteSigner::new("stranger", &[99; 32]).unwrap();
    assert_eq!(SignedNote::open(&note, &[stranger.verifier()]), Err(NoteError::Unsigned));
    assert_eq!(SignedNote::open(&note, &[]), Err(NoteError::Unsigned));
    // Same name, other key: another id, so unknown.
    let namesake = NoteSigner::new("key-3", &[99; 32]).unwrap();
    assert_eq!(SignedNote::open(&note, &[namesake.verifier()]), Err(NoteError::Unsigned));
    // One bad line of a known key refuses the note, whatever the others say.
    let forged = format!("{note}{}", verifiers[5].line(&[0; 64]));
    assert_eq!(SignedNote::open(&forged, &verifiers), Err(NoteError::BadSignature("key-5".into())));
    assert!(SignedNote::open(&forged, &verifiers[6..]).is_ok());

    let line = signers[0].sign_line("x\n");
    for wrong in [
        String::new(),
        "\n\n".into(),
        "x\n".into(),
        "x\n\n".into(),
        format!("x\n{line}"),
        format!("x\r\n\n{line}"),
        format!("x\n\n{}", line.trim_end()),
        format!("x\n\n{}", line.replace('\u{2014}', "-")),
        format!("x\n\n{line}junk\n"),
        "x\n\n\u{2014} key-0 AAAA\n".into(),
        "x\n\n\u{2014} key+0 AAAAAAAA\n".into(),
        format!("x\n\n{}", line.repeat(101)),
        format!("{}\n\n{line}", "x".repeat(1 << 20)),
    ] {
        assert!(matches!(SignedNote::parse(&wrong), Err(NoteError::Malformed(_))), "{:.60}", wrong);
    }
    assert!(SignedNote::parse(&format!("x\n\n{}", line.repeat(100))).is_ok());
    for name in ["", "a b", "a+b", "a\u{3000}b", "a\nb", "a\u{1}b"] {
        assert!(NoteSigner::new(name, &[1; 32]).is_err(), "{name:?}");
    }
}

#[test]
fn a_checkpoint_survives_signing_by_a_raw_signature_and_a_witness_s_line() {
    let signer = NoteSigner::new("simpul.example/test", &[3; 32]).unwrap();
    let checkpoint = Checkpoint { origin: signer.name().into(), size: 12, root: [5; 32] };
    let note = checkpoint.sign(&signer);
    let raw = signer.raw_sign(&checkpoint.body());
    assert_eq!(checkpoint.with_signature(&signer.verifier(), &raw), note);
    assert_eq!(SignedNote::parse(&note).unwrap().signature_of(&signer.verifier()), Some(raw));

    let witness = CosignatureSigner::new("witness.example", &[4; 32]).unwrap();
    let cosigned = format!("{note}{}", witness.sign_line(1_700_000_000, &checkpoint.body()));
    assert_eq!(checkpoint::open(&cosigned, &signer.verifier()), Ok(checkpoint.clone()));
    let both = [signer.verifier(), witness.verifier()];
    assert!(SignedNote::open(&cosigned, &both).is_ok());
    let moved = format!("{note}{}", witness.sign_line(1_700_000_000, "another\n1\n"));
    assert!(SignedNote::open(&moved, &both).is_err());
    let lies = Checkpoint { origin: "other.example".into(), ..checkpoint }.sign(&signer);
    assert!(checkpoint::open(&lies, &signer.verifier()).is_err());
}

#[test]
fn debug_of_signers_shows_no_seed() {
    let shown = format!(
        "{:?} {:?}",
        NoteSigner::new("a", &[0xab; 32]).unwrap(),
        CosignatureSigner::new("b", &[0xcd; 32]).unwrap()
    );
    assert!(!shown.contains("abab") && !shown.contains("171, 171") && !shown.contains("cdcd"), "{shown}");
}

fn any_digests() -> impl Strategy<Value = Vec<Digest>> {
    prop::collection::vec(any::<Digest>(), 0..70)
}

/// Numbers near the edges as often as any others.
fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..40,
        any::<u64>(),
        (0u32..64).prop_map(|bit| 1 << bit),
        Just(u64::MAX),
        Just(u64::MAX - 1)
    ]
}

proptest! {
    #[test]
    fn tree_hash_over_leaves_is_the_recursion_over_their_hashes(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..200)
    ) {
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        prop_assert_eq!(tree_hash(leaves.iter().map(Vec::as_slice)), rfc::mth(&hashes));
    }

    #[test]
    fn proofs_of_a_large_tree_hold_and_no_changed_one_does(
        size in 1usize..2_000, index in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let all = hashes(size);
        let (frontier, memory) = stored_of(&all);
        let (index, old, root) = (index.index(size), old.index(size) + 1, frontier.root());
        let (index64, old64, size64) = (index as u64, old as u64, size as u64);
        let flip = |hashes: &[Digest]| {
            let mut changed = hashes.to_vec();
            if !changed.is_empty() {
                let hash = at.index(changed.len());
                changed[hash][bit / 8] ^= 1 << (bit % 8);
            }
            changed
        };

        let path = stored::inclusion_proof(index64, size64, &memory).unwrap();
        let verify = |index, leaf: &Digest, path: &[Digest]| proof::verify_inclusion(index, size64, leaf, path, &root);
        prop_assert_eq!(verify(index64, &all[index], &path), Ok(()));
        prop_assert!(verify(index64, &flip(&[all[index]])[0], &path).is_err());
        prop_assert!(path.is_empty() || verify(index64, &all[index], &flip(&path)).is_err());
        prop_assert!(verify(index64, &all[index], &[&path[..], &[root]].concat()).is_err());
        prop_assert!(verify(index64 ^ 1, &all[index], &path).is_err());
        prop_assert!(verify(size64, &all[index], &path).is_err());

        let old_root = root_of(&all[..old]);
        let grown = stored::consistency_proof(old64, size64, &memory).unwrap();
        let verify = |old, grown: &[Digest]| proof::verify_consistency(old, size64, grown, &old_root, &root);
        prop_assert_eq!(verify(old64, &grown), Ok(()));
        prop_assert!(grown.is_empty() || verify(old64, &flip(&grown)).is_err());
        prop_assert!(verify(old64, &[&grown[..], &[root]].concat()).is_err());
        prop_assert!(verify(old64 - 1, &grown).is_err());
    }

    #[test]
    fn verifiers_never_panic_and_believe_nothing_random(
        a in any_size(), b in any_size(), hashes in any_digests(), left in any::<Digest>(), right in any::<Digest>()
    ) {
        prop_assert!(proof::verify_inclusion(a, b, &left, &hashes, &right).is_err());
        prop_assert!(proof::verify_consistency(a, b, &hashes, &left, &right).is_err());
        // Of the length these sizes ask for, so that the hashing is reached too.
        for verdict in [
            proof::verify_inclusion(a, b, &left, &[], &right),
            proof::verify_consistency(a, b, &[], &left, &right),
        ] {
            if let Err(proof::ProofError::Length { expected, .. }) = verdict {
                prop_assert!(expected <= 65);
                let fitting = vec![left; expected];
                prop_assert!(proof::verify_inclusion(a, b, &left, &fitting, &right).is_err());
                prop_assert!(proof::verify_consistency(a, b, &fitting, &left, &right).is_err());
            }
        }
    }

    #[test]
    fn stored_numbers_and_proofs_of_any_size_never_panic(level in any::<u8>(), a in any_size(), b in any_size()) {
        stored::stored_index(level, a);
        stored::stored_count(a);
        let _ = stored::inclusion_proof(a, b, &Short);
        let _ = stored::consistency_proof(a, b, &Short);
        let _ = stored::root(a, &Short);
    }

    #[test]
    fn parsers_never_panic(text in "(\\PC|[\n\u{2014}+ =.x/0-9])*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let lossy = String::from_utf8_lossy(&bytes);
        for text in [&text, &*lossy] {
            let _ = SignedNote::parse(text);
            let _ = SignedNote::parse(&format!("{text}\n\n\u{2014} {text} {text}\n"));
            let _ = Checkpoint::parse(text);
            let _ = NoteVerifier::parse(text);
            let _ = text.parse::<Tile>();
            let _ = format!("tile/{text}").parse::<Tile>();
        }
    }

    #[test]
    fn a_tile_s_path_makes_the_round_trip(level in 0u8..64, index in any::<u64>(), width in 1u16..=256, entries in any::<bool>()) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let tile = Tile::new(kind, index, width).unwrap();
        prop_assert_eq!(tile.to_string().parse::<Tile>(), Ok(tile));
    }
}
