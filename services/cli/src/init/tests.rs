use std::fs;

use prost::Message;
use simpul_proto::{directory, v1};
use simpul_signing::{SUBMISSION_TYPE, VerifyingKey};
use simpul_types::{Clock, Submission, clock::System};

use super::*;

fn realm() -> (tempfile::TempDir, InitOptions, Realm) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = InitOptions::demo(dir.path().join("realm"), System.now());
    let realm = init(&options, &System).expect("a new realm");
    (dir, options, realm)
}

#[test]
fn the_bootstrap_submission_is_signed_by_the_authority_and_declares_everyone() {
    let (_dir, _, realm) = realm();
    let bytes = fs::read(realm.dir.join("bootstrap.binpb")).expect("the file");
    let wire = v1::Submission::decode(bytes.as_slice()).expect("a submission");
    let submission = Submission::decode(wire).expect("of right form");
    let authority = VerifyingKey::from_hex(&realm.authority_key).expect("a key");
    assert_eq!(submission.key_id, authority.key_id());
    assert_eq!(submission.statement.sender.to_string(), "directory/authority");
    assert!(
        authority.verify_dsse(SUBMISSION_TYPE, &submission.statement_bytes, &submission.signature).is_ok()
    );
    let headers = submission.events.iter().map(|event| event.header_bytes.as_ref());
    assert_eq!(simpul_tlog::tree_hash(headers), submission.statement.events_root);
    let mut declared = Vec::new();
    for event in &submission.events {
        assert_eq!(simpul_signing::commitment(&event.salt, &event.payload), event.header.payload_commitment);
        declared.push(event.header.event_type.as_str().rsplit('.').next().unwrap_or_default().to_string());
        if event.header.event_type.as_str().ends_with("KeyRegistered") {
            let key = directory::KeyRegistered::decode(event.payload.clone()).expect("its own type");
            assert_eq!(key.public_key.len(), 32);
        }
    }
    let count = |name: &str| declared.iter().filter(|event| *event == name).count();
    assert_eq!((count("AgencyDeclared"), count("ConnectorDeclared")), (5, 9));
    assert_eq!((count("KeyRegistered"), count("PolicyDeclared")), (9, 1));
    assert_eq!((count("AgreementConcluded"), count("DualControlBegun")), (4, 1));
}

#[test]
fn every_client_configuration_can_be_loaded_and_names_its_certificate() {
    let (_dir, options, realm) = realm();
    for sender in &realm.senders {
        let path = realm.client_config(sender.agency.as_str(), sender.connector.as_str());
        let file = simpul_connector::ClientFile::load(&path).expect("a client configuration");
        assert_eq!(file.hub.sender(), *sender);
        assert_eq!(file.hub.endpoint, format!("https://localhost:{}", options.grpc_port));
        assert_eq!(file.hub.log_verifier.as_deref(), Some(realm.log_vkey.as_str()));
        assert_eq!(file.access_verifier.as_deref(), Some(realm.access_vkey.as_str()));
        let pem = fs::read_to_string(file.hub.certificate_pem).expect("a certificate");
        let der = data_encoding::BASE64
            .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>().as_bytes());
        let der = der.expect("PEM");
        let spiffe = sender.spiffe();
        assert!(der.windows(spiffe.len()).any(|window| window == spiffe.as_bytes()), "{sender}");
    }
}

#[cfg(unix)]
#[test]
fn secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, _, realm) = realm();
    let mut folders = vec![realm.dir.clone()];
    let mut secrets = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).expect("a folder").permissions().mode() & 0o077, 0);
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "key") {
                secrets += 1;
                let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }
    // CA; two of each of the authority's two officers; six of the hub; two of each of seven clients and a token; one of NATS.
    assert_eq!(secrets, 1 + 4 + 6 + 14 + 1 + 1);
}

#[test]
fn nothing_is_overwritten() {
    let (_dir, options, realm) = realm();
    let before = fs::read(realm.dir.join("ca.key")).expect("a key");
    assert!(matches!(init(&options, &System), Err(InitError::Occupied(_))));
    assert_eq!(fs::read(realm.dir.join("ca.key")).expect("a key"), before);
}

#[test]
fn names_are_checked_before_the_first_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let refused = |change: fn(&mut InitOptions)| {
        let mut options = InitOptions::demo(dir.path().join("realm"), System.now());
        change(&mut options);
        let error = init(&options, &System).expect_err("refused");
        assert!(!options.out.exists());
        error
    };
    assert!(matches!(
        refused(|options| options.realm = "A b".into()),
        InitError::Value { what: "realm", .. }
    ));
    assert!(matches!(refused(|options| options.hosts.clear()), InitError::Value { what: "host", .. }));
    assert!(matches!(refused(|options| options.agencies[0].code = "KP2MI".into()), InitError::Name { .. }));
}

#[test]
fn the_hub_configuration_is_toml_with_every_section() {
    let (_dir, _, realm) = realm();
    let text = fs::read_to_string(&realm.hub_config).expect("the file");
    let table: toml::Table = text.parse().expect("TOML");
    for section in ["listen", "tls", "keys", "log", "directory", "nats"] {
        assert!(table[section].is_table(), "{section}");
    }
    assert_eq!(table["log"]["origin"].as_str(), Some("simpul.example/demo"));
    let nats = fs::read_to_string(realm.nats_config.expect("wanted")).expect("the file");
    assert!(nats.contains("spiffe://simpul/agency/kbri-yangon/connector/desk"));
}
