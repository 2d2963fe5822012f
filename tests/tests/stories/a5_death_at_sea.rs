//! A5: a fisherman dies at sea. The vessel with its IMO number and flag, the contract endorsed before, the company that must bring the
//! remains home; the chain of hand-overs from the mission to the family; what is missing, by who has it; wages and insurance claimed.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act, case};

const CASE: &str = "KBRI-YGN/2026/0061";
const MISSION: (&str, &str) = ("kbri-yangon", "REPATRIATE");
const REGISTRY: (&str, &str) = ("kp2mi", "RETURN");
const SOCIAL: (&str, &str) = ("kemensos", "REHAB");
const JOURNEY: &str = "return/61";

fn seaman() -> Value {
    json!({ "name": "BUDI CONTOH", "nik": "3329061503900001", "birth_date": "1990-03-15", "passport": "X6100001" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_fisherman_dies_at_sea_and_is_brought_home() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let say = |by: (&str, &str), place: In<'_>, event: &str, payload: Value| {
        act(&world, by, place, &format!("simpul.{event}"), payload)
    };

    // The registry knows his contract: signed, and endorsed by the harbour master.
    let placement = json!({
        "placement_no": "PL-61", "person": seaman(), "scheme": "SEA_CREW", "destination": "TWN", "occupation": "FISHER",
        "status": "DEPARTED", "departure_date": "2025-09-01", "contract_signed_on": "2025-08-10",
        "placer_licence_no": "SIP3MI 61/2024", "evidence": [],
        "sea_contract": { "vessel_name": "FU CONTOH 7", "imo_number": "9074729", "flag": "TWN", "endorsed_on": "2025-08-20" },
    });
    let registry = ("kp2mi", "PLACEMENT");
    say(registry, In::Key("sisko-placement/61"), "registry.v1.PlacementRecorded", placement).unwrap();

    // The mission reports the death; a number that is no IMO number is refused by its check digit.
    let death = |imo: &str| {
        json!({
            "case_ref": CASE, "person": seaman(), "died_on": "2026-02-01", "country": "TWN", "cause": "jatuh ke laut",
            "vessel_name": "FU CONTOH 7", "vessel_imo": imo, "vessel_flag": "TWN", "liable_placer": "PT CONTOH SAMUDRA",
        })
    };
    let report = |imo: &str| say(MISSION, In::Key(JOURNEY), "returns.v1.DeathReported", death(imo));
    let (field, _) = report("9074728").unwrap_err();
    assert!(field.ends_with("payload.vessel_imo"), "{field}");
    report("9074729").unwrap();

    // Nobody departs before the return is cleared.
    let departed = json!({ "departed_on": "2026-02-14", "conveyance": "CI 761 kargo", "arrival_port": "Soekarno-Hatta" });
    let early = say(MISSION, In::Key(JOURNEY), "returns.v1.DepartedHome", departed.clone()).unwrap_err();
    assert!(early.1.contains("ReturnCleared") || early.1.contains("DepartedHome"), "{early:?}");

    // Papers: each has its holder.
    let paper = |key: &str, kind: &str, holder: &str, state: &str, day: &str| {
        let payload =
            json!({ "kind": kind, "holder": holder, "state": state, "recorded_on": day, "case_ref": CASE });
        say(MISSION, In::Key(key), "returns.v1.JourneyDocumentRecorded", payload).unwrap()
    };
    paper("paper/61-1", "DEATH_CERTIFICATE", "RS CONTOH KAOHSIUNG", "IN_HAND", "2026-02-05");
    paper("paper/61-2", "EMBALMING_CERTIFICATE", "RS CONTOH KAOHSIUNG", "ASKED_FOR", "2026-02-05");
    paper("paper/61-3", "AIRWAY_BILL", "MASKAPAI CONTOH", "WANTED", "2026-02-06");
    let at = paper("paper/61-4", "MISSION_LETTER", "KBRI YANGON", "IN_HAND", "2026-02-06");
    let missing = |at: u64| {
        let seen = case(&world, REGISTRY, CASE, at)["fields"]["reference"]["papers_missing"].clone();
        let holders = seen.as_array().cloned().unwrap_or_default();
        let of = |one: &Value| {
            let papers = one["documents"].as_array().unwrap().iter().map(|paper| paper["kind"].clone());
            (one["holder"].as_str().unwrap().to_owned(), papers.collect::<Vec<_>>())
        };
        holders.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(
        missing(at),
        [
            ("MASKAPAI CONTOH".to_owned(), vec![json!("AIRWAY_BILL")]),
            ("RS CONTOH KAOHSIUNG".to_owned(), vec![json!("EMBALMING_CERTIFICATE")]),
        ]
    );
    let page = world.cli("kp2mi", "desk", &["case", "show", CASE, "--purpose", "RETURN"]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("documents missing, MASKAPAI CONTOH: AIRWAY_BILL (WANTED)"), "{page}");
    paper("paper/61-2", "EMBALMING_CERTIFICATE", "RS CONTOH KAOHSIUNG", "IN_HAND", "2026-02-10");
    let at = paper("paper/61-3", "AIRWAY_BILL", "MASKAPAI CONTOH", "IN_HAND", "2026-02-12");
    assert!(missing(at).is_empty());

    // Mission, airline, cargo terminal, home region, family: one hand-over after another, the last one before the village.
    let cleared = json!({ "cleared_on": "2026-02-13", "cleared_by": "KBRI YANGON" });
    say(MISSION, In::Key(JOURNEY), "returns.v1.ReturnCleared", cleared).unwrap();
    let at = say(MISSION, In::Key(JOURNEY), "returns.v1.DepartedHome", departed).unwrap();
    let seen = case(&world, REGISTRY, CASE, at);
    let records = seen["fields"]["reference"]["records"].as_array().unwrap();
    let journey = records.iter().find(|record| record["type"] == "DepartedHome").unwrap();
    let (stream, version) =
        (journey["stream"].as_str().unwrap(), journey["stream_version"].as_u64().unwrap());
    let chain = |by: (&str, &str), seen: u64, event: &str, payload: Value| {
        say(by, In::Stream(stream, seen), &format!("returns.v1.{event}"), payload).unwrap()
    };
    let arrived = json!({ "arrived_on": "2026-02-15", "arrival_port": "Soekarno-Hatta", "received_by": "BP3MI BANTEN" });
    chain(REGISTRY, version, "ArrivedHome", arrived);
    let handed = |from: &str, to: &str, number: u32, last: bool| {
        json!({
            "handed_over_on": "2026-02-15", "from_unit": from, "to_unit": to, "record_no": format!("BA-61/{number}"),
            "witnessed_by": if last { "Kepala Desa Contoh" } else { "" }, "final": last,
        })
    };
    chain(REGISTRY, version + 1, "HandedOver", handed("BP3MI BANTEN", "P4MI TEGAL", 1, false));
    let at = chain(SOCIAL, version + 2, "HandedOver", handed("P4MI TEGAL", "FAMILY", 2, true));

    // What is due to the family.
    let claim = |key: &str, kind: &str| {
        let payload = json!({
            "case_ref": CASE, "person": seaman(), "kind": kind, "claimed_on": "2026-02-16", "state": "CLAIMED",
        });
        say(REGISTRY, In::Key(key), "returns.v1.EntitlementClaimed", payload).unwrap()
    };
    claim("claim/61-1", "WAGES");
    let at = claim("claim/61-2", "INSURANCE").max(at);

    // The registry sees ship and company, the mission the cause of death too; nobody but the two sees it.
    let (registry, mission) = (
        case(&world, REGISTRY, CASE, at)["fields"].clone(),
        case(&world, MISSION, CASE, at)["fields"].clone(),
    );
    let text = registry.to_string();
    for shown in ["9074729", "PT CONTOH SAMUDRA", "BA-61/2", "INSURANCE", "WAGES"] {
        assert!(text.contains(shown), "{shown} in {registry:#}");
    }
    assert!(!text.contains("jatuh ke laut") && mission.to_string().contains("jatuh ke laut"));

    hub.expect_quiet();
    hub.stop();
}
