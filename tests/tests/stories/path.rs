//! One person's path from recruitment to return, as `simpul case show` prints it for whoever works on the case.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act};

const CASE: &str = "KBRI-YGN/2026/0044";
const REGISTRY: (&str, &str) = ("kp2mi", "PLACEMENT");
const MISSION: (&str, &str) = ("kbri-yangon", "ASSIST");
const HOME: (&str, &str) = ("kbri-yangon", "REPATRIATE");
const SOCIAL: (&str, &str) = ("kemensos", "REHAB");

fn siti() -> Value {
    json!({ "name": "SITI CONTOH", "passport": "X1234567", "birth_date": "1995-06-12" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_worker_reads_one_persons_path_on_a_page() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let say = |by: (&str, &str), key: &str, event: &str, payload: Value| {
        act(&world, by, In::Key(key), &format!("simpul.{event}"), payload)
            .unwrap_or_else(|error| panic!("{event}: {error:?}"))
    };
    let placement = json!({
        "placement_no": "PN-44", "person": siti(), "scheme": "P_TO_P", "destination": "MYS", "occupation": "FACTORY_WORKER",
        "departure_date": "2025-08-01", "contract_signed_on": "2025-06-20", "status": "DEPARTED",
        "employer": { "name": "Pabrik Contoh" },
    });
    say(REGISTRY, "sisko-placement/44", "registry.v1.PlacementRecorded", placement);
    let intake = json!({
        "intake_no": "IN-44", "mission": "KBRI YANGON", "case_ref": CASE, "person": siti(), "stay_category": "WORKER",
        "contact_date": "2026-01-20", "location_country": "MMR", "urgent_needs": ["SHELTER"],
    });
    say(MISSION, "mission-intake/44", "embassy.v1.IntakeRecorded", intake);
    let screening = json!({
        "screening_no": "S-44", "case_ref": CASE, "form_version": "simpul-tppo/2", "person": siti(), "interviewer": "staf-3",
        "acts_from": "2025-08-01", "acts_until": "2026-01-15", "interviewed_on": "2026-01-22", "screened_on": "2026-01-22",
        "answers": [
            { "question": "acts", "choices": ["RECRUITED", "TRANSFERRED"] }, { "question": "promise-broken", "choices": ["JOB", "WAGES"] },
            { "question": "held-by", "choices": ["DOCUMENTS_TAKEN", "CONFINEMENT"] },
            { "question": "exploitation", "choices": ["FORCED_CRIMINALITY"] },
            { "question": "conditions", "choices": ["EXCESSIVE_HOURS", "LOW_PAY"] },
        ],
    });
    say(MISSION, "screening/44", "screening.v1.ScreeningSubmitted", screening);
    let nrm = |event: &str, payload: Value| say(MISSION, "case/44", &format!("nrm.v1.{event}"), payload);
    nrm(
        "StageChanged",
        json!({ "case_ref": CASE, "stage": "URGENT_SAFETY", "changed_on": "2026-01-21", "holder": "kbri-yangon" }),
    );
    nrm(
        "IdentificationDecided",
        json!({
            "case_ref": CASE, "person": siti(), "decided_under": "NATIONAL", "result": "IDENTIFIED", "decided_on": "2026-01-30",
            "decided_by": "Gugus Tugas Pusat",
        }),
    );
    let requested = json!({
        "case_ref": CASE, "person": siti(), "requested_on": "2026-02-02", "from_country": "MMR", "to_region": "6171", "payer": "STATE",
    });
    say(HOME, "return/44", "returns.v1.RepatriationRequested", requested);
    say(
        HOME,
        "return/44",
        "returns.v1.ReturnCleared",
        json!({ "cleared_on": "2026-02-05", "cleared_by": "KBRI YANGON" }),
    );
    say(
        HOME,
        "return/44",
        "returns.v1.DepartedHome",
        json!({ "departed_on": "2026-02-10", "conveyance": "GA 851", "arrival_port": "Bandara Supadio" }),
    );
    say(
        ("kp2mi", "RETURN"),
        "return/home",
        "nrm.v1.StageChanged",
        json!({ "case_ref": CASE, "stage": "REHABILITATION", "changed_on": "2026-02-12", "holder": "kemensos" }),
    );
    let at = say(
        SOCIAL,
        "rehab/44",
        "social.v1.RehabilitationOpened",
        json!({ "case_ref": CASE, "person": siti(), "opened_on": "2026-02-13", "provider": "Sentra Contoh" }),
    );

    let reached = (at + 1).to_string();
    let page = |(agency, purpose): (&str, &str)| {
        let shown =
            world.cli(agency, "desk", &["case", "show", CASE, "--purpose", purpose, "--at-least", &reached]);
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    let read = page(MISSION);
    let mut rest = read.as_str();
    for next in [
        "KASUS / CASE  KBRI-YGN/2026/0044",
        "REHABILITATION sejak / since 2026-02-12, dipegang / held by kemensos",
        "ORANG / PEOPLE",
        "SITI CONTOH",
        "PERJALANAN / THE PATH",
        "2025-06-20  Direkrut, kontrak ditandatangani / Recruited, contract signed",
        "2025-08-01  Penempatan, berangkat / Placement, departed",
        "2026-01-20  Diterima perwakilan / Received by the mission",
        "2026-01-21  Tahap kasus / Stage of the case",
        "2026-01-22  Skrining / Screening",
        "2026-01-30  Keputusan identifikasi / Identification decided",
        "2026-02-02  Permintaan pemulangan / Repatriation requested",
        "2026-02-05  Pemulangan disetujui / Return cleared",
        "2026-02-10  Berangkat pulang / Departed for home",
        "2026-02-13  Rehabilitasi dibuka / Rehabilitation opened",
        "HASIL / RESULTS",
        "simpul-tppo/2",
        "keputusan / decision   2026-01-30 IDENTIFIED oleh / by Gugus Tugas Pusat",
    ] {
        let at = rest.find(next).unwrap_or_else(|| panic!("{next:?} does not come next in\n{read}"));
        rest = &rest[at + next.len()..];
    }
    // The same in the standard that other countries' case systems read.
    let export = ["case", "export", CASE, "--purpose", "ASSIST", "--at-least", &reached];
    let record = world.cli_json("kbri-yangon", "desk", &export);
    let person = &record["persons"][0];
    assert_eq!((&record["standard"], &record["case"]["cas_Status"]), (&json!("HTCDS 2.0"), &json!("Active")));
    assert_eq!(
        (&person["prs_FirstName"], &person["vic_TraffickingStatus"]),
        (&json!("SITI CONTOH"), &json!("ActualVictimOfTrafficking"))
    );
    assert_eq!(
        person["vic_MethodsOfControl"],
        json!(["ExcessiveWorkingHours", "Other", "WithholdsDocuments"])
    );
    // The police read the same path without who she is in health and screening.
    let police = page(("polri", "INVESTIGATE"));
    assert!(police.contains("withheld by policy") && !police.contains("promise-broken"), "{police}");

    hub.expect_quiet();
    hub.stop();
}
