//! Break-glass: in an emergency an agency sees a case that no agreement opens to it, having said why; oversight hears at once, by NATS too,
//! and has it before it until it is reviewed.

use prost::Message;
use serde_json::Value;
use simpul_connector::EventDraft;
use simpul_proto::{embassy, v1};
use simpul_tests::World;
use simpul_types::Timestamp;

const CASE: &str = "DARURAT-2026-01";
const NAME: &str = "SITI DARURAT";
const SHELTER: &str = "Jalan Rahasia 5";
const TOLD: &str = "kisah yang diceritakan";

fn intake() -> EventDraft {
    let intake = embassy::IntakeRecorded {
        intake_no: "IN-7".into(),
        mission: "KBRI YANGON".into(),
        case_ref: CASE.into(),
        person: Some(v1::PersonClaim { name: NAME.into(), ..Default::default() }),
        stay_category: embassy::StayCategory::Worker.into(),
        contact_date: "2026-10-01".into(),
        shelter_address: SHELTER.into(),
        narrative: TOLD.into(),
        ..Default::default()
    };
    EventDraft::new(
        "simpul.embassy.v1.IntakeRecorded".parse().unwrap(),
        "mission-intake/d7".parse().unwrap(),
        Timestamp::from_us(1_790_000_000_000_000),
        "ASSIST".parse().unwrap(),
        intake.encode_to_vec().into(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_case_is_opened_in_an_emergency_by_who_says_why_and_oversight_hears_of_it() {
    let world = World::with_nats();
    let nats = world.nats();
    let hub = world.hub();
    let reached = world.client("kbri-yangon", "forms").await.submit(vec![intake()]).await.expect("accepted");
    let reached = (reached.first_position().get() + 1).to_string();
    let show = |agency: &str, more: &[&str]| {
        let asked = ["case", "show", CASE, "--at-least", &reached, "--purpose", "EMERGENCY"];
        let output = world.cli(agency, "desk", &[&asked[..], more].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    };
    let taken = |agency: &str, case: &str| {
        let taken = ["emergency", "take", "--case", case, "--reason", "kekerasan malam ini", "--hours", "2"];
        world.cli_json(agency, "desk", &taken)
    };
    tokio::task::block_in_place(|| {
        // The purpose alone opens nothing, and neither does another's event nor one about another case.
        assert!(show("polri", &[]).unwrap_err().contains("emergency_position"));
        let (of_other, other_case) = (taken("kp2mi", CASE), taken("polri", "LAIN-1"));
        for position in [&of_other["position"], &other_case["position"], &Value::from(0)] {
            let refused = show("polri", &["--emergency", &position.to_string()]).unwrap_err();
            assert!(refused.contains("must name an EmergencyAccessTaken"), "{refused}");
        }
        let own = taken("polri", CASE);
        let page = show("polri", &["--emergency", &own["position"].to_string()]).unwrap();
        assert!(page.contains(NAME) && !page.contains(SHELTER) && !page.contains(TOLD), "{page}");
        // Nothing else is asked for in an emergency.
        let find = ["person", "find", "--name", NAME, "--purpose", "EMERGENCY"];
        let found = world.cli("polri", "desk", &find);
        assert!(String::from_utf8_lossy(&found.stderr).contains("EMERGENCY opens one case"));

        // Oversight: on NATS, in the list until it is reviewed, and in the access log with the event that it hung on.
        let list = |more: &[&str]| {
            let listed =
                world.cli("ombudsman", "desk", &[&["--json", "emergency", "list"][..], more].concat());
            assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
            let text = String::from_utf8(listed.stdout).unwrap();
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let start = std::time::Instant::now();
        while list(&[]).len() < 3 {
            assert!(start.elapsed().as_secs() < 60, "oversight was not told: {:?}", list(&[]));
        }
        let told = loop {
            let seen = world.cli("ombudsman", "desk", &["watch", "--nats", "--once", "--json"]).stdout;
            let text = String::from_utf8_lossy(&seen).into_owned();
            if text.contains("EmergencyAccessTaken") || start.elapsed().as_secs() > 60 {
                break text;
            }
        };
        assert!(told.contains("kekerasan malam ini") && !told.contains(NAME), "{told}");
        let reference = own["reference"].as_str().unwrap();
        let of = |one: &Value| one["taken"]["reference"] == reference;
        let open = list(&[]);
        let shown = open.iter().find(|one| of(one)).unwrap();
        assert_eq!((&shown["taken"]["of_case"], &shown["taken"]["source"]), (&CASE.into(), &"polri".into()));
        let review = ["emergency", "review", reference, "--finding", "justified", "--note", "laporan cocok"];
        let by_police = world.cli("polri", "desk", &review);
        assert!(
            String::from_utf8_lossy(&by_police.stderr).contains("POLICY_DENIED"),
            "not by the one who took it"
        );
        world.cli_json("ombudsman", "desk", &review);
        while list(&[]).iter().any(of) {
            assert!(start.elapsed().as_secs() < 90, "still before oversight");
        }
        assert!(list(&["--all"]).iter().any(|one| of(one) && one["reviewed"]["note"] == "laporan cocok"));
        // What oversight finds unjustified is shut at once.
        let again = taken("polri", CASE);
        let again_at = again["position"].to_string();
        assert!(show("polri", &["--emergency", &again_at]).is_ok());
        let reference = again["reference"].as_str().unwrap();
        let review =
            ["emergency", "review", reference, "--finding", "not-justified", "--note", "tidak ada laporan"];
        world.cli_json("ombudsman", "desk", &review);
        let shut = show("polri", &["--emergency", &again_at]).unwrap_err();
        assert!(shut.contains("found to be unjustified"), "{shut}");
        assert!(
            show("polri", &["--emergency", &own["position"].to_string()]).is_ok(),
            "the other one is not"
        );

        let looks =
            world.cli("ombudsman", "desk", &["--json", "audit", "access", "--purpose", "OVERSIGHT"]).stdout;
        let ground = format!("emergency:{}", own["position"]);
        assert!(String::from_utf8_lossy(&looks).contains(&ground), "{}", String::from_utf8_lossy(&looks));
    });
    hub.stop();
    nats.stop();
}
