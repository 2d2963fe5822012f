//! A8: a SIP3MI is revoked retroactively; placements by it are judged again, old verdicts stay, and whoever got the old answer
//! is told, and nobody else.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::scene::{received, sent, submit};

const NIK: &str = "3201015206950001";

fn licence(revoked_on: &str) -> Value {
    json!({
        "licence_no": "SIP3MI 77/2023", "kind": "SIP3MI", "holder": "PT CONTOH KARYA",
        "valid_from": "2023-01-01", "valid_until": "2028-01-01", "revoked_on": revoked_on,
    })
}

fn evidence(kind: &str) -> Value {
    let detail = if kind == "VISA" { "WORK" } else { "" };
    json!({
        "kind": kind, "number": "E-1", "issued_on": "2024-04-01", "valid_until": "2027-04-01", "result": "VALID",
        "detail": detail,
    })
}

fn placement() -> Value {
    let kinds = [
        "IDENTITY_CHECK",
        "COMPETENCE_CERTIFICATE",
        "MEDICAL",
        "PSYCHOLOGY",
        "SOCIAL_SECURITY",
        "MARITAL_STATUS",
        "FAMILY_PERMISSION",
        "PASSPORT",
        "VISA",
        "PLACEMENT_AGREEMENT",
        "EMPLOYMENT_CONTRACT",
        "PRE_DEPARTURE_ORIENTATION",
        "WORKER_CARD",
        "DISTRICT_RECORD",
    ];
    json!({
        "placement_no": "PN-1", "person": { "name": "SITI CONTOH", "nik": NIK, "birth_date": "1995-06-12" },
        "scheme": "P_TO_P", "destination": "HKG", "occupation": "CAREGIVER", "status": "DEPARTED",
        "departure_date": "2024-05-01", "contract_signed_on": "2024-03-01",
        "placer_licence_no": "SIP3MI 77/2023", "recruitment_permit_no": "SIP2MI 5/2024",
        "employer": { "name": "Rumah Contoh", "kind": "HOUSEHOLD" },
        "evidence": kinds.map(evidence),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_whoever_got_the_old_answer_hears_that_it_is_otherwise_now() {
    let world = World::with_nats();
    world.configure(|text| text + "\n[projection]\ndigest_every_events = 4\n");
    let _nats = world.nats();
    let hub = world.hub();
    let registry = |key: &str, event: &str, payload: Value| {
        submit(&world, "kp2mi", "PLACEMENT", key, &format!("simpul.registry.v1.{event}"), payload)
    };
    registry("sisko-licence/77", "LicenceRecorded", licence(""));
    let permit = json!({
        "licence_no": "SIP2MI 5/2024", "kind": "SIP2MI", "holder": "PT CONTOH KARYA", "valid_from": "2024-01-01",
        "valid_until": "2025-01-01", "parent_licence_no": "SIP3MI 77/2023", "destinations": ["HKG"],
    });
    registry("sisko-licence/5", "LicenceRecorded", permit);
    let at = registry("sisko-placement/1", "PlacementRecorded", placement());

    let reached = (at + 1).to_string();
    let check = |agency: &str, purpose: &str, nik: &str| {
        let asked = ["legality", "check", "--purpose", purpose, "--nik", nik, "--at-least", &reached];
        world.cli_json(agency, "desk", &asked)["verdict"].clone()
    };
    let before = check("kbri-yangon", "VERIFY_LEGALITY", NIK);
    assert_eq!(before["kind"], "PROCEDURAL", "{before:#}");

    let cause = registry("sisko-licence/77", "LicenceRecorded", licence("2024-04-15"));
    let told = sent(&world, "kbri-yangon", |message| message["view"] == "verdict");
    let word = &told["fields"];
    let shown = |class: &str, field: &str| word[class]["events"][0][field].clone();
    assert_eq!(shown("reference", "agency"), "kbri-yangon");
    assert_eq!(shown("reference", "subject_ref"), before["subject_ref"]);
    assert_eq!(shown("reference", "access_entry"), before["access_entry"]);
    assert_eq!(shown("reference", "cause_position").as_u64(), Some(cause));
    assert_eq!(
        (shown("placement", "old_kind"), shown("placement", "new_kind")),
        (json!("PROCEDURAL"), json!("NON_PROCEDURAL"))
    );
    assert_eq!(shown("placement", "decides"), json!(["R12 NOT_MET"]));

    // Nobody else is told, though the registry and the police may ask for verdicts too.
    for agency in ["kp2mi", "polri"] {
        assert!(received(&world, agency).iter().all(|message| message["view"] != "verdict"), "{agency}");
    }
    let reference = told["ref"].as_str().unwrap();
    let others = world.cli("polri", "desk", &["record", "verdict", reference, "--purpose", "INVESTIGATE"]);
    assert!(!others.status.success(), "what is for the mission does not exist for the police");

    // As known before, the answer is the one that was given; today's is the other.
    let today = check("kbri-yangon", "VERIFY_LEGALITY", NIK);
    assert_eq!(today["kind"], "NON_PROCEDURAL");

    // Somebody unknown is asked about, and becomes known later: the answer changes too.
    let unknown = "3201015206950009";
    assert_eq!(check("kbri-yangon", "VERIFY_LEGALITY", unknown)["kind"], "INSUFFICIENT_EVIDENCE");
    let mut late = placement();
    (late["placement_no"], late["person"]["nik"]) = ("PN-2".into(), unknown.into());
    registry("sisko-placement/2", "PlacementRecorded", late);
    sent(&world, "kbri-yangon", |message| {
        message["fields"]["placement"]["events"][0]["old_kind"] == "INSUFFICIENT_EVIDENCE"
    });

    // The word reads as a sentence.
    let watched = world.cli("kbri-yangon", "desk", &["watch", "--nats", "--once", "--view", "verdict"]);
    let watched = String::from_utf8_lossy(&watched.stdout).into_owned();
    let sentence = format!(
        "was PROCEDURAL, it is NON_PROCEDURAL now: R12 NOT_MET; because of the event at position {cause}"
    );
    assert!(watched.contains(&sentence), "{watched}");

    hub.expect_quiet();
    hub.stop();
    // What the hub recorded of its read models comes out the same from zero.
    let (data, master) = (world.data(), world.realm.dir.join("hub/master.key"));
    let arguments =
        ["audit", "replay", "--data", data.to_str().unwrap(), "--master-key", master.to_str().unwrap()];
    let compared = world.cli_json("ombudsman", "desk", &[&arguments[..], &["--compare"]].concat());
    assert_eq!(compared["compare"]["equal"], true);
    assert!(compared["compare"]["recorded"].as_u64() >= Some(1), "{compared:#}");
}
