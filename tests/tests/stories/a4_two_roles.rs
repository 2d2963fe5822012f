//! A4: among those who came back is a woman who recruited others and was herself a victim. She is a victim in one case and accused in
//! another; whoever she recruited does not sleep under one roof with her; that she is not punished for what she was forced to is kept; and
//! an acquittal closes no service.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act, case, day};

const MISSION: (&str, &str) = ("kbri-yangon", "ASSIST");
const POLICE: (&str, &str) = ("polri", "INVESTIGATE");
const COURT: (&str, &str) = ("kejaksaan", "PROSECUTE");
const SOCIAL: (&str, &str) = ("kemensos", "SHELTER");
/// Where she is a victim.
const RESCUE: &str = "KBRI-YGN/2026/0071";
/// Where she is accused.
const RECRUITING: &str = "POLRI/2026/0072";
const LP: &str = "LP/B/72/II/2026/BARESKRIM";

fn rini() -> Value {
    json!({ "name": "RINI CONTOH", "nik": "3201015206950041", "birth_date": "1995-06-12", "sex": "FEMALE" })
}

fn dewi() -> Value {
    json!({ "name": "DEWI CONTOH", "nik": "3201015206950042", "birth_date": "1995-06-12", "sex": "FEMALE" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_a_recruiter_among_the_victims_is_both_and_neither_role_takes_the_other_away() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let say = |by: (&str, &str), place: In<'_>, event: &str, payload: Value| {
        act(&world, by, place, &format!("simpul.{event}"), payload)
            .unwrap_or_else(|error| panic!("{event}: {error:?}"))
    };

    // The mission takes her in among those who were rescued; the role of a victim, and that she is not punished, are kept.
    let intake = json!({
        "intake_no": "IN-71", "mission": "KBRI YANGON", "case_ref": RESCUE, "person": rini(), "stay_category": "WORKER",
        "contact_date": "2026-01-20", "location_country": "MMR",
    });
    say(MISSION, In::Key("mission-intake/71"), "embassy.v1.IntakeRecorded", intake);
    let victim = json!({
        "case_ref": RESCUE, "person": rini(), "role": "VICTIM", "from": "2026-01-25", "decided_by": "KBRI YANGON",
        "non_punishment": true,
    });
    say(MISSION, In::Key("role/71"), "nrm.v1.RoleAssigned", victim);

    // The police have another case: Dewi reported who had recruited her.
    let report = json!({
        "lp_number": LP, "report_type": "PUBLIC_REPORT", "stage": "INQUIRY", "stage_date": "2026-02-01", "unit": "SUBDIT IV",
        "articles": ["KUHP 455"], "related_case_ref": RECRUITING,
        "persons": [{ "roles": ["VICTIM"], "person": dewi() }, { "roles": ["SUSPECT", "RECRUITER"], "person": rini() }],
    });
    let at = say(POLICE, In::Key("lp/72"), "police.v1.CaseUpdated", report);

    // One person, two roles: each case says its own, and neither says the other's.
    let rescue = case(&world, MISSION, RESCUE, at)["fields"].clone();
    let role = &rescue["identity"]["roles"][0];
    assert_eq!((&role["role"], &role["non_punishment"]), (&json!("VICTIM"), &json!(true)));
    assert!(rescue.get("suspect").is_none(), "the mission is not told of what she is accused: {rescue:#}");
    let recruiting = case(&world, POLICE, RECRUITING, at)["fields"].clone();
    assert!(recruiting["suspect"].to_string().contains("RINI CONTOH"), "{recruiting:#}");
    assert!(!recruiting["identity"].to_string().contains("RINI CONTOH"));
    let id = |fields: &Value, name: &str| {
        let persons = fields.as_object().unwrap().values().flat_map(|class| class["persons"].as_array());
        let of_name = persons.flatten().find(|person| person["name"] == name);
        of_name.unwrap_or_else(|| panic!("{name} in {fields:#}"))["person"].as_str().unwrap().to_owned()
    };
    let (herself, accused) = (id(&rescue, "RINI CONTOH"), id(&recruiting, "RINI CONTOH"));
    assert_eq!(herself, accused, "it is known that they are one");

    // Dewi sleeps in the shelter of the province; there is no bed for Rini in that house, and why is not said.
    let mut at = at;
    for (code, province) in [("SH-31-01", "31"), ("SH-32-01", "32")] {
        let shelter = json!({
            "code": code, "province": province, "country": "IDN", "address": "Jalan Rahasia Nomor 9", "takes_women": true,
            "security_level": 2, "beds": 2,
        });
        at = say(SOCIAL, In::Key(&format!("shelter/{code}")), "shelter.v1.ShelterDeclared", shelter);
    }
    let beds = |person: &str, at: u64| {
        let reached = (at + 1).to_string();
        let asked = [
            "shelter",
            "match",
            "--province",
            "31",
            "--sex",
            "female",
            "--purpose",
            "SHELTER",
            "--person",
            person,
            "--at-least",
            &reached,
        ];
        world.cli_json("kemensos", "desk", &asked)
    };
    let codes = |found: &Value| {
        let matches = found["matches"].as_array().unwrap().iter();
        matches.map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let free = beds(&herself, at);
    assert_eq!(codes(&free), ["SH-31-01", "SH-32-01"]);
    let stream = free["matches"][0]["bed_stream"].as_str().unwrap().to_owned();
    let held = json!({
        "case_ref": RECRUITING, "shelter_code": "SH-31-01", "bed": 1, "held_on": day(0), "until": day(3), "person": dewi(),
    });
    let at = say(SOCIAL, In::Stream(&stream, 0), "shelter.v1.BedHeld", held);
    let apart = beds(&herself, at);
    assert_eq!((codes(&apart), &apart["kept_apart"]), (vec!["SH-32-01".to_owned()], &json!(1)));
    let for_dewi = beds(&id(&recruiting, "DEWI CONTOH"), at);
    assert_eq!(
        codes(&for_dewi),
        ["SH-31-01", "SH-32-01"],
        "whoever was recruited is not kept from her own bed"
    );

    // Services run for the victim that she is.
    let offered = json!({
        "case_ref": RESCUE, "person": rini(), "service": "HEALTH", "to_agencies": ["kemensos"], "offered_on": day(-3),
        "answer_by": day(4),
    });
    let at = say(MISSION, In::Key("referral/71"), "nrm.v1.ReferralOffered", offered);
    let seen = case(&world, ("kemensos", "REHAB"), RESCUE, at);
    let records = seen["fields"]["reference"]["records"].as_array().unwrap();
    let offer = records.iter().find(|record| record["type"] == "ReferralOffered").unwrap();
    let accepted = json!({ "accepted_on": day(-1) });
    let by = ("kemensos", "REHAB");
    say(by, In::Stream(offer["stream"].as_str().unwrap(), 1), "nrm.v1.ReferralAccepted", accepted);

    // She is acquitted. The case of the police says so; her services and her role as a victim stand as they stood.
    let acquitted = json!({
        "court_no": "72/Pid.Sus/2026", "lp_number": LP, "case_ref": RECRUITING, "suspect": rini(), "instance": "FIRST", "rendered_on": "2026-09-01",
        "judgment": "ACQUITTED", "final": true,
    });
    let charged = json!({
        "lp_number": LP, "case_ref": RECRUITING, "suspect": rini(), "step": "CHARGED", "stepped_on": "2026-05-01", "office": "KEJARI CONTOH",
    });
    say(COURT, In::Key("charge/72"), "justice.v1.ProsecutionStepped", charged);
    let at = say(COURT, In::Key("judgment/72"), "justice.v1.JudgmentRendered", acquitted);
    let rescue = case(&world, MISSION, RESCUE, at)["fields"].clone();
    assert_eq!(rescue["reference"]["referrals"][0]["state"], "ACCEPTED", "an acquittal closes no service");
    assert_eq!(rescue["identity"]["roles"][0]["role"], "VICTIM");
    let recruiting = case(&world, POLICE, RECRUITING, at)["fields"].clone();
    assert!(recruiting.to_string().contains("ACQUITTED"));
    assert!(!recruiting.to_string().contains("JUDGMENT_BEFORE_CHARGE"), "she had been charged before");

    hub.expect_quiet();
    hub.stop();
}
