//! The decision table of the domain notes (2.3) and their test cases (2.4), as cases a lawyer could read.

mod support;

use simpul_proto::{
    embassy::StayCategory,
    registry::{Evidence, EvidenceKind as E, EvidenceResult, PlacementStatus, Suspension},
    v1::{RequirementState, Scheme},
};
use support::{Story, line, sourced, states};

#[track_caller]
fn check(story: &Story, expect: &str) {
    assert_eq!(line(&story.assess()), expect);
}

fn p_to_p() -> Story {
    Story::of(Scheme::PToP, "2023-09-01")
}

#[test]
fn a_complete_placement_is_procedural_in_every_scheme_served() {
    for (scheme, expect) in [
        (Scheme::PToP, "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10+ R11+ R12+ R13+ R14+ R15+ R16+ R17+"),
        (Scheme::GToG, "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10+ R11+ R12. R13. R14+ R15+ R16+ R17+"),
        (Scheme::Individual, "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10. R11+ R12. R13. R14+ R15+ R16+ R17+"),
        (Scheme::ReEntry, "R1+ R2+ R3. R4+ R5. R6. R7. R8+ R9+ R10. R11+ R12. R13. R14+ R15+ R16. R17+"),
    ] {
        let assessment = Story::of(scheme, "2023-09-01").assess();
        assert_eq!(line(&assessment), "PROCEDURAL", "{scheme:?}");
        assert_eq!(states(&assessment), expect, "{scheme:?}");
    }
}

#[test]
fn a_missing_piece_means_what_the_table_says() {
    use Scheme::{GToG, Individual, PToP, ReEntry};
    for (kind, scheme, expect) in [
        (E::IdentityCheck, PToP, "INSUFFICIENT_EVIDENCE [R2 UNKNOWN] ask:dukcapil"),
        (E::CompetenceCertificate, PToP, "NON_PROCEDURAL [R3 NOT_MET]"),
        (E::CompetenceCertificate, Individual, "INSUFFICIENT_EVIDENCE [R3 UNKNOWN] ask:kp2mi"),
        (E::CompetenceCertificate, ReEntry, "PROCEDURAL"),
        (E::Medical, PToP, "NON_PROCEDURAL [R4 NOT_MET]"),
        (E::Psychology, PToP, "NON_PROCEDURAL [R4 NOT_MET]"),
        (E::Medical, ReEntry, "INSUFFICIENT_EVIDENCE [R4 UNKNOWN] ask:kemenkes"),
        (E::SocialSecurity, PToP, "NON_PROCEDURAL [R5 NOT_MET]"),
        (E::SocialSecurity, ReEntry, "PROCEDURAL"),
        (E::MaritalStatus, PToP, "NON_PROCEDURAL [R6 NOT_MET]"),
        (E::FamilyPermission, Individual, "NON_PROCEDURAL [R7 NOT_MET]"),
        (E::FamilyPermission, ReEntry, "PROCEDURAL"),
        (E::Passport, PToP, "INSUFFICIENT_EVIDENCE [R8 UNKNOWN] ask:imipas"),
        (E::Visa, PToP, "NON_PROCEDURAL [R9 NOT_MET]"),
        (E::Visa, ReEntry, "INSUFFICIENT_EVIDENCE [R9 UNKNOWN] ask:kp2mi,kemlu"),
        (E::PlacementAgreement, PToP, "NON_PROCEDURAL [R10 NOT_MET]"),
        (E::PlacementAgreement, GToG, "INSUFFICIENT_EVIDENCE [R10 UNKNOWN] ask:kp2mi"),
        (E::PlacementAgreement, Individual, "PROCEDURAL"),
        (E::EmploymentContract, PToP, "NON_PROCEDURAL [R11 NOT_MET]"),
        (E::EmploymentContract, Individual, "NON_PROCEDURAL [R11 NOT_MET]"),
        (E::PreDepartureOrientation, PToP, "NON_PROCEDURAL [R16 NOT_MET]"),
        (E::PreDepartureOrientation, GToG, "INSUFFICIENT_EVIDENCE [R16 UNKNOWN] ask:kp2mi"),
        (E::WorkerCard, PToP, "PROCEDURAL"),
        (E::WorkerCard, ReEntry, "PROCEDURAL"),
    ] {
        let assessment = Story::of(scheme, "2023-09-01").without(kind).assess();
        assert_eq!(line(&assessment), expect, "{scheme:?} without {}", kind.as_str_name());
    }
}

#[test]
fn leave_re_entry_before_and_after_16_august_2023() {
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
fn a_domestic_worker_to_the_emirates_before_and_after_1_july_2015() {
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
fn a_household_employer_is_closed_to_individual_workers() {
    let alone = Story::of(Scheme::Individual, "2023-09-01").household("CARER", "TWN", "2023-08-01");
    check(&alone, "NON_PROCEDURAL [R15 NOT_MET]");
    assert_eq!(alone.assess().requirements[14].legal_source, "UU 18/2017 art. 63");
}

#[test]
fn a_licence_must_be_in_force_on_the_departure_day() {
    let suspended = |from: &str, until: &str| {
        p_to_p().placer(|licence| {
            let decision_no = "SK 1/2023".into();
            licence.suspensions = vec![Suspension { from: from.into(), until: until.into(), decision_no }];
        })
    };
    let against = "NON_PROCEDURAL [R12 NOT_MET]";
    check(&suspended("2023-08-20", ""), against);
    check(&suspended("2023-08-20", "2023-09-01"), against);
    check(&suspended("2023-08-20", "2023-08-31"), "PROCEDURAL");
    check(&suspended("2023-09-02", ""), "PROCEDURAL");
    check(&suspended("soon", ""), "INSUFFICIENT_EVIDENCE [R12 UNKNOWN] ask:kp2mi");
    check(&p_to_p().placer(|licence| licence.revoked_on = "2023-09-01".into()), against);
    check(&p_to_p().placer(|licence| licence.revoked_on = "2023-09-02".into()), "PROCEDURAL");
    check(
        &p_to_p().placer(|licence| licence.valid_until = "2023-08-31".into()),
        "NON_PROCEDURAL [R12 EXPIRED]",
    );
    check(
        &p_to_p().with(|record| record.placer_licence_no = " ".into()),
        "NON_PROCEDURAL [R12 NOT_MET] [R13 NOT_MET]",
    );
    let mut off_record = p_to_p();
    off_record.facts.placements[0].placer = None;
    check(&off_record, "INSUFFICIENT_EVIDENCE [R12 UNKNOWN] ask:kp2mi");
    let evidence = &suspended("2023-08-20", "").assess().requirements[11];
    assert_eq!((evidence.evidence_position, evidence.source.as_str()), (Some(3), "kp2mi"));
}

#[test]
fn a_recruitment_permit_belongs_to_its_company_and_destination() {
    check(&p_to_p().with(|record| record.recruitment_permit_no.clear()), "NON_PROCEDURAL [R13 NOT_MET]");
    check(
        &p_to_p().permit(|permit| permit.destinations = vec!["HKG".into()]),
        "NON_PROCEDURAL [R13 NOT_MET]",
    );
    check(
        &p_to_p().permit(|permit| permit.parent_licence_no = "SIP3MI 99/2015".into()),
        "NON_PROCEDURAL [R13 NOT_MET]",
    );
    check(&p_to_p().permit(|permit| permit.parent_licence_no = "sip3mi-12/2015".into()), "PROCEDURAL");
    // It covers the recruitment, not the flight.
    check(
        &p_to_p().permit(|permit| permit.valid_until = "2023-07-31".into()),
        "INSUFFICIENT_EVIDENCE [R13 EXPIRED] ask:kp2mi",
    );
}

#[test]
fn destinations_close_and_statements_disagree() {
    let to = |destination: &str, departure: &str| {
        Story::of(Scheme::PToP, departure).with(|record| record.destination = destination.into())
    };
    let (closed, open) = ("NON_PROCEDURAL [R14 NOT_MET]", "INSUFFICIENT_EVIDENCE [R14 UNKNOWN] ask:kp2mi");
    check(&to("THA", "2025-03-17"), "PROCEDURAL");
    for destination in ["KHM", "MMR", "THA"] {
        check(&to(destination, "2025-03-18"), closed);
    }
    check(&to("KHM", "2024-05-01"), open);
    check(&to("THA", "2025-10-28"), closed);
    check(&to("THA", "2025-10-29"), open);
    check(&to("MMR", "2025-10-29"), closed);
}

#[test]
fn a_tourist_visa_does_not_allow_work() {
    let visa = |detail: &str| p_to_p().piece(E::Visa, |piece| piece.detail = detail.into());
    check(&visa("TOURIST"), "NON_PROCEDURAL [R9 NOT_MET]");
    check(&visa("ON_ARRIVAL"), "INSUFFICIENT_EVIDENCE [R9 UNKNOWN] ask:kp2mi,kemlu");
    check(&visa(""), "INSUFFICIENT_EVIDENCE [R9 UNKNOWN] ask:kp2mi,kemlu");
    let myawaddy = Story::of(Scheme::PToP, "2025-04-01")
        .with(|record| record.destination = "THA".into())
        .piece(E::Visa, |piece| piece.detail = "TOURIST".into())
        .piece(E::Passport, |piece| piece.detail = "TOURIST".into());
    check(&myawaddy, "NON_PROCEDURAL [R9 NOT_MET] [R14 NOT_MET] PASSPORT_FOR_TOURISM");
}

#[test]
fn a_seventeen_year_old_is_a_child_at_departure() {
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
fn age_is_read_from_the_nik_only_where_nothing_else_tells_it() {
    check(&p_to_p().birth("", "3201015206750001"), "PROCEDURAL");
    check(
        &p_to_p().birth("", "3201015206100001"),
        "INSUFFICIENT_EVIDENCE [R1 UNKNOWN] CHILD_AT_DEPARTURE ask:dukcapil",
    );
    check(&p_to_p().birth("", ""), "INSUFFICIENT_EVIDENCE [R1 UNKNOWN] ask:dukcapil");
    // Until 2017 a household employer asked for 21 years.
    let nineteen = |destination: &str, departure: &str| {
        Story::of(Scheme::PToP, departure)
            .household("DOMESTIC_WORKER", destination, departure)
            .birth("1998-01-01", "3201014101980001")
    };
    check(&nineteen("HKG", "2017-11-21"), "NON_PROCEDURAL [R1 NOT_MET]");
    check(&nineteen("HKG", "2017-11-22"), "PROCEDURAL");
}

#[test]
fn a_nik_with_another_birth_date_is_a_warning() {
    check(&p_to_p().birth("1975-06-13", "3201015206750001"), "PROCEDURAL NIK_DATE_MISMATCH");
    check(&p_to_p().birth("1975-06-13", "unreadable"), "PROCEDURAL NIK_MALFORMED");
}

#[test]
fn an_identity_that_was_not_checked_leaves_it_open() {
    let identity =
        |result: EvidenceResult| p_to_p().piece(E::IdentityCheck, |piece| piece.result = result as i32);
    check(&identity(EvidenceResult::Unverified), "INSUFFICIENT_EVIDENCE [R2 UNKNOWN] ask:dukcapil");
    check(&identity(EvidenceResult::Invalid), "NON_PROCEDURAL [R2 NOT_MET]");
}

#[test]
fn documents_are_judged_on_the_departure_day() {
    let medical = |issued: &str| p_to_p().piece(E::Medical, |piece| piece.issued_on = issued.into());
    check(&medical("2023-06-01"), "PROCEDURAL");
    check(&medical("2023-05-31"), "NON_PROCEDURAL [R4 EXPIRED]");
    check(&medical("2023-09-02"), "NON_PROCEDURAL [R4 EXPIRED]");
    check(&medical(""), "INSUFFICIENT_EVIDENCE [R4 UNKNOWN] ask:kemenkes");
    check(&medical("31-05-2023"), "INSUFFICIENT_EVIDENCE [R4 UNKNOWN] ask:kemenkes");
    let passport = p_to_p().piece(E::Passport, |piece| piece.valid_until = "2023-08-31".into());
    check(&passport, "INSUFFICIENT_EVIDENCE [R8 EXPIRED] ask:imipas");
    assert_eq!(passport.assess().requirements[7].reason, "Passport: ended on 2023-08-31, before 2023-09-01.");
    assert_eq!(
        passport.assess().requirements[7].reason_id,
        "Paspor: berakhir pada 2023-08-31, sebelum 2023-09-01."
    );
}

#[test]
fn a_forged_document_is_not_healed_by_its_own_copy_but_by_a_later_one() {
    let forged = |then: fn(&mut Evidence)| {
        p_to_p().with(|record| {
            let piece =
                record.evidence.iter_mut().find(|piece| piece.kind() == E::FamilyPermission).expect("one");
            let mut copy = piece.clone();
            piece.result = EvidenceResult::Invalid as i32;
            then(&mut copy);
            record.evidence.push(copy);
        })
    };
    check(&forged(|_| ()), "NON_PROCEDURAL [R7 NOT_MET]");
    check(&forged(|copy| copy.issued_on = "2023-08-20".into()), "PROCEDURAL INVALID_EVIDENCE_ON_RECORD");
    check(&forged(|copy| copy.number = "other".into()), "PROCEDURAL INVALID_EVIDENCE_ON_RECORD");
}

#[test]
fn the_card_never_decides() {
    let expired = Story::of(Scheme::PToP, "2024-01-10")
        .piece(E::WorkerCard, |piece| piece.valid_until = "2025-06-30".into())
        .piece(E::EmploymentContract, |piece| piece.valid_until = "2026-12-31".into());
    // Permen 34/2025: re-registration within a year.
    let assessment = expired.assess();
    assert_eq!(line(&assessment), "PROCEDURAL CARD_EXPIRED CARD_GRACE");
    assert_eq!(assessment.post_departure, "ACTIVE");
    check(&expired.at("2025-08-01"), "PROCEDURAL CARD_EXPIRED");
    for result in [EvidenceResult::Invalid, EvidenceResult::Revoked, EvidenceResult::Unverified] {
        check(&p_to_p().piece(E::WorkerCard, |piece| piece.result = result as i32), "PROCEDURAL");
    }
}

#[test]
fn nobody_is_non_procedural_for_being_unknown() {
    let unknown = Story { facts: simpul_legality::Facts::default(), valid_at: None }.assess();
    assert!(line(&unknown).starts_with("INSUFFICIENT_EVIDENCE [R1 UNKNOWN] [R2 UNKNOWN]"));
    assert!(line(&unknown).ends_with("[R16 UNKNOWN] ask:kp2mi"), "R17 does not decide");
    assert_eq!(unknown.requirements.len(), 17);
    for category in [StayCategory::Worker, StayCategory::Tourist, StayCategory::Unspecified] {
        assert!(line(&Story::met_as(category).assess()).ends_with("ask:kp2mi"));
    }
}

#[test]
fn students_officials_refugees_investors_and_self_employed_are_no_migrant_workers() {
    use StayCategory as S;
    for category in [S::Student, S::Official, S::Refugee, S::Investor, S::SelfEmployed] {
        let assessment = Story::met_as(category).assess();
        assert_eq!(line(&assessment), "NOT_A_MIGRANT_WORKER");
        assert_eq!(assessment.requirements[0].legal_source, "UU 18/2017 art. 4(2)");
        assert_eq!(assessment.requirements[0].evidence_position, Some(5));
    }
    // The newest stay counts, and a placement counts more than any stay.
    let mut worker_now = Story::met_as(S::Student);
    let newer =
        simpul_legality::StayFact { category: S::Worker, contact_date: Some(support::date("2025-12-24")) };
    worker_now.facts.stays.push(sourced(newer, 6));
    assert!(line(&worker_now.assess()).ends_with("ask:kp2mi"));
    let mut placed = p_to_p();
    placed.facts.stays = Story::met_as(S::Student).facts.stays;
    check(&placed, "PROCEDURAL");
}

#[test]
fn schemes_and_days_without_rules_are_left_open() {
    for scheme in [Scheme::SeaCrew, Scheme::Ukps, Scheme::Unspecified] {
        let assessment = Story::of(scheme, "2023-09-01").assess();
        assert!(line(&assessment).ends_with("ask:kp2mi"), "{}", line(&assessment));
        assert_eq!(
            assessment.requirements[0].reason,
            "The rules of this placement's scheme are not served yet."
        );
    }
    let early = Story::of(Scheme::PToP, "2004-10-17").assess();
    assert_eq!((early.rule_set.as_str(), early.kind.as_str_name()), ("", "INSUFFICIENT_EVIDENCE"));
    let undated = p_to_p().with(|record| record.departure_date.clear()).assess();
    assert!(undated.requirements[0].reason.contains("departure date is not"));
}

#[test]
fn before_2017_no_social_security_was_asked_for() {
    let early = Story::of(Scheme::PToP, "2016-02-01").without(E::SocialSecurity).assess();
    assert_eq!(line(&early), "PROCEDURAL");
    assert_eq!(early.requirements[4].state(), RequirementState::NotApplicable);
    assert_eq!(early.requirements[0].legal_source, "UU 39/2004 art. 35(a)");
}

/// Two placements: Hong Kong from 2019, ended; then Taiwan from 2023.
fn two_placements() -> Story {
    let mut story = p_to_p();
    let mut earlier = Story::of(Scheme::PToP, "2019-02-01").facts.placements.remove(0);
    earlier.reference = "p0".into();
    earlier.placement.position = simpul_types::Position::new(2);
    earlier.placement.value.destination = "HKG".into();
    earlier.placement.value.status = PlacementStatus::Returned as i32;
    story.facts.placements.insert(0, earlier);
    story
}

#[test]
fn valid_at_selects_the_placement_and_the_day() {
    let judged = |story: &Story| {
        let assessment = story.assess();
        format!("{} {} {}", assessment.placement_ref, assessment.valid_at, assessment.post_departure)
    };
    assert_eq!(judged(&two_placements()), "p1 2023-09-01 EXPIRED");
    assert_eq!(judged(&two_placements().at("2024-03-01")), "p1 2023-09-01 ACTIVE");
    assert_eq!(judged(&two_placements().at("2019-02-01")), "p0 2019-02-01 ACTIVE");
    assert_eq!(judged(&two_placements().at("2022-06-01")), "p0 2019-02-01 EXPIRED");
    assert_eq!(judged(&two_placements().at("2018-12-31")), "p0 2018-12-31 ");
    let registered = |record: &mut simpul_proto::registry::PlacementRecorded| {
        record.departure_date.clear();
        record.status = PlacementStatus::Registered as i32;
    };
    // The first has ended, so the one under way is meant.
    let mut under_way = two_placements();
    registered(&mut under_way.facts.placements[1].placement.value);
    assert_eq!(judged(&under_way), format!("p1 {} ", support::TODAY));
    let mut cancelled = two_placements();
    cancelled.facts.placements[1].placement.value.status = PlacementStatus::Cancelled as i32;
    assert_eq!(judged(&cancelled), "p0 2019-02-01 RETURNED");
    let only = p_to_p().with(|record| record.status = PlacementStatus::Cancelled as i32);
    assert!(line(&only.assess()).contains("PLACEMENT_CANCELLED ask:kp2mi"));
}

#[test]
fn the_order_of_facts_does_not_matter() {
    let story = two_placements();
    let mut turned = two_placements();
    turned.facts.placements.reverse();
    for piece in [0, 1] {
        turned.facts.placements[piece].placement.value.evidence.reverse();
    }
    assert_eq!(story.assess(), turned.assess());
}

#[test]
fn every_requirement_cites_its_evidence_rule_and_law() {
    let assessment = p_to_p().assess();
    for row in &assessment.requirements {
        assert!(!row.legal_source.is_empty() && !row.rule.is_empty(), "{}", row.id);
        assert!(!row.reason.contains(['{', '?']) && !row.reason_id.contains(['{', '?']), "{}", row.reason);
        assert_eq!((row.source.as_str(), row.observed_at_us), ("kp2mi", 1_700_000_000_000_000), "{}", row.id);
        let position = match row.id.as_str() {
            "R12" => 3,
            "R13" => 4,
            _ => 10,
        };
        assert_eq!(row.evidence_position, Some(position), "{}", row.id);
    }
}

#[test]
fn a_one_word_name_is_a_name() {
    let mut story = p_to_p();
    story.facts.claims[0].value.name = "Suryaningsih".into();
    check(&story, "PROCEDURAL MONONYM");
}
