//! The test cases of the domain notes, section 2.4, by name.

mod support;

use simpul_proto::{
    registry::{EvidenceKind as E, Suspension},
    v1::{RequirementState, Scheme},
};
use support::{Story, line};

#[track_caller]
fn check(story: &Story, expect: &str) {
    assert_eq!(line(&story.assess()), expect);
}

fn p_to_p() -> Story {
    Story::of(Scheme::PToP, "2023-09-01")
}

#[test]
fn case_1_leave_re_entry_before_and_after_16_august_2023() {
    let leave = |departure| Story::of(Scheme::ReEntry, departure).without(E::SocialSecurity);
    check(&leave("2023-08-15"), "NON_PROCEDURAL [R5 NOT_MET]");
    check(&leave("2023-08-16"), "PROCEDURAL");
    check(&leave("2023-08-17"), "PROCEDURAL");
    let after = leave("2023-08-17").assess();
    let row = &after.requirements[4];
    assert_eq!(
        (row.rule.as_str(), after.rule_set.as_str()),
        ("R5.leave-re-entry.2023-08-16", "id-pmi-2023-08")
    );
    assert_eq!(row.state(), RequirementState::NotApplicable);
    assert!(row.reason.contains("16 August 2023") && row.reason_id.contains("16 Agustus 2023"));
    check(&leave("2023-08-17").at("2023-08-15"), "NON_PROCEDURAL [R5 NOT_MET] NOT_DEPARTED");
}

#[test]
fn case_2_a_domestic_worker_to_the_emirates_signed_30_june_or_2_july_2015() {
    let maid = |signed| Story::of(Scheme::PToP, "2015-08-01").household("DOMESTIC_WORKER", "ARE", signed);
    check(&maid("2015-06-30"), "PROCEDURAL");
    check(&maid("2015-07-02"), "NON_PROCEDURAL [R15 NOT_MET]");
    check(&maid("2015-07-01"), "NON_PROCEDURAL [R15 NOT_MET]");
    check(&maid(""), "INSUFFICIENT_EVIDENCE [R15 UNKNOWN] ask:kp2mi");
    let kept = maid("2015-06-30").assess();
    assert_eq!(kept.requirements[14].rule, "R15.grandfathered.kepmenaker-260-2015");
    check(
        &Story::of(Scheme::PToP, "2015-06-20").household("DOMESTIC_WORKER", "ARE", "2015-06-01"),
        "PROCEDURAL",
    );
    // Renewed since, back from leave years later.
    check(
        &Story::of(Scheme::ReEntry, "2024-02-01").household("DOMESTIC_WORKER", "SAU", "2014-03-01"),
        "PROCEDURAL",
    );
    // A legal entity there, and a household elsewhere, are not covered.
    check(&p_to_p().with(|record| record.destination = "SAU".into()), "PROCEDURAL");
    check(&p_to_p().household("DOMESTIC_WORKER", "HKG", "2023-08-01"), "PROCEDURAL");
    check(
        &p_to_p().household("DOMESTIC_WORKER", "IRN", "2023-08-01"),
        "INSUFFICIENT_EVIDENCE [R15 UNKNOWN] ask:kp2mi",
    );
    check(
        &p_to_p().household("CARER", "QAT", "2023-08-01").with(|record| record.employer = None),
        "INSUFFICIENT_EVIDENCE [R15 UNKNOWN] ask:kp2mi",
    );
}

#[test]
fn case_3_a_placer_suspended_between_permit_and_departure() {
    // The permit for the order is of 10 July, the departure of 1 September 2023.
    let suspended = |from: &str, until: &str| {
        let (from, until, decision_no) = (from.into(), until.into(), "SK 1/2023".into());
        p_to_p()
            .permit(|permit| permit.valid_from = "2023-07-10".into())
            .placer(|licence| licence.suspensions = vec![Suspension { from, until, decision_no }])
    };
    let story = suspended("2023-08-20", "");
    check(&story, "NON_PROCEDURAL [R12 NOT_MET]");
    let reason = &story.assess().requirements[11].reason;
    assert!(reason.contains("suspended since 2023-08-20 and still so on 2023-09-01"), "{reason}");
    check(&suspended("2023-08-20", "2023-08-31"), "PROCEDURAL");
    check(&suspended("2023-09-02", ""), "PROCEDURAL");
}

#[test]
fn case_4_a_card_that_ended_while_the_grace_of_permen_34_2025_runs() {
    let expired = Story::of(Scheme::PToP, "2024-01-10")
        .piece(E::WorkerCard, |piece| piece.valid_until = "2025-06-30".into())
        .piece(E::EmploymentContract, |piece| piece.valid_until = "2026-12-31".into());
    let assessment = expired.assess();
    assert_eq!(line(&assessment), "PROCEDURAL CARD_EXPIRED CARD_GRACE");
    assert_eq!(assessment.post_departure, "ACTIVE");
    check(&expired.at("2025-08-01"), "PROCEDURAL CARD_EXPIRED");
}

#[test]
fn case_5_a_seventeen_year_old_with_an_altered_nik() {
    // The NIK was altered: it says 1999.
    check(
        &p_to_p().birth("2005-10-02", "3201010210990001"),
        "NON_PROCEDURAL [R1 NOT_MET] NIK_DATE_MISMATCH CHILD_AT_DEPARTURE",
    );
    check(&p_to_p().birth("2005-09-01", "3201010109050001"), "PROCEDURAL");
    check(
        &p_to_p().birth("2005-09-02", "3201010209050001"),
        "NON_PROCEDURAL [R1 NOT_MET] CHILD_AT_DEPARTURE",
    );
    // One source is enough to think of a child, not enough to say the placement was illegal.
    let mut disputed = p_to_p();
    let mut claim = disputed.facts.claims[0].clone();
    claim.value.birth_date = "2006-06-12".into();
    disputed.facts.claims.push(claim);
    check(
        &disputed,
        "INSUFFICIENT_EVIDENCE [R1 UNKNOWN] NIK_DATE_MISMATCH BIRTH_DATES_DIFFER CHILD_AT_DEPARTURE ask:dukcapil",
    );
}

#[test]
fn case_6_a_household_employer_under_the_individual_scheme() {
    let alone = Story::of(Scheme::Individual, "2023-09-01").household("CARER", "TWN", "2023-08-01");
    check(&alone, "NON_PROCEDURAL [R20 NOT_MET]");
    assert_eq!(alone.assess().requirements[19].legal_source, "UU 18/2017 art. 63");
}

#[test]
fn case_7_through_thailand_to_myawaddy_on_a_tourist_visa() {
    let myawaddy = || {
        Story::of(Scheme::PToP, "2025-04-01")
            .with(|record| record.destination = "THA".into())
            .piece(E::Visa, |piece| piece.detail = "TOURIST".into())
            .piece(E::Passport, |piece| piece.detail = "TOURIST".into())
    };
    check(&myawaddy(), "NON_PROCEDURAL [R9 NOT_MET] [R14 NOT_MET] PASSPORT_FOR_TOURISM");
    // A mission met the worker over the border.
    let mut found = myawaddy();
    found.facts.stays = vec![support::met_in("MMR", "2025-05-20")];
    let assessment = found.assess();
    assert_eq!(assessment.post_departure, "CHANGED");
    assert!(line(&assessment).ends_with("PASSPORT_FOR_TOURISM CHANGED_WITHOUT_RECORD"));
}
