//! A1: 554 people stand in a line in Myawaddy. The officer of the mission scans passports, some of them damaged, with no network; the list is
//! kept, and asked when there is one. 554 signed verdicts; who stands there twice, has one name, or a NIK of another birthday, is a warning and
//! no error; oversight finds every look.

use std::fs;

use serde_json::{Value, json};
use simpul_tests::World;

use crate::placement;

const PEOPLE: usize = 542;
const TWICE: usize = 12;
const MONONYMS: usize = 9;
const OTHER_BIRTHDAY: usize = 3;

fn passport(number: usize) -> String {
    format!("X{number:07}")
}

/// Lines of a machine readable passport (ICAO 9303, TD3).
fn zone(number: usize) -> String {
    let digit = |text: &str| {
        let value = |byte: u8| match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A') + 10,
            _ => 0,
        };
        let weighted =
            text.bytes().zip([7, 3, 1].into_iter().cycle()).map(|(byte, weight)| value(byte) * weight);
        weighted.sum::<u32>() % 10
    };
    let number = format!("{:<<9}", passport(number));
    let (born, until, optional) = ("950612", "300101", "<".repeat(14));
    let (one, two, three, four) = (digit(&number), digit(born), digit(until), digit(&optional));
    let all = format!("{number}{one}{born}{two}{until}{three}{optional}{four}");
    let second = format!("{number}{one}IDN{born}{two}F{until}{three}{optional}{four}{}", digit(&all));
    let first = format!("{:<<44}", "P<IDNCONTOH<<SITI");
    format!("{first} {second}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_554_people_in_a_line_are_asked_about_when_there_is_a_network() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    placement::licences(&world);
    // The registry knows them all, each by passport and NIK.
    let worker = |number: usize| {
        let mut worker =
            placement::complete(&format!("320101520695{number:04}"), &format!("PN-{number}"), "2023-08-20");
        worker["person"]["passport"] = passport(number).into();
        if number <= MONONYMS {
            worker["person"]["name"] = "SITI".into();
        } else if number <= MONONYMS + OTHER_BIRTHDAY {
            worker["person"]["birth_date"] = "1997-01-30".into();
        }
        json!({
            "type": "simpul.registry.v1.PlacementRecorded", "stream_key": format!("sisko-placement/{number}"), "purpose": "PLACEMENT",
            "legal_basis": "UU 18/2017", "occurred_at": "2023-08-21T08:00:00Z", "payload": worker,
        })
    };
    let lines: String = (1..=PEOPLE).map(|number| format!("{}\n", worker(number))).collect();
    let file = world.path().join("registry.jsonl");
    fs::write(&file, lines).unwrap();
    let sent = world.cli("kp2mi", "desk", &["submit", file.to_str().unwrap(), "--json"]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let text = String::from_utf8_lossy(&sent.stdout).into_owned();
    let answers = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reached = answers.filter_map(|answer| answer["position"].as_u64()).max().unwrap() + 1;
    hub.stop();

    // In Myawaddy: no network. The list stays where it is.
    let mut rows = "ref,mrz\n".to_owned();
    for place in 1..=PEOPLE + TWICE {
        let number = if place > PEOPLE { place - PEOPLE + 100 } else { place };
        let mut zone = zone(number);
        if place == 77 {
            // A scratch over the birthday's check digit.
            zone.replace_range(45 + 19..45 + 20, "0");
        }
        rows += &format!("baris/{place},{zone}\n");
    }
    let list = world.path().join("myawaddy.csv");
    fs::write(&list, &rows).unwrap();
    let ask = || {
        let list = list.to_str().unwrap();
        let case = "KBRI-YGN/2026/MYAWADDY";
        let asked =
            ["legality", "check-batch", list, "--purpose", "VERIFY_LEGALITY", "--case", case, "--json"];
        world.cli("kbri-yangon", "desk", &asked)
    };
    assert!(!ask().status.success(), "nobody answers");
    assert_eq!(fs::read_to_string(&list).unwrap(), rows, "and nothing of the list is lost");

    // Back at the mission.
    let hub = world.hub();
    let reached = reached.to_string();
    let first = [
        "legality",
        "check",
        "--passport",
        "X0000001",
        "--purpose",
        "VERIFY_LEGALITY",
        "--at-least",
        &reached,
    ];
    assert_eq!(world.cli_json("kbri-yangon", "desk", &first)["verdict"]["kind"], "PROCEDURAL");
    let answered = ask();
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    let text = String::from_utf8_lossy(&answered.stdout).into_owned();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), PEOPLE + TWICE);
    assert!(answers.iter().all(|one| one["signature"]["valid"] == true && one.get("fault").is_none()));
    let warned = |code: &str| {
        let has = |one: &&Value| one["verdict"]["warnings"].as_array().unwrap().contains(&json!(code));
        answers.iter().filter(has).count()
    };
    assert_eq!(
        (warned("MONONYM"), warned("NIK_DATE_MISMATCH"), warned("MRZ_CHECK_DIGIT")),
        (MONONYMS, OTHER_BIRTHDAY, 1)
    );
    let twice: Vec<_> = answers.iter().filter_map(|one| one["same_as_line"].as_u64()).collect();
    assert_eq!(twice.len(), TWICE);
    assert_eq!(twice[0], 102, "the person of place 101, in line 102 of the file");
    assert!(answers.iter().all(|one| one["verdict"]["kind"] == "PROCEDURAL"), "a warning decides nothing");

    // Oversight finds every look, with its case, and names nobody.
    let looks = ["audit", "access", "--agency", "kbri-yangon", "--purpose", "OVERSIGHT", "--json"];
    let looks = String::from_utf8_lossy(&world.cli("ombudsman", "desk", &looks).stdout).into_owned();
    let of_case = looks.lines().filter(|line| line.contains("KBRI-YGN/2026/MYAWADDY")).count();
    assert_eq!(of_case, PEOPLE + TWICE);
    assert!(!looks.contains("X0000101") && !looks.contains("3201015206950101"));

    hub.expect_quiet();
    hub.stop();
}
