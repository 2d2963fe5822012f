//! A6: a girl of 17 with an altered NIK is exploited in a café and never left Indonesia. The case needs no placement; child rules hold; the
//! police's Unit PPA, UPTD PPA and Kemensos each see their part; two results stand side by side.

use serde_json::{Value, json};
use simpul_tests::World;

use crate::act::{In, act, case, day};

const POLICE: (&str, &str) = ("polri-kalbar", "INVESTIGATE");
const UPTD: (&str, &str) = ("uptd-ppa-singkawang", "SHELTER");
const KEMENSOS: (&str, &str) = ("kemensos", "REHAB");
const CASE: &str = "UPTD-PPA-SKW/2026/0007";
const LP: &str = "LP/B/31/VI/2026/SPKT/POLDA KALBAR";

/// The NIK says January 2006; she was born in March 2009.
fn girl() -> Value {
    json!({ "name": "MELATI CONTOH", "nik": "6172015501060001", "birth_date": "2009-03-02", "sex": "FEMALE" })
}

fn screening(number: &str, form: &str) -> Value {
    json!({
        "screening_no": number, "case_ref": CASE, "form_version": form, "interview_no": "W-7", "person": girl(),
        "interviewer": "peksos-2", "acts_from": "2026-05-01", "acts_until": "2026-06-10", "interviewed_on": "2026-06-12",
        "screened_on": "2026-06-12",
        "answers": [
            { "question": "minor", "choices": ["YES"] }, { "question": "age-doubt", "choices": ["YES"] },
            { "question": "acts", "choices": ["RECRUITED", "HARBOURED"] },
            { "question": "exploitation", "choices": ["SEXUAL"] }, { "question": "visa-used", "choices": ["DOMESTIC"] },
            { "question": "conditions", "choices": ["EXCESSIVE_HOURS", "LOW_PAY"] },
            { "question": "sexual-forms", "choices": ["CAFE"] }, { "question": "child-work", "choices": ["CAFE"] },
            { "question": "wishes", "choices": ["SHELTER"] },
        ],
        "recruiter": { "name": "TANTE CONTOH" }, "recruiter_contacts": [{ "kind": "PHONE", "value": "0812 0000 0077" }],
        "narrative": "canary-narrative", "urgent_needs": ["PSYCHOLOGICAL"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_child_in_a_cafe_is_a_case_without_any_placement() {
    let world = World::of_all_agencies();
    let _nats = world.nats();
    let hub = world.hub();

    // UPTD PPA speaks with her, in two sittings, by the guide.
    let interview = |event: &str, payload: Value| {
        act(&world, UPTD, In::Key("interview/7"), &format!("simpul.screening.v1.{event}"), payload)
    };
    let begun = json!({
        "interview_no": "W-7", "case_ref": CASE, "guide_version": "gugus-tugas-wawancara/2", "person": girl(),
        "interviewer": "peksos-2", "training": "SERT-2026-11", "started_on": "2026-06-11", "language": "ind", "consent_given": true,
        "safe_now": true,
    });
    interview("InterviewStarted", begun).unwrap();
    interview("InterviewPaused", json!({ "paused_on": "2026-06-11", "reason": "DISTRESS" })).unwrap();
    let (_, early) =
        interview("InterviewPaused", json!({ "paused_on": "2026-06-11", "reason": "TIRED" })).unwrap_err();
    assert!(early.contains("InterviewPaused"), "an impossible order: {early}");
    interview("InterviewResumed", json!({ "resumed_on": "2026-06-12" })).unwrap();
    interview("InterviewCompleted", json!({ "completed_on": "2026-06-12", "outcome": "COMPLETED" })).unwrap();

    // A form that nobody has published is refused, naming field and rule; the right one stands.
    let submit = |payload: Value| {
        act(&world, UPTD, In::Key("screening/7"), "simpul.screening.v1.ScreeningSubmitted", payload)
    };
    let (field, rule) = submit(screening("S-7", "simpul-tppo/9")).unwrap_err();
    assert!(
        field.ends_with("payload.form_version") && rule.contains("a form version that the hub has"),
        "{field}: {rule}"
    );
    submit(screening("S-7", "simpul-tppo/2")).unwrap();

    // The police's Unit PPA has a report on the same case; the woman who brought her there is its suspect.
    let report = json!({
        "lp_number": LP, "report_type": "PUBLIC_REPORT", "stage": "INQUIRY", "stage_date": "2026-06-13",
        "unit": "UNIT PPA POLRES SINGKAWANG", "articles": ["KUHP 455", "UU 35/2014 76F"], "related_case_ref": CASE,
        "persons": [
            { "roles": ["VICTIM", "CHILD"], "person": girl() },
            { "roles": ["SUSPECT", "RECRUITER"], "person": { "name": "TANTE CONTOH" } },
        ],
    });
    let at = act(&world, POLICE, In::Key("lp/31"), "simpul.police.v1.CaseUpdated", report).unwrap();

    // Two results side by side. Nobody else has looked yet, so neither is more than an indication.
    let results = |at: u64| case(&world, UPTD, CASE, at)["fields"]["screening_result"]["results"][0].clone();
    let first = results(at);
    assert_eq!(
        (&first["international"], &first["international_rule"], &first["reviewed"]),
        (&json!("INDICATION"), &json!("AWAITS_REVIEWER"), &json!(false))
    );

    // The interviewer cannot confirm her own screening; an officer of Kemensos can, in its own stream.
    let seen = case(&world, KEMENSOS, CASE, at);
    let records = seen["fields"]["reference"]["records"].as_array().unwrap();
    let record = records.iter().find(|record| record["type"] == "ScreeningSubmitted").unwrap();
    let stream = record["stream"].as_str().unwrap();
    let review = |by: (&str, &str), reviewer: &str, seen: u64| {
        let review = json!({ "reviewer": reviewer, "reviewed_on": "2026-06-14", "outcome": "CONFIRMED" });
        act(&world, by, In::Stream(stream, seen), "simpul.screening.v1.ScreeningReviewed", review).unwrap()
    };
    let at = review(UPTD, "peksos-2", 1);
    assert_eq!(results(at)["international"], "INDICATION");
    let at = review(KEMENSOS, "peksos-ahli-9", 2);
    let result = results(at);
    assert_eq!(
        (&result["international"], &result["form_version"]),
        (&json!("IDENTIFIED"), &json!("simpul-tppo/2"))
    );
    let charges = |code: &str| {
        let charges = result["charges"].as_array().unwrap();
        let one = charges.iter().find(|charge| charge["charge"] == code).unwrap();
        (one["threshold"].as_str().unwrap().to_owned(), one["rule"].as_str().unwrap().to_owned())
    };
    // No means were shown: by the international definition a child needs none, by art. 455 the list is not complete.
    assert_eq!(charges("kuhp-2023-455"), ("INDICATION".into(), "TWO_ELEMENTS".into()));
    assert_eq!(charges("uu-35-2014-76f"), ("IDENTIFIED".into(), "ALL_ELEMENTS_REVIEWED".into()));
    assert!(result["charges"].as_array().unwrap().iter().all(|charge| charge["charge"] != "uu-21-2007-2"));

    // Child services: offered by UPTD PPA, taken by Kemensos.
    let offered = json!({
        "case_ref": CASE, "person": girl(), "service": "CHILD_SERVICES", "to_agencies": ["kemensos"], "offered_on": day(-1),
        "answer_by": day(6), "needs": ["PSYCHOSOCIAL"],
    });
    let at = act(&world, UPTD, In::Key("referral/7"), "simpul.nrm.v1.ReferralOffered", offered).unwrap();
    let seen = case(&world, KEMENSOS, CASE, at);
    let records = seen["fields"]["reference"]["records"].as_array().unwrap();
    let offer = records.iter().find(|record| record["type"] == "ReferralOffered").unwrap();
    let stream = offer["stream"].as_str().unwrap();
    let accepted = json!({ "accepted_on": day(0) });
    let at =
        act(&world, KEMENSOS, In::Stream(stream, 1), "simpul.nrm.v1.ReferralAccepted", accepted).unwrap();

    // Each sees its part, and no placement stands anywhere.
    let social = case(&world, KEMENSOS, CASE, at)["fields"].clone();
    let police = case(&world, POLICE, CASE, at)["fields"].clone();
    assert!(social.get("placement").is_none() && police.get("placement").is_none(), "there is no placement");
    assert!(social["health"].to_string().contains("PSYCHOLOGICAL") && social.get("suspect").is_none());
    assert!(police["suspect"].to_string().contains("TANTE CONTOH"));
    for (part, whose) in [(&social, "Kemensos"), (&police, "police")] {
        let text = part.to_string();
        assert!(
            !text.contains("canary-narrative") && !text.contains("sexual-forms"),
            "answers are not for {whose}"
        );
    }
    assert!(police.get("screening_result").is_none() && police.get("health").is_none());

    // The NIK that says 20 is a warning to whoever looks for her, and no answer about legality is made of nothing.
    let reached = (at + 1).to_string();
    let found = world.cli_json(
        "polri-kalbar",
        "desk",
        &["person", "find", "--name", "Melati Contoh", "--purpose", "INVESTIGATE", "--at-least", &reached],
    );
    assert!(found.to_string().contains("NIK_DATE_MISMATCH"), "{found:#}");
    let asked = ["legality", "check", "--purpose", "INVESTIGATE", "--nik", "6172015501060001"];
    assert_ne!(world.cli_json("polri-kalbar", "desk", &asked)["verdict"]["kind"], "NON_PROCEDURAL");

    hub.expect_quiet();
    hub.stop();
}
