//! Screenings of both versions in one case: each keeps what it came to under its own form version.

use prost::Message;
use simpul_proto::{screening as wire, v1};
use simpul_types::{FieldClass as F, View};

use crate::support::*;

fn event(stream: &str, event_type: &'static str, payload: &impl Message) -> Input {
    let stream = format!("mission-screening-form/{stream}");
    Input { agency: "kbri-yangon", stream, event_type, payload: payload.encode_to_vec() }
}

fn submitted(stream: &str, form: &str, quota: bool) -> Input {
    let answer = |question: &str, choices: &[&str]| wire::Answer {
        question: question.into(),
        choices: choices.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let mut answers = vec![answer("acts", &["RECRUITED"]), answer("exploitation", &["FORCED_CRIMINALITY"])];
    answers.extend(quota.then(|| answer("scam-quota", &["YES"])));
    let screening = wire::ScreeningSubmitted {
        screening_no: format!("SC-{stream}"),
        case_ref: "C-1".into(),
        form_version: form.into(),
        person: Some(v1::PersonClaim { name: "SITI".into(), ..Default::default() }),
        interviewer: "officer-7".into(),
        acts_from: "2026-01-10".into(),
        interviewed_on: "2026-03-01".into(),
        screened_on: "2026-03-01".into(),
        answers,
        narrative: "canary-interview".into(),
        rescreens: if quota { "SC-first".into() } else { String::new() },
        ..Default::default()
    };
    event(stream, "simpul.screening.v1.ScreeningSubmitted", &screening)
}

fn reviewed(stream: &str, reviewer: &str) -> Input {
    let review = wire::ScreeningReviewed {
        reviewer: reviewer.into(),
        reviewed_on: "2026-03-02".into(),
        outcome: wire::ReviewOutcome::Confirmed.into(),
        reason: String::new(),
    };
    event(stream, "simpul.screening.v1.ScreeningReviewed", &review)
}

#[test]
fn a_re_screening_stands_beside_the_older_results_and_rewrites_none() {
    let mut log = TestLog::new();
    log.append(&[screening("s", "C-1")]);
    log.append(&[submitted("first", "simpul-tppo/1", false), reviewed("first", "officer-8")]);
    let (models, handle) = log.start(64);
    let results = || {
        let document = models.document(View::Case, "C-1").unwrap().unwrap();
        document.classes[&F::ScreeningResult]["results"].as_array().unwrap().clone()
    };
    let before = results();
    assert_eq!(
        (&before[0]["form_version"], &before[0]["international"]),
        (&"gugus-tugas-2024/1".into(), &"IDENTIFIED".into())
    );
    assert_eq!(
        (&before[0]["domestic"], &before[0]["international_rule"]),
        (&"INDICATION".into(), &"STATED_BY_OFFICER".into())
    );
    assert_eq!(
        (&before[1]["form_version"], &before[1]["international"]),
        (&"simpul-tppo/1".into(), &"INDICATION".into())
    );

    log.append(&[submitted("second", "simpul-tppo/2", true), reviewed("second", "officer-7")]);
    log.caught_up(&models);
    let after = results();
    assert_eq!(after[..2], before[..], "older results stay word for word");
    assert_eq!(
        (&after[2]["form_version"], &after[2]["rescreens"]),
        (&"simpul-tppo/2".into(), &"SC-first".into())
    );
    assert_eq!(after[2]["reviewed"], false, "the interviewer is no second officer");
    let charge = &after[2]["charges"][0];
    assert_eq!(
        (&charge["charge"], &charge["threshold"], &charge["rule"]),
        (&"kuhp-2023-455".into(), &"INDICATION".into(), &"TWO_ELEMENTS".into())
    );
    log.stop(handle);
}

#[test]
fn results_are_one_class_and_the_answers_that_led_to_them_another() {
    let mut log = TestLog::new();
    log.append(&[submitted("second", "simpul-tppo/2", true)]);
    let (models, handle) = log.start(64);
    let document = models.document(View::Case, "C-1").unwrap().unwrap();
    let findings = &document.classes[&F::Screening]["findings"][0];
    assert_eq!(findings["international"]["elements"][1]["by"], serde_json::json!(["scam-quota=YES"]));
    assert_eq!(findings["domestic"][0]["elements"][0]["by"], serde_json::json!(["acts=RECRUITED"]));
    for (class, value) in &document.classes {
        let text = value.to_string();
        let tells =
            text.contains("scam-quota") || text.contains("canary-interview") || text.contains("officer-7");
        assert_eq!(tells, *class == F::Screening, "{class}: {text}");
        assert_eq!(text.contains("SITI"), *class == F::Identity, "{class}");
    }
    log.stop(handle);
}
