//! A new connector in minutes: invited, its keys made at the agency, admitted by two keys of the authority, tried, at work.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use simpul_tests::{World, process::binary};

/// An event that a registry sends, as `simpul submit` takes it.
const SAMPLE: &str = r#"{"type": "simpul.registry.v1.LicenceRecorded", "stream_key": "sisko-licence/UJI/1", "purpose": "PLACEMENT", "legal_basis": "UU 18/2017", "occurred_at": "2026-02-11T08:00:00Z", "expected": "any", "payload": {"licence_no": "UJI/1", "kind": "SIP3MI", "holder": "PT Uji Rekaan", "valid_from": "2024-01-01", "valid_until": "2029-01-01"}}"#;

fn simpul(arguments: &[&str]) -> Output {
    Command::new(binary("simpul")).args(arguments).output().unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The reference of what was proposed, out of the JSON of a command.
fn proposal(output: &Output) -> String {
    let line: Value = serde_json::from_str(done(output).lines().next().unwrap()).unwrap();
    line["proposal"].as_str().unwrap().to_owned()
}

#[test]
fn a_connector_is_invited_enrolled_admitted_by_two_keys_and_certified() {
    let world = World::new();
    let hub = world.hub();
    let file = |name: &str| world.path().join(name).to_str().unwrap().to_owned();
    let (invite, grant, folder) = (file("invite.json"), file("grant.json"), file("enrolled"));
    let (ca, ca_key) = (world.realm.dir.join("ca.pem"), world.realm.dir.join("ca.key"));
    let (ca, ca_key) = (ca.to_str().unwrap(), ca_key.to_str().unwrap());
    let inviting = |agency: &str, out: &str| {
        world.authority(
            "first",
            &[
                "invite",
                "--agency",
                agency,
                "--connector",
                "sisko-baru",
                "--out",
                out,
                "--reason",
                "a new system",
            ],
        )
    };
    let unknown = refused(&inviting("kemlu", &file("no.json")));
    assert!(unknown.contains("--agency: kemlu is not declared"), "{unknown}");
    let declared = proposal(&inviting("kp2mi", &invite));
    done(&world.authority("second", &["approve", &declared]));
    // Nobody but the authority invites.
    let desk = world.cli(
        "kp2mi",
        "desk",
        &[
            "directory",
            "invite",
            "--agency",
            "kp2mi",
            "--connector",
            "x",
            "--out",
            &file("x.json"),
            "--reason",
            "r",
        ],
    );
    assert!(refused(&desk).contains("only the directory authority invites"));

    // At the agency: keys that never leave, and a request.
    done(&simpul(&["directory", "enrol", "--invite", &invite, "--out", &folder]));
    let request = format!("{folder}/request.json");
    for secret in ["tls.key", "signing.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(Path::new(&folder).join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
        let secret = fs::read_to_string(Path::new(&folder).join(secret)).unwrap();
        assert!(!fs::read_to_string(&request).unwrap().contains(secret.trim()));
    }
    let again = refused(&simpul(&["directory", "enrol", "--invite", &invite, "--out", &folder]));
    assert!(again.contains("tls.key"), "a key is never written over: {again}");

    // At the authority: what was changed on the way is not admitted.
    let admitting = |request: &str, out: &str| {
        world.authority(
            "first",
            &["admit", request, "--ca", ca, "--ca-key", ca_key, "--out", out, "--reason", "a new system"],
        )
    };
    let forged = file("forged.json");
    let mut changed: Value = serde_json::from_slice(&fs::read(&request).unwrap()).unwrap();
    let payload = data_encoding::BASE64.decode(changed["payload"].as_str().unwrap().as_bytes()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replacen("\"public_key\":\"", "\"public_key\":\"00", 1);
    changed["payload"] = data_encoding::BASE64.encode(payload.as_bytes()).into();
    fs::write(&forged, changed.to_string()).unwrap();
    refused(&admitting(&forged, &file("no-grant.json")));
    // Nor an invitation that the agency wrote itself.
    let own = file("own-invite.json");
    let mut invitation: Value = serde_json::from_slice(&fs::read(&invite).unwrap()).unwrap();
    let payload = data_encoding::BASE64.decode(invitation["payload"].as_str().unwrap().as_bytes()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replacen("kp2mi", "polri", 1);
    invitation["payload"] = data_encoding::BASE64.encode(payload.as_bytes()).into();
    fs::write(&own, invitation.to_string()).unwrap();
    done(&simpul(&["directory", "enrol", "--invite", &own, "--out", &file("polri")]));
    let own = refused(&admitting(&format!("{}/request.json", file("polri")), &file("no-grant.json")));
    assert!(own.contains("not signed by a key of the directory authority"), "{own}");
    // One that has expired.
    let late = file("late.json");
    done(&world.authority(
        "first",
        &[
            "invite",
            "--agency",
            "kp2mi",
            "--connector",
            "sisko-baru",
            "--hours",
            "0",
            "--out",
            &late,
            "--reason",
            "r",
        ],
    ));
    done(&simpul(&["directory", "enrol", "--invite", &late, "--out", &file("late")]));
    let late = refused(&admitting(&format!("{}/request.json", file("late")), &file("no-grant.json")));
    assert!(late.contains("has expired"), "{late}");

    let key = proposal(&admitting(&request, &grant));
    let twice = refused(&admitting(&request, &file("second-grant.json")));
    assert!(twice.contains("used before"), "an invitation is used once: {twice}");
    done(&simpul(&["directory", "enrol", "--grant", &grant, "--out", &folder]));
    let client = format!("{folder}/client.toml");
    let (sample, realm) =
        (file("sample.jsonl"), world.realm.log_vkey.split('+').next().unwrap().rsplit('/').next().unwrap());
    fs::write(&sample, SAMPLE).unwrap();
    let certify = |realm: &str| {
        simpul(&[
            "--client",
            &client,
            "--official",
            "tester",
            "directory",
            "certify",
            "--sample",
            &sample,
            "--realm",
            realm,
        ])
    };
    // Before the second key: it gets in, and nothing that it says counts.
    let early = certify(realm);
    let text = String::from_utf8_lossy(&early.stdout).into_owned() + &String::from_utf8_lossy(&early.stderr);
    assert!(!early.status.success() && text.contains("UNKNOWN_KEY"), "{text}");
    done(&world.authority("second", &["approve", &key]));
    let certified = done(&certify(realm));
    assert!(certified.ends_with("certify: ok\n"), "{certified}");
    // Never where people's records are.
    let elsewhere = refused(&certify("another"));
    assert!(elsewhere.contains(&format!("this is the realm {realm}")), "{elsewhere}");
    // At work, like any other.
    done(&simpul(&["--client", &client, "submit", &sample]));
    hub.stop();
}
