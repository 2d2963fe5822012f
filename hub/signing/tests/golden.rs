//! Known answers of stored and signed formats. The values were computed with another implementation (Python
//! `cryptography`) from the tables in the module docs: what is on somebody's disk must open for ever.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use data_encoding::HEXLOWER;
use simpul_signing::{
    EpochKeys, MasterKey, SUBMISSION_TYPE, SigningKey, VerifyingKey, key_id,
    seal::{self, DataKey, WrapKey},
};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn counting(from: u8) -> [u8; 32] {
    std::array::from_fn(|index| from + index as u8)
}

const MASTER: &str = "simpul-master-key:6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283";

/// RFC 8032 section 7.1, test 1.
#[test]
fn signing_key_of_rfc_8032_signs_as_known() {
    let text = "simpul-ed25519-seed:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let key = SigningKey::from_text(text).unwrap();
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(key.verifying_key().to_string(), public);
    assert_eq!(key.key_id().as_str(), "21fe31dfa154a261");
    assert_eq!(key_id(&hex(public)), key.key_id());
    let empty = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    assert_eq!(HEXLOWER.encode(&key.sign(b"")), empty);
    let statement = "955d6cf7962fad1578753132788d9a312945270851d4dfc0d35fe97d9150dc64eea46e2586541d42bbcda4932656914b884fa4af25e82d04051301e86508e109";
    assert_eq!(HEXLOWER.encode(&key.sign_dsse(SUBMISSION_TYPE, b"statement")), statement);
    let verifier = VerifyingKey::from_hex(public).unwrap();
    assert_eq!(verifier.verify_dsse(SUBMISSION_TYPE, b"statement", &hex(statement)), Ok(()));
}

#[test]
fn sealed_payload_and_key_commitment_are_golden() {
    let sealer = DataKey::from_bytes(counting(0)).sealer();
    let commitment = "c1b0f3f1ba19f61e12796d3e9a17fb6aca664e234f41845cc684c067d87f3ab3";
    assert_eq!(HEXLOWER.encode(&sealer.commitment()), commitment);
    let sealed = hex("fe681e2c522a5c0c4f0945e32b7f13bc54bef1876ea4e2648e839a68c1a5");
    let nonce = seal::nonce(7, 513);
    assert_eq!(nonce, [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 2, 1]);
    assert_eq!(sealer.open(nonce, b"header digest", &sealed).unwrap(), b"sealed payload");
    let mut payload = b"sealed payload".to_vec();
    sealer.seal(nonce, b"header digest", &mut payload);
    assert_eq!(payload, sealed);
}

#[test]
fn wrapped_data_key_is_golden() {
    let wrapped = hex(
        "000102030405060708090a0b05df93deb529f40c950f4e18ddd05534228cdc79b45cf4fe0b803a3c8609a3e0dacad43829ea6856c83499d3e2201002",
    );
    let key = WrapKey::from_bytes([0x42; 32]).unwrap(9, &wrapped).unwrap();
    assert_eq!(key.commitment(), DataKey::from_bytes(counting(0)).commitment());
}

#[test]
fn keys_derived_from_a_master_key_are_golden() {
    let master = MasterKey::from_text(MASTER).unwrap();
    assert_eq!(*master.to_text(), MASTER);
    let wrapped = hex(
        "000102030405060708090a0bf196d556b10d81b2a3174c1a32ca1ea8803b07e279abad9223854402342bcf6ce8f136d98c534843b218130228293255",
    );
    let key = master.wrap_key().unwrap(9, &wrapped).unwrap();
    assert_eq!(key.commitment(), DataKey::from_bytes(counting(0)).commitment());
    let blind = "0347f5e0e3226cebf4fa6e6f8914ec04b690f7e1cb74e91ec907df21ce792e5c";
    assert_eq!(HEXLOWER.encode(&master.index_key().blind("nik", "3201010101900001")), blind);
    let value = hex("000000030000000000000005d038fec584378e179968b4a7857b13086848406198");
    assert_eq!(master.state_key("read-models").open(&value).unwrap(), b"value");
}

#[test]
fn a_data_key_wrapped_in_an_epoch_is_golden() {
    let line = format!("simpul-epoch-key:3:1795000000:{}\n", "24".repeat(32));
    let epochs = EpochKeys::from_text(&line).unwrap();
    assert_eq!((epochs.number(), epochs.begun_s(), &*epochs.to_text()), (3, 1_795_000_000, &line));
    let wrapped = hex(
        "000102030405060708090a0be514b3d9fd71d8383087677818c47aa75736acddab3217dec47340a282ee636c8861e6f029383a9bd6796a0496d561d5",
    );
    let master = MasterKey::from_text(MASTER).unwrap().with_epochs(epochs);
    let key = master.wrap_key().unwrap(9, &wrapped).unwrap();
    assert_eq!(key.commitment(), DataKey::from_bytes(counting(0)).commitment());
}
