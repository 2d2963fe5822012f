//! What opens, what must not, and what `Debug` shows.

use std::collections::HashSet;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use simpul_signing::{
    BadSignature, KeyError, MasterKey, SUBMISSION_TYPE, SigningKey, StateSealer, VERDICT_TYPE, VerifyingKey,
    seal::{self, DataKey, OpenError, TAG_BYTES, WRAPPED_BYTES, WrapKey},
};

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at / 8] ^= 1 << (at % 8);
    changed
}

#[test]
fn any_flipped_bit_of_a_sealed_payload_is_noticed() {
    let sealer = DataKey::generate().sealer();
    let nonce = seal::nonce(1, 2);
    let mut sealed = b"an invented narrative".to_vec();
    sealer.seal(nonce, b"aad", &mut sealed);
    assert_eq!(sealed.len(), 21 + TAG_BYTES);
    assert_eq!(sealer.open(nonce, b"aad", &sealed).unwrap(), b"an invented narrative");
    for bit in 0..sealed.len() * 8 {
        assert_eq!(sealer.open(nonce, b"aad", &flipped(&sealed, bit)), Err(OpenError), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(sealer.open(nonce, b"aad", &sealed[..length]), Err(OpenError), "{length} bytes");
    }
}

#[test]
fn a_sealed_payload_opens_at_its_place_and_under_its_key_only() {
    let (key, other) = (DataKey::generate(), DataKey::generate());
    let mut sealed = b"payload".to_vec();
    key.sealer().seal(seal::nonce(1, 2), b"header", &mut sealed);
    assert!(key.sealer().clone().open(seal::nonce(1, 2), b"header", &sealed).is_ok());
    assert!(key.sealer().open(seal::nonce(1, 3), b"header", &sealed).is_err(), "another position");
    assert!(key.sealer().open(seal::nonce(2, 2), b"header", &sealed).is_err(), "another epoch");
    assert!(key.sealer().open(seal::nonce(1, 2), b"Header", &sealed).is_err(), "another header");
    assert!(other.sealer().open(seal::nonce(1, 2), b"header", &sealed).is_err(), "another key");
}

#[test]
fn sealing_in_place_within_a_frame_is_the_same_as_sealing() {
    let sealer = DataKey::generate().sealer();
    let mut frame = *b"[payload]";
    let tag = sealer.seal_in_place(seal::nonce(4, 4), b"header", &mut frame[1..8]);
    let mut sealed = b"payload".to_vec();
    sealer.seal(seal::nonce(4, 4), b"header", &mut sealed);
    assert_eq!([&frame[1..8], &tag].concat(), sealed);
    assert_eq!((frame[0], frame[8]), (b'[', b']'));
}

#[test]
fn commitment_fixes_the_key_and_does_not_show_it() {
    let key = DataKey::from_bytes([1; 32]);
    assert_eq!(key.commitment(), key.sealer().commitment());
    assert_eq!(key.commitment(), DataKey::from_bytes([1; 32]).commitment());
    assert_ne!(key.commitment(), [1; 32]);
    let commitments: HashSet<_> =
        (0..=255).map(|byte| DataKey::from_bytes([byte; 32]).commitment()).collect();
    assert_eq!(commitments.len(), 256);
}

#[test]
fn a_wrapped_key_opens_in_its_slot_under_its_key_only() {
    let (wrap, key) = (WrapKey::from_bytes([7; 32]), DataKey::generate());
    let wrapped = wrap.wrap(3, &key);
    assert_eq!(wrapped.len(), WRAPPED_BYTES);
    assert_eq!(wrap.unwrap(3, &wrapped).unwrap().commitment(), key.commitment());
    assert_ne!(wrap.wrap(3, &key), wrapped, "every wrap has a fresh nonce");
    assert!(wrap.unwrap(4, &wrapped).is_err(), "another slot");
    assert!(WrapKey::from_bytes([8; 32]).unwrap(3, &wrapped).is_err(), "another key");
    for bit in 0..wrapped.len() * 8 {
        assert!(wrap.unwrap(3, &flipped(&wrapped, bit)).is_err(), "bit {bit}");
    }
    for length in 0..wrapped.len() {
        assert!(wrap.unwrap(3, &wrapped[..length]).is_err(), "{length} bytes");
    }
    assert!(wrap.unwrap(3, &[&wrapped[..], &[0]].concat()).is_err(), "a byte more");
}

#[test]
fn pii_1_sealed_state_opens_across_runs_and_labels_do_not_mix() {
    let master = MasterKey::generate();
    let first = master.state_key("read-models").with_epoch(1);
    let sealed = first.seal(b"an invented name");
    assert_eq!(sealed.len(), 16 + StateSealer::OVERHEAD_BYTES);
    assert!(!sealed.windows(8).any(|window| window == b"invented"));
    let later = MasterKey::from_text(&master.to_text()).unwrap().state_key("read-models").with_epoch(2);
    assert_eq!(later.open(&sealed).unwrap(), b"an invented name");
    assert!(master.state_key("outbox").open(&sealed).is_err());
    assert!(MasterKey::generate().state_key("read-models").open(&sealed).is_err());
    for bit in 0..sealed.len() * 8 {
        assert_eq!(first.open(&flipped(&sealed, bit)), Err(OpenError), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(first.open(&sealed[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn state_nonces_never_repeat_across_clones_threads_and_epochs() {
    let sealer = MasterKey::generate().state_key("read-models").with_epoch(5);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sealer = sealer.clone();
            std::thread::spawn(move || (0..500).map(|_| sealer.seal(b"")[..12].to_vec()).collect::<Vec<_>>())
        })
        .collect();
    let mut nonces = HashSet::new();
    for thread in threads {
        for nonce in thread.join().unwrap() {
            assert_eq!(nonce[..4], [0, 0, 0, 5]);
            assert!(nonces.insert(nonce));
        }
    }
    assert!(nonces.insert(sealer.with_epoch(6).seal(b"")[..12].to_vec()));
    assert_eq!(nonces.len(), 2_001);
}

#[test]
fn pii_1_blind_look_ups_depend_on_key_field_and_value() {
    let index = MasterKey::generate().index_key();
    assert_eq!(index.blind("nik", "3201010101900001"), index.clone().blind("nik", "3201010101900001"));
    assert_ne!(index.blind("nik", "3201010101900001"), index.blind("nik", "3201010101900002"));
    assert_ne!(index.blind("nik", "3201010101900001"), index.blind("passport", "3201010101900001"));
    assert_ne!(index.blind("a", "bc"), index.blind("ab", "c"));
    assert_ne!(MasterKey::generate().index_key().blind("nik", "1"), index.blind("nik", "1"));
}

#[test]
fn a_statement_s_signature_is_good_for_its_type_and_key_only() {
    let key = SigningKey::generate();
    let signature = key.sign_dsse(SUBMISSION_TYPE, b"statement");
    let public = VerifyingKey::from_bytes(key.public_key());
    assert_eq!(public.verify_dsse(SUBMISSION_TYPE, b"statement", &signature), Ok(()));
    assert_eq!(public.verify_dsse(VERDICT_TYPE, b"statement", &signature), Err(BadSignature));
    assert_eq!(public.verify(b"statement", &signature), Err(BadSignature));
    assert_eq!(public.verify_dsse(SUBMISSION_TYPE, b"Statement", &signature), Err(BadSignature));
    let other = SigningKey::generate().verifying_key();
    assert_eq!(other.verify_dsse(SUBMISSION_TYPE, b"statement", &signature), Err(BadSignature));
    for bit in 0..signature.len() * 8 {
        let changed = flipped(&signature, bit);
        assert_eq!(
            public.verify_dsse(SUBMISSION_TYPE, b"statement", &changed),
            Err(BadSignature),
            "bit {bit}"
        );
    }
    for length in 0..64 {
        assert_eq!(public.verify(b"", &signature[..length]), Err(BadSignature));
    }
    for junk in [[0; 32], [0xff; 32]] {
        assert_eq!(VerifyingKey::from_bytes(junk).verify(b"", &signature), Err(BadSignature));
    }
}

#[test]
fn key_files_make_the_round_trip_and_other_text_is_refused() {
    let key = SigningKey::generate();
    let text = key.to_text();
    assert!(!text.contains('\n'));
    let read = SigningKey::from_text(&format!(" {}\r\n", *text)).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    assert_eq!(read.seed(), key.seed());
    assert_eq!(SigningKey::from_seed(key.seed()).unwrap().key_id(), key.key_id());
    let label = Some(KeyError::Label { label: "simpul-ed25519-seed" });
    let master = MasterKey::generate().to_text();
    for (text, expect) in [
        (master.as_str(), label),
        ("", label),
        ("simpul-ed25519-seed", label),
        ("simpul-ed25519-seed:", Some(KeyError::Hex)),
        ("simpul-ed25519-seed:00", Some(KeyError::Hex)),
        (&text.replace(':', ":é"), Some(KeyError::Hex)),
        (&format!("{}00", *text), Some(KeyError::Hex)),
        (&format!("{}zz", &text[..text.len() - 2]), Some(KeyError::Hex)),
    ] {
        assert_eq!(SigningKey::from_text(text).err(), expect);
    }
    assert!(MasterKey::from_text(&text).is_err());
    let public = key.verifying_key();
    assert_eq!(VerifyingKey::from_hex(&public.to_string()), Ok(public));
    assert_eq!(VerifyingKey::from_hex(&format!("{public}0")), Err(KeyError::Hex));
}

#[test]
fn debug_shows_no_secret() {
    let secret = [0xab; 32];
    let master = MasterKey::from_text(&format!("simpul-master-key:{}", HEXLOWER.encode(&secret))).unwrap();
    let data = DataKey::from_bytes(secret);
    let shown = [
        format!("{:?}", SigningKey::from_seed(&secret).unwrap()),
        format!("{data:?}"),
        format!("{:?}", data.sealer()),
        format!("{:?}", WrapKey::from_bytes(secret)),
        format!("{master:?}"),
        format!("{:?}", master.index_key()),
        format!("{:?}", master.state_key("x")),
    ];
    for text in shown {
        assert!(!text.to_lowercase().contains("abab") && !text.contains("171"), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_again(
        key in any::<[u8; 32]>(), epoch in any::<u32>(), position in any::<u64>(),
        aad in prop::collection::vec(any::<u8>(), 0..80), plain in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let sealer = DataKey::from_bytes(key).sealer();
        let mut sealed = plain.clone();
        sealer.seal(seal::nonce(epoch, position), &aad, &mut sealed);
        prop_assert_eq!(sealed.len(), plain.len() + TAG_BYTES);
        prop_assert_eq!(sealer.open(seal::nonce(epoch, position), &aad, &sealed), Ok(plain));
    }

    #[test]
    fn random_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..200), slot in any::<u64>()) {
        let master = MasterKey::generate();
        prop_assert!(master.wrap_key().unwrap(slot, &bytes).is_err());
        prop_assert!(master.state_key("x").open(&bytes).is_err());
        prop_assert!(DataKey::generate().sealer().open(seal::nonce(0, slot), b"", &bytes).is_err());
    }

    #[test]
    fn nonces_of_two_places_differ(a in any::<(u32, u64)>(), b in any::<(u32, u64)>()) {
        prop_assert_eq!(a == b, seal::nonce(a.0, a.1) == seal::nonce(b.0, b.1));
    }
}
