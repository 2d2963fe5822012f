//! Screenings as tables: what answers come to, and what is refused. Everybody here is invented.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fmt::Write, fs, path::Path};

use proptest::prelude::*;
use simpul_proto::{
    embassy,
    screening::{Answer, FormVersionPublished, ReviewOutcome, ScreeningReviewed, ScreeningSubmitted},
    v1::PersonClaim,
};
use simpul_screening::{
    AgeGroup, Evaluation, Forms, Kind, Review, Screening, Threshold as T, check, check_published, check_v1,
    evaluate,
};

type Given<'a> = &'a [(&'a str, &'a [&'a str])];

/// A worker lured to a scam compound: every element, and the Delphi dimensions.
const SCAM: Given = &[
    ("acts", &["RECRUITED", "TRANSPORTED", "RECEIVED"]),
    ("promise-broken", &["JOB", "WAGES"]),
    ("held-by", &["DOCUMENTS_TAKEN", "CONFINEMENT"]),
    ("exploitation", &["FORCED_CRIMINALITY"]),
    ("conditions", &["EXCESSIVE_HOURS", "LOW_PAY"]),
];

/// A girl of 17 in a café: nobody forced or deceived her.
const CAFE: Given = &[
    ("minor", &["YES"]),
    ("acts", &["RECRUITED", "HARBOURED"]),
    ("exploitation", &["SEXUAL"]),
    ("conditions", &["EXCESSIVE_HOURS", "LOW_PAY"]),
];

fn submitted(form: &str, given: Given) -> ScreeningSubmitted {
    let answer = |(question, choices): &(&str, &[&str])| Answer {
        question: (*question).into(),
        choices: choices.iter().map(ToString::to_string).collect(),
        text: String::new(),
    };
    ScreeningSubmitted {
        screening_no: "SC-1".into(),
        case_ref: "C-1".into(),
        form_version: form.into(),
        interviewer: "officer-7".into(),
        acts_from: "2026-01-10".into(),
        interviewed_on: "2026-03-01".into(),
        screened_on: "2026-03-01".into(),
        answers: given.iter().map(answer).collect(),
        ..Default::default()
    }
}

fn review(agency: &str, reviewer: &str, outcome: ReviewOutcome) -> Review {
    let event = ScreeningReviewed {
        reviewer: reviewer.into(),
        reviewed_on: "2026-03-02".into(),
        outcome: outcome.into(),
        reason: String::new(),
    };
    Review::from_wire(agency, 9, &event)
}

fn judged(event: &ScreeningSubmitted, reviews: &[Review]) -> Evaluation {
    let forms = Forms::builtin();
    check(forms, event).unwrap();
    evaluate(forms, &Screening::from_v2("kbri-yangon", event), reviews).unwrap()
}

fn confirmed() -> Vec<Review> {
    vec![review("kbri-yangon", "officer-8", ReviewOutcome::Confirmed)]
}

fn domestic<'a>(evaluation: &'a Evaluation, code: &str) -> &'a simpul_screening::Finding {
    evaluation.domestic.iter().find(|finding| finding.definition == code).unwrap()
}

/// What was used never changes, so that no old result does: what is asked or measured otherwise is a new version.
#[test]
fn a_released_form_version_keeps_its_digest() {
    let mut lock = String::new();
    for (measure, digest) in Forms::builtin().measures() {
        writeln!(lock, "{measure} {digest}").unwrap();
    }
    for form in Forms::builtin().all() {
        writeln!(lock, "{} {}", form.code, form.digest).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("forms/forms.lock");
    let written = fs::read_to_string(&path).unwrap_or_default();
    if lock != written {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forms.lock");
        fs::write(&new, &lock).unwrap();
        for line in written.lines() {
            assert!(lock.contains(line), "what was released changed or went: {line}");
        }
        panic!("a form version or a measure is new: copy {} over {}", new.display(), path.display());
    }
}

#[test]
fn every_form_asks_in_both_languages_and_the_minimum_of_the_mechanism() {
    for form in Forms::builtin().all() {
        for question in &form.questions {
            assert!(!question.id.is_empty() && !question.en.is_empty(), "{}", question.code);
            assert_ne!(question.id, question.en, "{}", question.code);
        }
    }
    let full = Forms::builtin().form("simpul-tppo/2").unwrap();
    assert!(full.questions.len() >= 45, "{}", full.questions.len());
    for code in [
        "safe-now",
        "consent-interview",
        "interpreter",
        "age-doubt",
        "recruiter",
        "promise-broken",
        "cost-paid",
        "route",
        "documents-held-by",
        "exploitation",
        "scam-quota",
        "scam-sold",
        "vessel",
        "transhipment",
        "sea-wage-to",
        "sexual-forms",
        "child-guardian",
        "injuries",
        "family-at-risk",
        "dependants",
        "wishes",
        "corroboration",
        "officer-opinion",
    ] {
        assert!(full.question(code).is_some(), "{code}");
    }
    let shown = |wanted: &str| {
        full.questions.iter().any(|question| {
            let of_choices = question.choices.iter().flat_map(|choice| &choice.shows);
            of_choices.chain(&question.shows).any(|shows| shows == wanted)
        })
    };
    for indicator in Forms::builtin().all()[0].question("indicators").unwrap().choices.iter() {
        assert!(shown(&format!("ilo.{}", indicator.code)), "{} cannot be shown", indicator.code);
    }
}

#[test]
fn what_answers_come_to_is_a_table() {
    type Row<'a> = (&'a str, Given<'a>, (T, &'a str), (T, &'a str));
    let table: &[Row] = &[
        (
            "nothing is shown",
            &[("acts", &["UNKNOWN"])],
            (T::NoIndication, "NOTHING_SHOWN"),
            (T::NoIndication, "NOTHING_SHOWN"),
        ),
        (
            "recruited alone",
            &[("acts", &["RECRUITED"])],
            (T::NoIndication, "NOTHING_SHOWN"),
            (T::NoIndication, "NOTHING_SHOWN"),
        ),
        (
            "recruited by a false promise",
            &[("acts", &["RECRUITED"]), ("promise-broken", &["JOB"])],
            (T::Indication, "TWO_ELEMENTS"),
            (T::Indication, "TWO_ELEMENTS"),
        ),
        (
            "all elements, weakly: enough for the charge's list, not for the Delphi dimensions",
            &[("acts", &["RECRUITED"]), ("promise-broken", &["WAGES"]), ("exploitation", &["FORCED_LABOUR"])],
            (T::Indication, "DELPHI_NOT_REACHED"),
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
        ),
        (
            "a scam compound",
            SCAM,
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
        ),
        (
            "documents held: a means by the international definition, not on the closed list of the charge",
            &[
                ("acts", &["RECRUITED"]),
                ("held-by", &["DOCUMENTS_TAKEN", "WAGES_WITHHELD"]),
                ("recruited-by-force", &["DOCUMENTS_TAKEN", "MONEY_WITHHELD", "THREAT_TO_INFORM"]),
                ("exploitation", &["FORCED_LABOUR"]),
                ("conditions", &["EXCESSIVE_HOURS", "LOW_PAY"]),
            ],
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
            (T::Indication, "TWO_ELEMENTS"),
        ),
        (
            "a child in a café",
            CAFE,
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
            (T::Indication, "TWO_ELEMENTS"),
        ),
        (
            "a child for a purpose, nothing else",
            &[("minor", &["YES"]), ("exploitation", &["SEXUAL"])],
            (T::Indication, "CHILD_FOR_A_PURPOSE"),
            (T::NoIndication, "NOTHING_SHOWN"),
        ),
        (
            "stopped before it happened",
            &[
                ("acts", &["RECRUITED"]),
                ("promise-broken", &["JOB", "CONDITIONS"]),
                ("exploitation", &["FORCED_CRIMINALITY"]),
                ("exploitation-happened", &["INTENDED"]),
            ],
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
            (T::Identified, "ALL_ELEMENTS_REVIEWED"),
        ),
    ];
    for (name, given, international, charge) in table {
        let evaluation = judged(&submitted("simpul-tppo/2", given), &confirmed());
        let found = (evaluation.international.threshold, evaluation.international.rule);
        assert_eq!(found, *international, "{name}: international");
        let finding = domestic(&evaluation, "kuhp-2023-455");
        assert_eq!((finding.threshold, finding.rule), *charge, "{name}: domestic");
        assert_eq!(evaluation.form_version, "simpul-tppo/2");
    }
}

#[test]
fn a_finding_names_the_answers_that_led_to_it() {
    let evaluation = judged(&submitted("simpul-tppo/2", SCAM), &[]);
    let by: Vec<Vec<String>> = evaluation
        .international
        .elements
        .iter()
        .map(|element| {
            element.by.iter().map(|shown| format!("{}={}", shown.question, shown.choice)).collect()
        })
        .collect();
    assert_eq!(by[0], ["acts=RECRUITED", "acts=TRANSPORTED", "acts=RECEIVED"]);
    assert!(by[1].contains(&"promise-broken=JOB".into()) && by[1].contains(&"held-by=CONFINEMENT".into()));
    assert_eq!(by[2], ["exploitation=FORCED_CRIMINALITY"]);
    let ilo: Vec<&str> = evaluation.ilo.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(
        ilo,
        [
            "DECEPTION",
            "RESTRICTION_OF_MOVEMENT",
            "ISOLATION",
            "RETENTION_OF_IDENTITY_DOCUMENTS",
            "WITHHOLDING_OF_WAGES",
            "EXCESSIVE_OVERTIME"
        ]
    );
}

#[test]
fn identified_needs_a_reviewer_other_than_the_interviewer() {
    use ReviewOutcome::{Confirmed, Returned};
    type Row<'a> = (&'a [(&'a str, &'a str, ReviewOutcome)], T, &'a str, &'a [&'a str]);
    let table: &[Row] = &[
        (&[], T::Indication, "AWAITS_REVIEWER", &[]),
        (
            &[("kbri-yangon", "officer-7", Confirmed)],
            T::Indication,
            "AWAITS_REVIEWER",
            &["REVIEWER_IS_INTERVIEWER"],
        ),
        // Officers of two agencies may have one pseudonym.
        (&[("kemensos", "officer-7", Confirmed)], T::Identified, "ALL_ELEMENTS_REVIEWED", &[]),
        (&[("kbri-yangon", "officer-8", Confirmed)], T::Identified, "ALL_ELEMENTS_REVIEWED", &[]),
        (&[("kbri-yangon", "officer-8", Returned)], T::Indication, "RETURNED_BY_REVIEWER", &[]),
        (
            &[("kbri-yangon", "officer-8", Returned), ("kbri-yangon", "officer-9", Confirmed)],
            T::Identified,
            "ALL_ELEMENTS_REVIEWED",
            &[],
        ),
    ];
    for (reviews, threshold, rule, flags) in table {
        let reviews: Vec<_> =
            reviews.iter().map(|(agency, who, outcome)| review(agency, who, *outcome)).collect();
        let evaluation = judged(&submitted("simpul-tppo/2", SCAM), &reviews);
        assert_eq!((evaluation.international.threshold, evaluation.international.rule), (*threshold, *rule));
        let found: Vec<&str> = evaluation
            .flags
            .iter()
            .filter(|flag| flag.field.starts_with("review"))
            .map(|flag| flag.rule)
            .collect();
        assert_eq!(&found, flags);
    }
}

#[test]
fn the_charge_is_the_one_in_force_when_it_happened() {
    let table: &[(&str, &str, &[&str])] = &[
        ("2025-06-01", "2025-12-31", &["uu-21-2007-2"]),
        ("2026-01-02", "", &["kuhp-2023-455"]),
        ("2025-12-01", "2026-01-02", &["uu-21-2007-2", "kuhp-2023-455"]),
        ("", "", &["uu-21-2007-2", "kuhp-2023-455"]),
    ];
    for (from, until, charges) in table {
        let mut event = submitted("simpul-tppo/2", SCAM);
        (event.acts_from, event.acts_until) = ((*from).into(), (*until).into());
        let evaluation = judged(&event, &[]);
        let found: Vec<&str> =
            evaluation.domestic.iter().map(|finding| finding.definition.as_str()).collect();
        assert_eq!(&found, charges, "{from}..{until}");
        assert_eq!(evaluation.flags.iter().any(|flag| flag.rule == "ACT_DATE_UNKNOWN"), from.is_empty());
    }
    let child = judged(&submitted("simpul-tppo/2", CAFE), &confirmed());
    assert_eq!(domestic(&child, "uu-35-2014-76f").threshold, T::Identified, "of children alone, no means");
}

#[test]
fn age_goes_by_birth_date_answer_and_doubt() {
    type Row<'a> = (&'a str, Given<'a>, AgeGroup, &'a [&'a str]);
    let table: &[Row] = &[
        ("2008-01-11", &[], AgeGroup::Child, &[]),
        ("2008-01-10", &[], AgeGroup::Adult, &[]),
        ("", &[], AgeGroup::Adult, &["AGE_UNKNOWN"]),
        ("", &[("minor", &["YES"])], AgeGroup::Child, &[]),
        // The altered NIK of story A6: the paper says 19, the girl says 17.
        ("2007-01-01", &[("minor", &["YES"])], AgeGroup::Child, &["AGE_MISMATCH"]),
        ("1990-01-01", &[("age-doubt", &["YES"])], AgeGroup::Child, &["AGE_IN_DOUBT_TREATED_AS_CHILD"]),
    ];
    for (born, given, age, flags) in table {
        let mut event = submitted("simpul-tppo/2", given);
        event.person = Some(PersonClaim { birth_date: (*born).into(), ..Default::default() });
        let evaluation = judged(&event, &[]);
        let found: Vec<&str> =
            evaluation.flags.iter().filter(|flag| flag.field == "minor").map(|flag| flag.rule).collect();
        assert_eq!((evaluation.age, &found[..]), (*age, *flags), "{born} {given:?}");
    }
}

#[test]
fn a_dimension_is_positive_by_the_rule_of_the_survey() {
    let table: &[(&[&str], bool)] = &[
        (&["DOCUMENTS_TAKEN"], false),
        (&["DOCUMENTS_TAKEN", "DEBT"], true),
        (&["DOCUMENTS_TAKEN", "AGAINST_PEERS"], true),
        (&["DOCUMENTS_TAKEN", "THREAT_TO_INFORM"], true),
        (&["AGAINST_PEERS", "LIE_TO_AUTHORITIES"], false),
        (&["AGAINST_PEERS", "LIE_TO_AUTHORITIES", "THREAT_OF_WORSE"], true),
        (&["AGAINST_PEERS", "LIE_TO_AUTHORITIES", "THREAT_TO_INFORM"], true),
        (&["AGAINST_PEERS", "THREAT_TO_INFORM"], false),
    ];
    for (held_by, positive) in table {
        let evaluation = judged(&submitted("simpul-tppo/2", &[("held-by", held_by)]), &[]);
        for set in &evaluation.delphi {
            let one = set.dimensions.iter().find(|one| one.code == "COERCION_AT_DESTINATION").unwrap();
            assert_eq!(one.positive, *positive, "{held_by:?} in {}", set.set);
        }
    }
}

/// What was not asked on an older form cannot show anything; the older result stays, and the later one stands beside it.
#[test]
fn the_same_person_under_two_form_versions_has_two_results() {
    let asked = &[("acts", &["RECRUITED"][..]), ("exploitation", &["FORCED_CRIMINALITY"][..])];
    let mut first = submitted("simpul-tppo/1", asked);
    first.screened_on = "2026-03-01".into();
    let mut second = submitted("simpul-tppo/2", &[asked, &[("scam-quota", &["YES"][..])][..]].concat());
    (second.screening_no, second.rescreens) = ("SC-2".into(), "SC-1".into());
    second.rescreen_reason = simpul_proto::screening::RescreenReason::NewForm.into();
    assert!(Forms::builtin().form("simpul-tppo/1").unwrap().question("scam-quota").is_none());
    let (first, second) = (judged(&first, &confirmed()), judged(&second, &confirmed()));
    assert_eq!(domestic(&first, "kuhp-2023-455").rule, "TWO_ELEMENTS");
    assert_eq!((&first.form_version[..], &second.form_version[..]), ("simpul-tppo/1", "simpul-tppo/2"));
    assert_eq!(second.international.elements[1].by[0].question, "scam-quota");
}

#[test]
fn version_1_keeps_the_results_that_the_officer_stated() {
    let event = embassy::ScreeningSubmitted {
        screening_no: "SC-0".into(),
        form_version: "gugus-tugas-2024/1".into(),
        officer: "officer-7".into(),
        indicators: vec!["DEBT_BONDAGE".into()],
        result_international: embassy::ScreeningResult::Identified.into(),
        result_domestic: embassy::ScreeningResult::Indication.into(),
        ..Default::default()
    };
    check_v1(Forms::builtin(), &event).unwrap();
    let screening = Screening::from_v1("kbri-yangon", &event);
    assert_eq!(screening.interviewer, ("kbri-yangon".into(), "officer-7".into()));
    let evaluation = evaluate(Forms::builtin(), &screening, &[]).unwrap();
    assert_eq!(evaluation.international.threshold, T::Identified);
    assert_eq!(evaluation.international.rule, "STATED_BY_OFFICER");
    assert_eq!(evaluation.domestic_threshold(), T::Indication);
    assert_eq!(evaluation.ilo[0].0, "DEBT_BONDAGE");
    assert!(evaluation.flags.is_empty());
}

#[test]
fn version_2_is_read_with_its_answers() {
    let screening = Screening::from_v2("kemensos", &submitted("simpul-tppo/2", CAFE));
    assert_eq!(screening.interviewer, ("kemensos".into(), "officer-7".into()));
    assert_eq!(screening.answers.len(), CAFE.len());
    assert!(screening.stated.is_none());
}

#[test]
fn what_is_not_of_the_form_is_refused_by_field_and_rule() {
    type Change<'a> = &'a dyn Fn(&mut ScreeningSubmitted);
    let table: &[(Change, &str, &str)] = &[
        (
            &|event| event.form_version = "simpul-tppo/9".into(),
            "form_version",
            "a form version that the hub has",
        ),
        (
            &|event| event.form_version = "gugus-tugas-2024/1".into(),
            "form_version",
            "a form of coded answers; this one states results",
        ),
        (
            &|event| event.screened_on = "2025-12-31".into(),
            "screened_on",
            "a day on which simpul-tppo/2 is in force",
        ),
        (
            &|event| event.answers[0].question = "acts2".into(),
            "answers[0].question",
            "a question of simpul-tppo/2",
        ),
        (
            &|event| event.answers[1].choices[1] = "PAY".into(),
            "answers[1].choices[1]",
            "a choice of promise-broken in simpul-tppo/2",
        ),
        (&|event| event.answers[1].question = "acts".into(), "answers[1].question", "answered once"),
        (
            &|event| event.answers[0].text = "x".into(),
            "answers[0].text",
            "only of a question that takes text",
        ),
        (&|event| event.rescreens = "SC-0".into(), "rescreen_reason", "stands with `rescreens`"),
    ];
    for (change, path, rule) in table {
        let mut event = submitted("simpul-tppo/2", SCAM);
        change(&mut event);
        let fault = check(Forms::builtin(), &event).unwrap_err();
        assert_eq!((fault.path.as_str(), fault.rule.as_str()), (*path, *rule));
    }
}

#[test]
fn a_published_form_is_the_one_that_the_hub_has() {
    let form = Forms::builtin().form("simpul-tppo/2").unwrap();
    let event = FormVersionPublished {
        form_version: form.code.clone(),
        digest: form.digest.clone(),
        in_force_from: "2026-01-02".into(),
        ..Default::default()
    };
    check_published(Forms::builtin(), &event).unwrap();
    let other = FormVersionPublished { digest: "00".into(), ..event.clone() };
    assert_eq!(check_published(Forms::builtin(), &other).unwrap_err().path, "digest");
    let other = FormVersionPublished { in_force_from: "2026-01-03".into(), ..event };
    assert_eq!(check_published(Forms::builtin(), &other).unwrap_err().path, "in_force_from");
}

/// Any answers of a form: a question by number, a choice by number.
fn answers() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0_usize..80, 0_usize..20), 0..40)
}

proptest! {
    /// More answers never lower a result, and without a second officer nobody is identified.
    #[test]
    fn further_answers_only_raise_a_result(picks in answers(), kept in 0_usize..40) {
        let form = Forms::builtin().form("simpul-tppo/2").unwrap();
        let coded: Vec<_> = form.questions.iter().filter(|question| question.kind == Kind::Many).collect();
        let event = |picks: &[(usize, usize)]| {
            let mut event = submitted("simpul-tppo/2", &[]);
            for (question, choice) in picks {
                let question = coded[question % coded.len()];
                let choice = question.choices[choice % question.choices.len()].code.clone();
                match event.answers.iter_mut().find(|answer| answer.question == question.code) {
                    Some(answer) => answer.choices.push(choice),
                    None => event.answers.push(Answer { question: question.code.clone(), choices: vec![choice], text: String::new() }),
                }
            }
            event
        };
        let fewer = judged(&event(&picks[..kept.min(picks.len())]), &[]);
        let all = judged(&event(&picks), &[]);
        prop_assert!(all.domestic_threshold() >= fewer.domestic_threshold());
        prop_assert!(all.international.threshold >= fewer.international.threshold);
        prop_assert!(all.international.threshold < T::Identified && all.domestic_threshold() < T::Identified);
    }
}
