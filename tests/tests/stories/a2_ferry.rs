//! A2: a woman is stopped at the ferry in Batam. The telephone of whoever recruited her stands in two reports of another regional police
//! already: both units hear of it, and neither of her. Half a year later she tries again with another passport, and is recognised. Her
//! village is told nothing until she wants it told: then her name, and that she has not departed, and no other village hears it.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::{
    act::{In, act},
    scene::{received, sent},
};

const REGISTRY: (&str, &str) = ("kp2mi", "PLACEMENT");
const POLDA: (&str, &str) = ("polri-kalbar", "INVESTIGATE");
const NIK: &str = "3201015206950081";

fn ratna(passport: &str) -> Value {
    json!({ "name": "RATNA CONTOH", "nik": NIK, "birth_date": "1995-06-12", "passport": passport })
}

fn phone(written: &str) -> Value {
    json!([{ "kind": "PHONE", "value": written }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_telephone_in_three_places_and_one_woman_with_two_passports() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();
    let say = |by: (&str, &str), key: &str, event: &str, payload: Value| {
        act(&world, by, In::Key(key), &format!("simpul.{event}"), payload)
            .unwrap_or_else(|error| panic!("{event}: {error:?}"))
    };

    // Two reports of the police of Kalimantan Barat name a telephone.
    for (number, seen) in [(1, "2026-01-05"), (2, "2026-01-19")] {
        let lp = format!("LP/B/8{number}/I/2026/POLDA KALBAR");
        let report = json!({
            "lp_number": lp, "report_type": "PUBLIC_REPORT", "stage": "INQUIRY", "stage_date": seen, "unit": "SUBDIT IV",
            "articles": ["KUHP 455"], "persons": [{ "roles": ["VICTIM"], "person": { "name": "KORBAN CONTOH" } }],
        });
        say(POLDA, &format!("lp/8{number}"), "police.v1.CaseUpdated", report);
        let indicator = json!({
            "indicators": phone("0812 0000 0081"), "modus": "DOMESTIC_WORK", "seen_on": seen, "lp_number": lp,
        });
        say(POLDA, &format!("indicator/8{number}"), "prevention.v1.IndicatorReported", indicator);
    }

    // BP3MI stops her at the ferry; she shows the same number, written otherwise.
    let prevented = |number: &str, passport: &str, day: &str, written: &str| {
        json!({
            "incident_no": number, "person": ratna(passport), "prevented_on": day, "place": "PELABUHAN BATAM CENTRE", "region": "2171",
            "unit": "BP3MI KEPULAUAN RIAU", "destination": "MYS", "grounds": ["TOURIST_VISA", "NO_CONTRACT"],
            "recruiter_indicators": phone(written), "outcome": "RETURNED_HOME",
        })
    };
    let first = prevented("BTM-81", "X8100001", "2026-02-01", "+62 812-0000-0081");
    say(REGISTRY, "incident/81", "prevention.v1.DeparturePrevented", first);

    // Both regional and national police hear that a third record names it; nothing says who she is.
    let third =
        |message: &Value| message["view"] == "indicator" && message["fields"].to_string().contains("kp2mi");
    for unit in ["polri-kalbar", "polri"] {
        let alert = sent(&world, unit, third);
        let text = alert.to_string();
        assert!(
            !text.contains("RATNA") && !text.contains(NIK) && !text.contains("KORBAN"),
            "{unit}: {alert:#}"
        );
    }
    assert!(received(&world, "desa-sukamaju").is_empty(), "a village is told nothing without her consent");
    let notice = |consent_on: &str| {
        json!({
            "village_agency": "desa-sukamaju", "name": "RATNA CONTOH", "news": "NOT_DEPARTED",
            "consent_on": consent_on, "told_on": "2026-02-03",
        })
    };
    let notify = |payload: Value| {
        let by = ("kp2mi", "FAMILY_NOTICE");
        act(&world, by, In::Key("notice/81"), "simpul.village.v1.FamilyNotified", payload)
    };
    for (consent_on, field) in [("", "consent_on"), ("2026-02-04", "told_on")] {
        let refused = notify(notice(consent_on)).unwrap_err();
        assert!(format!("{refused:?}").contains(field), "{consent_on:?}: {refused:?}");
    }
    notify(notice("2026-02-02")).unwrap();
    let told = sent(&world, "desa-sukamaju", |message| message["view"] == "notice");
    let fields = &told["fields"];
    assert!(
        fields.to_string().contains("RATNA CONTOH") && fields.to_string().contains("NOT_DEPARTED"),
        "{told:#}"
    );
    for secret in [NIK, "X8100001", "BATAM", "BTM-81", "MYS"] {
        assert!(!fields.to_string().contains(secret), "{secret}: {told:#}");
    }
    // Of one stream, and no more of it once she has taken her consent back.
    let withdrawn = json!({ "village_agency": "desa-sukamaju", "withdrawn_on": "2026-02-10" });
    let by = ("kp2mi", "FAMILY_NOTICE");
    act(&world, by, In::Key("notice/81"), "simpul.village.v1.FamilyConsentWithdrawn", withdrawn).unwrap();
    let refused = notify(notice("2026-02-02")).unwrap_err();
    assert!(format!("{refused:?}").contains("OUT_OF_ORDER"), "{refused:?}");
    for other in ["kp2mi", "polri", "kbri-yangon"] {
        let messages = received(&world, other);
        assert!(messages.iter().all(|message| message["view"] != "notice"), "{other}: {messages:#?}");
    }

    // Half a year later, another passport: it is her.
    let again = prevented("BTM-97", "X9700009", "2026-08-03", "0812 9999 0000");
    let at = say(REGISTRY, "incident/97", "prevention.v1.DeparturePrevented", again);
    let reached = (at + 1).to_string();
    let find = [
        "person",
        "find",
        "--name",
        "Ratna Contoh",
        "--birth-date",
        "1995-06-12",
        "--purpose",
        "PLACEMENT",
        "--at-least",
        &reached,
    ];
    let found = world.cli_json("kp2mi", "desk", &find);
    let candidates = found["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 1, "one woman, not two: {found:#}");
    assert_eq!(
        candidates[0]["claims"].as_array().unwrap().len(),
        2,
        "what both incidents say of her: {found:#}"
    );
    let by = |passport: &str| {
        let asked =
            ["legality", "check", "--passport", passport, "--purpose", "PLACEMENT", "--at-least", &reached];
        world.cli_json("kp2mi", "desk", &asked)["verdict"]["kind"].clone()
    };
    assert_eq!(by("X8100001"), by("X9700009"));
    let followed = json!({ "followed_up_on": "2026-08-04", "outcome": "RETURNED_HOME", "reattempt_incident_no": "BTM-97" });
    act(&world, REGISTRY, In::Key("incident/81"), "simpul.prevention.v1.FollowUpRecorded", followed).unwrap();

    hub.expect_quiet();
    hub.stop();
}
