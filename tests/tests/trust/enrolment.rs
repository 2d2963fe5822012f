//! A new connector in minutes: invited, its keys made at the agency, admitted by two keys of the authority, tried, at work.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use simpul_tests::{
    World,
    process::{binary, free_port},
};

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

#[test]
fn over_the_wire_the_hub_holds_a_request_until_two_keys_have_admitted_it() {
    let world = World::new();
    // The same after a restart.
    let port = free_port();
    world.configure(|text| text.replace("tiles = \"127.0.0.1:0\"", &format!("tiles = \"127.0.0.1:{port}\"")));
    let hub = world.hub();
    let file = |name: &str| world.path().join(name).to_str().unwrap().to_owned();
    let url = format!("https://localhost:{port}");
    let (ca, ca_key) = (world.realm.dir.join("ca.pem"), world.realm.dir.join("ca.key"));
    let (ca, ca_key) = (ca.to_str().unwrap(), ca_key.to_str().unwrap());
    let invited = |out: &str, hours: &str| {
        let who = ["invite", "--agency", "kp2mi", "--connector", "desk", "--hours", hours, "--url", &url];
        done(
            &world.authority("first", &[&who[..], &["--out", out, "--reason", "a second machine"]].concat()),
        );
    };
    let (invite, folder) = (file("invite.json"), file("enrolled"));
    invited(&invite, "1");
    let enrol = |invite: &str, folder: &str| {
        let arguments = ["directory", "enrol", "--invite", invite, "--out", folder, "--wait"];
        Command::new(binary("simpul")).args(arguments).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut waiting = enrol(&invite, &folder);
    let listed = |which: &str| -> Value {
        serde_json::from_str(done(&world.authority(which, &["enrolments"])).trim()).unwrap()
    };
    let start = Instant::now();
    let found = loop {
        let found = listed("first")["enrolments"][0].clone();
        if found["invite"].is_string() {
            break found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the request does not come");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((found["agency"].as_str(), found["connector"].as_str()), (Some("kp2mi"), Some("desk")));
    assert_eq!(listed("second")["enrolments"].as_array().unwrap().len(), 1);
    let other = refused(&world.cli("kp2mi", "desk", &["directory", "enrolments"]));
    assert!(other.contains("authority alone"), "{other}");

    // Another request with the same invitation, one that the agency invited itself to, one that is over, what is no request.
    let again = done_or_not(enrol(&invite, &file("another")));
    assert!(!again, "the first who came is who the authority sees");
    invited(&file("late.json"), "0");
    assert!(!done_or_not(enrol(&file("late.json"), &file("late"))));
    let mut own: Value = serde_json::from_slice(&fs::read(&invite).unwrap()).unwrap();
    let payload = data_encoding::BASE64.decode(own["payload"].as_str().unwrap().as_bytes()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replacen("kp2mi", "polri", 1);
    own["payload"] = data_encoding::BASE64.encode(payload.as_bytes()).into();
    fs::write(file("own.json"), own.to_string()).unwrap();
    assert!(!done_or_not(enrol(&file("own.json"), &file("own"))));
    assert_eq!(listed("first")["enrolments"].as_array().unwrap().len(), 1);

    let id = found["invite"].as_str().unwrap();
    let admitting = ["admit", "--invite", id, "--ca", ca, "--ca-key", ca_key, "--reason", "a second machine"];
    let key = proposal(&world.authority("first", &admitting));
    assert!(waiting.try_wait().unwrap().is_none(), "one key alone admits nobody");
    // The hub may be down meanwhile, and forgets what waits; who waits asks again.
    hub.stop();
    let hub = world.hub();
    done(&world.authority("second", &["approve", &key]));
    assert!(done_or_not(waiting));
    assert_eq!(listed("first")["enrolments"].as_array().map_or(0, Vec::len), 0, "it waits no more");
    let client = format!("{folder}/client.toml");
    let sample = file("sample.jsonl");
    fs::write(&sample, SAMPLE).unwrap();
    done(&simpul(&["--client", &client, "submit", &sample]));
    hub.stop();
}

fn done_or_not(mut child: Child) -> bool {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it neither ends nor is admitted");
        }
        thread::sleep(Duration::from_millis(50));
    }
}
