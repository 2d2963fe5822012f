//! A person is shown everybody who looked, in whatever way: found or not, allowed or not, by whichever of her papers; and the proof
//! is checked with no hub.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use prost::Message;
use serde_json::Value;
use simpul_connector::EventDraft;
use simpul_proto::{embassy, v1};
use simpul_tests::{World, drafts, process::binary};
use simpul_types::{Clock, Timestamp, clock::System};

const CASE: &str = "JEJAK-2026-01";
const NUMBER: u64 = 77;

fn intake() -> EventDraft {
    let intake = embassy::IntakeRecorded {
        intake_no: "IN-77".into(),
        mission: "KBRI YANGON".into(),
        case_ref: CASE.into(),
        person: drafts::placement(NUMBER, 0).person,
        stay_category: embassy::StayCategory::Worker.into(),
        contact_date: "2026-10-01".into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.embassy.v1.IntakeRecorded".parse().unwrap(),
        "mission-intake/j77".parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    )
}

/// Who and what of every look that concerns her alone.
fn looks(report: &Value) -> Vec<(String, String, String)> {
    let of = |look: &Value, name: &str| look[name].as_str().unwrap().to_owned();
    let looks = report["looks"].as_array().unwrap().iter().filter(|look| look["everybody"] == false);
    looks.map(|look| (of(look, "agency"), of(look, "action"), of(look, "answer"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn qry_2_everybody_who_looked_is_in_the_report_and_it_is_checked_with_no_hub() {
    let world = World::new();
    let hub = world.hub();
    let person: v1::PersonClaim = drafts::placement(NUMBER, 0).person.unwrap();
    let check = |arguments: &[&str]| {
        let purpose = ["legality", "check", "--purpose", "VERIFY_LEGALITY"];
        world.cli("kbri-yangon", "desk", &[&purpose, arguments].concat())
    };
    // Before anybody knew her; and a stranger, who is not in her report.
    assert!(check(&["--nik", &person.nik]).status.success());
    assert!(check(&["--nik", &drafts::nik(NUMBER + 1)]).status.success());
    let sisko = world.client("kp2mi", "sisko").await;
    sisko.submit(vec![drafts::placement_draft(NUMBER, 0)]).await.expect("accepted");
    let forms = world.client("kbri-yangon", "forms").await;
    let receipt = forms.submit(vec![intake()]).await.expect("accepted");
    let reached = (receipt.first_position().get() + 1).to_string();

    assert!(
        check(&["--passport", &person.passport, "--case", CASE, "--at-least", &reached]).status.success()
    );
    // A question that is none leaves its entry, but names nobody.
    assert!(!check(&["--nik", "3201"]).status.success());
    let view = world.cli("kbri-yangon", "desk", &["case", "show", CASE, "--purpose", "ASSIST"]);
    assert!(view.status.success(), "{}", String::from_utf8_lossy(&view.stderr));
    let found = world.cli_json(
        "kbri-yangon",
        "desk",
        &["person", "find", "--name", &person.name, "--purpose", "ASSIST"],
    );
    let reference = found["candidates"][0]["person_ref"].as_str().unwrap().to_owned();
    // Refused: what is asked for is recorded all the same.
    let refused =
        world.cli("polri", "desk", &["legality", "check", "--nik", &person.nik, "--purpose", "ASSIST"]);
    assert!(!refused.status.success());

    let kept = world.path().join("looks.report");
    let kept = kept.to_str().unwrap();
    let report =
        |how: &[&str]| world.cli_json("ombudsman", "desk", &[&["audit", "subject-report"], how].concat());
    let first = report(&["--nik", &person.nik, "--out", kept]);
    let mission =
        |action: &str, answer: &str| ("kbri-yangon".to_owned(), action.to_owned(), answer.to_owned());
    let shown = looks(&first);
    assert_eq!(first["ok"], true);
    assert_eq!(shown[0], mission("legality.check", "NO_RECORD"));
    assert_eq!((shown[1].0.as_str(), shown[1].1.as_str()), ("kbri-yangon", "legality.check"));
    assert_ne!(shown[1].2, "NO_RECORD");
    assert_eq!(
        shown[2..],
        [
            // A case is shown with its placements, and what they are worth.
            mission("picture.case", "DOCUMENT"),
            mission("legality.check", shown[1].2.as_str()),
            mission("picture.placement", "DOCUMENT"),
            mission("picture.find_persons", "CANDIDATES"),
            ("polri".into(), "legality.check".into(), "DENIED".into()),
            ("ombudsman".into(), "audit.subject_report".into(), "SUBJECT_REPORT".into()),
        ]
    );
    // By her other names it is the same report, and the one before is in it.
    for how in [["--passport", &person.passport], ["--person", &reference]] {
        let again = looks(&report(&how));
        assert_eq!(again[..shown.len()], shown, "{how:?}");
    }
    assert_eq!(looks(&report(&["--nik", &drafts::nik(NUMBER + 1)])).len(), 2);
    // An agency that is no oversight body gets none.
    let refused = world.cli("polri", "desk", &["audit", "subject-report", "--nik", &person.nik]);
    assert!(!refused.status.success());
    // Failed questions are in the access log.
    let entries = world.cli_lines("ombudsman", "desk", &["audit", "access", "--purpose", "OVERSIGHT"]);
    let malformed = entries.iter().filter(|entry| entry["entry"]["answer"] == "MALFORMED");
    assert_eq!(malformed.count(), 1);

    let breach = world.cli_json(
        "ombudsman",
        "desk",
        &["audit", "breach-report", "--since", "2020-01-01T00:00:00Z", "--agency", "kbri-yangon"],
    );
    let answers = |action: &str| {
        let received = breach["received"].as_array().unwrap().iter().filter(|one| one["action"] == action);
        received.map(|one| one["answers"].as_u64().unwrap()).sum::<u64>()
    };
    // What found nobody disclosed nothing.
    assert_eq!((answers("legality.check"), answers("picture.case")), (2, 1), "{breach}");
    assert_eq!(breach["persons"], 1);
    hub.stop();

    // With no hub, and with its data: nothing is left out of any chain.
    let verified = world.cli("ombudsman", "desk", &["audit", "verify", "--subject-report", kept]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let mut bytes = std::fs::read(kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(kept, bytes).unwrap();
    assert!(!world.cli("ombudsman", "desk", &["audit", "verify", "--subject-report", kept]).status.success());
    let data = world.data();
    let verified = world.cli("ombudsman", "desk", &["audit", "verify", "--data", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_look_under_embargo_is_shown_when_it_is_over_and_a_portal_is_told_what_was_disclosed() {
    let world = World::new();
    let hub = world.hub();
    let person: v1::PersonClaim = drafts::placement(NUMBER, 0).person.unwrap();
    let sisko = world.client("kp2mi", "sisko").await;
    let receipt = sisko.submit(vec![drafts::placement_draft(NUMBER, 0)]).await.expect("accepted");
    let reached = (receipt.first_position().get() + 1).to_string();
    let check = |agency: &str, purpose: &str, case: &str| {
        let arguments = [
            "legality",
            "check",
            "--nik",
            &person.nik,
            "--purpose",
            purpose,
            "--case",
            case,
            "--at-least",
            &reached,
        ];
        let output = world.cli(agency, "desk", &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let until = Timestamp::from_us(System.now().as_us() + 3_600_000_000).to_string();
    let order = |article: &str| {
        [
            "embargo",
            "sprin-12",
            "--agency",
            "polri",
            "--case",
            CASE,
            "--article",
            article,
            "--order",
            "Sprin/12",
            "--until",
            &until,
            "--reason",
            "an investigation",
        ]
        .map(str::to_owned)
    };
    // Without an article there is none, nor by one key.
    let arguments = order(" ");
    let refused = world.authority("first", &arguments.each_ref().map(String::as_str));
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("article"), "{refused:?}");
    world.change_directory(&order("KUHAP 17").each_ref().map(String::as_str));
    // Nobody but the authority hears that there is one.
    let listed =
        String::from_utf8(world.cli("polri", "desk", &["--json", "directory", "proposals"]).stdout).unwrap();
    assert!(!listed.contains("Embargo"), "{listed}");

    check("kbri-yangon", "VERIFY_LEGALITY", CASE);
    check("polri", "INVESTIGATE", CASE);
    check("polri", "INVESTIGATE", "another case");
    // A search by name belongs to the case too, where it says so.
    let find = ["person", "find", "--name", &person.name, "--purpose", "INVESTIGATE", "--case", CASE];
    let found = world.cli("polri", "desk", &find);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let report = || world.cli_json("ombudsman", "desk", &["audit", "subject-report", "--nik", &person.nik]);
    let agencies = |report: &Value| looks(report).into_iter().map(|look| look.0).collect::<Vec<_>>();
    assert_eq!(agencies(&report()), ["kbri-yangon", "polri", "ombudsman"]);

    // The portal, meanwhile.
    let token = world.path().join("portal.token");
    std::fs::write(&token, "a-token-of-the-portal\n").unwrap();
    let mut server = Command::new(binary("simpul"))
        .args(["--json", "--official", "portal", "--client"])
        .arg(world.path().join("realm/agencies/ombudsman/desk/client.toml"))
        .args(["audit", "usage-server", "--listen", "127.0.0.1:0", "--token-file"])
        .arg(&token)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = serde_json::from_str::<Value>(&line).unwrap()["listening"].as_str().unwrap().to_owned();
    let address: SocketAddr =
        url.strip_prefix("http://").unwrap().strip_suffix("/v2/findUsage").unwrap().parse().unwrap();
    let ask = |path: &str, token: &str| get(address, path, token);
    let by_nik = format!("/v2/findUsage?userCode=ID{}", person.nik);
    let (status, usages) = ask(&by_nik, "a-token-of-the-portal");
    assert_eq!((status, &usages["totalUsages"]), (200, &Value::from(2)), "{usages}");
    let newest = &usages["usages"][0];
    assert_eq!(
        (newest["receiverCode"].as_str(), newest["receiverSystem"].as_str()),
        (Some("polri"), Some("desk"))
    );
    assert_eq!(newest["action"], "Pemeriksaan keabsahan penempatan (INVESTIGATE)");
    let (_, page) = ask(&format!("{by_nik}&offset=1&limit=1"), "a-token-of-the-portal");
    assert_eq!((&page["totalUsages"], page["usages"].as_array().unwrap().len()), (&Value::from(2), 1));
    assert_eq!(page["usages"][0]["receiverCode"], "kbri-yangon");
    assert_eq!(
        ask(&format!("{by_nik}&periodEnd=2020-01-01T00:00:00"), "a-token-of-the-portal").1["totalUsages"],
        0
    );
    assert_eq!(ask(&by_nik, "another-token-of-nobody").0, 401);
    let (status, wrong) = ask("/v2/findUsage?userCode=ID12", "a-token-of-the-portal");
    assert_eq!((status, &wrong["field"]), (400, &Value::from("userCode")));
    assert_eq!(ask("/v2/heartbeat", "").1["status"], "OK");
    assert!(
        ask("/v2/usagePeriod", "a-token-of-the-portal").1["periodStart"].as_str().unwrap().starts_with("20")
    );
    server.kill().unwrap();
    server.wait().unwrap();

    world.change_directory(&["end-embargo", "sprin-12", "--reason", "the trial is over"]);
    let after = report();
    let hidden = after["looks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|look| look["case_ref"] == CASE && look["agency"] == "polri");
    assert_eq!(hidden.unwrap()["embargo"], "KUHAP 17");
    assert_eq!(agencies(&after).iter().filter(|agency| *agency == "polri").count(), 3);
    hub.stop();
    let data = world.data();
    let verified = world.cli("ombudsman", "desk", &["audit", "verify", "--data", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// A GET over plain HTTP/1.1.
fn get(address: SocketAddr, path: &str, token: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: portal\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_3_an_access_log_that_is_rolled_back_is_found_by_the_log() {
    let world = World::new();
    world.configure(|text| format!("{text}\n[access]\nanchor_every_s = 1\n"));
    let (data, older) = (world.data(), world.path().join("older"));
    let look = || {
        let arguments = ["legality", "check", "--nik", &drafts::nik(NUMBER), "--purpose", "VERIFY_LEGALITY"];
        assert!(world.cli("kbri-yangon", "desk", &arguments).status.success());
    };
    let hub = world.hub();
    look();
    hub.stop();
    copy(&data.join("access"), &older);
    let hub = world.hub();
    look();
    look();
    let end = || world.cli_json("ombudsman", "desk", &["status"])["log"]["end"].clone();
    let before = end();
    let start = Instant::now();
    while end() == before {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no checkpoint of the access log was recorded: {:?}",
            hub.lines("WARN")
        );
        thread::sleep(Duration::from_millis(100));
    }
    hub.stop();
    let master = world.path().join("realm/hub/master.key");
    let verify = || {
        let arguments =
            ["audit", "verify", "--data", data.to_str().unwrap(), "--master-key", master.to_str().unwrap()];
        let output = world.cli("ombudsman", "desk", &[&["--json"][..], &arguments].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let whole = verify();
    assert_eq!(whole["ok"], true, "{whole}");
    assert!(whole["main"]["access_checkpoints"].as_u64().unwrap() > 0, "{whole}");

    std::fs::rename(data.join("access"), world.path().join("newer")).unwrap();
    copy(&older, &data.join("access"));
    let rolled_back = verify();
    let violations: Vec<_> = rolled_back["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert!(violations.iter().any(|what| what.contains("records a checkpoint that has")), "{violations:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}
