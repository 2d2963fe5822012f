//! The decision table of the domain notes (2.3), as a table and case by case; their test cases (2.4) stand in
//! `test_cases.rs`.

mod support;

use simpul_proto::{
    embassy::StayCategory,
    registry::{Evidence, EvidenceKind as E, EvidenceResult, PlacementStatus, Suspension},
    v1::{RequirementState, Scheme, VerdictKind},
};
use support::{Story, line, sourced, states};

#[track_caller]
fn check(story: &Story, expect: &str) {
    assert_eq!(line(&story.assess()), expect);
}

fn p_to_p() -> Story {
    Story::of(Scheme::PToP, "2023-09-01")
}

type Without = fn(Story) -> Story;

/// One requirement per line: what is taken away, and what that means under each scheme.
///
/// `-` NON_PROCEDURAL, `?` INSUFFICIENT_EVIDENCE, both decided by this requirement alone; `=` the answer stays PROCEDURAL.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Without, &str)] = &[
    //                                                                                  P_TO_P G_TO_G UKPS INDIVIDUAL RE_ENTRY SEA_CREW
    ("R1",  "age at least 18",          |s| s.birth("2006-01-01", ""),                       "-   -   -   -   -   -"),
    ("R2",  "identity, not checked",    |s| s.without(E::IdentityCheck),                     "?   ?   ?   ?   ?   ?"),
    ("R3",  "competence",               |s| s.without(E::CompetenceCertificate),             "-   -   -   ?   =   -"),
    ("R4",  "medical certificate",      |s| s.without(E::Medical),                           "-   -   -   -   ?   -"),
    ("R4",  "psychological letter",     |s| s.without(E::Psychology),                        "-   -   -   -   ?   ="),
    ("R5",  "social security",          |s| s.without(E::SocialSecurity),                    "-   -   -   -   =   ="),
    ("R5",  "insurance of sea crew",    |s| s.without(E::Insurance),                         "=   =   =   =   =   -"),
    ("R6",  "marital status letter",    |s| s.without(E::MaritalStatus),                     "-   -   -   -   =   ="),
    ("R7",  "permission of family",     |s| s.without(E::FamilyPermission),                  "-   -   -   -   =   ="),
    ("R8",  "passport",                 |s| s.without(E::Passport),                          "?   ?   ?   ?   ?   ?"),
    ("R9",  "work visa",                |s| s.without(E::Visa),                              "-   -   -   -   ?   ="),
    ("R10", "placement agreement",      |s| s.without(E::PlacementAgreement),                "-   ?   =   =   =   ?"),
    ("R11", "employment contract",      |s| s.without(E::EmploymentContract),                "-   -   -   -   -   -"),
    ("R12", "placer licensed",          |s| s.placer_suspended(),                            "-   =   -   =   =   ="),
    ("R13", "recruitment permit",       |s| s.with(|r| r.recruitment_permit_no.clear()),     "-   =   =   =   =   ="),
    ("R14", "destination open",         |s| s.departing("2025-04-01").with(|r| r.destination = "KHM".into()),
                                                                                             "-   -   -   -   ?   -"),
    ("R15", "occupation open",          |s| s.household("DOMESTIC_WORKER", "SAU", "2023-08-01"),
                                                                                             "-   -   -   *   -   -"),
    ("R16", "orientation (OPP)",        |s| s.without(E::PreDepartureOrientation),           "-   ?   ?   ?   =   ?"),
    ("R17", "card",                     |s| s.without(E::WorkerCard),                        "=   =   =   =   =   ="),
    ("R18", "no cost",                  |s| s.charged(),                                     "=   =   =   =   =   ="),
    ("R19", "registered with district", |s| s.without(E::DistrictRecord),                    "-   -   -   ?   =   ?"),
    ("R20", "employer a legal entity",  |s| s.household("CARER", "TWN", "2023-08-01"),       "=   =   =   -   =   ="),
    ("R20", "set of individuals",       |s| s.without(E::IndividualSet),                     "=   =   =   ?   =   ="),
    ("R21", "sea crew's agreement",     |s| s.with(|r| r.sea_contract = None),               "=   =   =   =   =   -"),
    ("R21", "seafarer's book",          |s| s.without(E::SeafarerBook),                      "=   =   =   =   =   -"),
    ("R22", "report of arrival",        |s| s.with(|r| r.arrival_report = None),             "=   =   =   =   =   ="),
];

#[test]
fn the_decision_table_of_the_domain_notes() {
    use Scheme as S;
    let schemes = [S::PToP, S::GToG, S::Ukps, S::Individual, S::ReEntry, S::SeaCrew];
    for (id, what, without, expect) in TABLE {
        for (scheme, sign) in schemes.into_iter().zip(expect.split_whitespace()) {
            let assessment = without(Story::of(scheme, "2023-09-01")).assess();
            let rows = assessment.requirements.iter().filter(|row| row.decides);
            let decided: Vec<_> = rows.map(|row| row.id.as_str()).collect();
            let (kind, by): (_, &[&str]) = match sign {
                "-" => (VerdictKind::NonProcedural, &[*id]),
                "?" => (VerdictKind::InsufficientEvidence, &[*id]),
                // Two rows forbid a household employer to an individual worker in the Middle East.
                "*" => (VerdictKind::NonProcedural, &["R15", "R20"]),
                _ => (VerdictKind::Procedural, &[]),
            };
            assert_eq!((assessment.kind, &decided[..]), (kind, by), "{id} {what}: {scheme:?}");
        }
    }
}

#[test]
fn a_complete_placement_is_procedural_in_every_scheme_served() {
    for (scheme, expect) in [
        (
            Scheme::PToP,
            "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10+ R11+ R12+ R13+ R14+ R15+ R16+ R17+ R18? R19+ R20. R21. R22+",
        ),
        (
            Scheme::GToG,
            "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10+ R11+ R12. R13. R14+ R15+ R16+ R17+ R18? R19+ R20. R21. R22+",
        ),
        (
            Scheme::Ukps,
            "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10. R11+ R12+ R13. R14+ R15+ R16+ R17+ R18? R19+ R20. R21. R22+",
        ),
        (
            Scheme::SeaCrew,
            "R1+ R2+ R3+ R4+ R5+ R6. R7. R8+ R9+ R10+ R11+ R12. R13. R14+ R15+ R16+ R17+ R18? R19+ R20. R21+ R22+",
        ),
        (
            Scheme::Individual,
            "R1+ R2+ R3+ R4+ R5+ R6+ R7+ R8+ R9+ R10. R11+ R12. R13. R14+ R15+ R16+ R17+ R18? R19+ R20+ R21. R22+",
        ),
        (
            Scheme::ReEntry,
            "R1+ R2+ R3. R4+ R5. R6. R7. R8+ R9+ R10. R11+ R12. R13. R14+ R15+ R16. R17+ R18? R19. R20. R21. R22+",
        ),
    ] {
        let assessment = Story::of(scheme, "2023-09-01").assess();
        assert_eq!(line(&assessment), "PROCEDURAL", "{scheme:?}");
        assert_eq!(states(&assessment), expect, "{scheme:?}");
    }
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
    check(
        &identity(EvidenceResult::Unverified),
        "INSUFFICIENT_EVIDENCE [R2 UNKNOWN] ISSUER_NOT_REACHED ask:dukcapil",
    );
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
    let card = |result: EvidenceResult| p_to_p().piece(E::WorkerCard, |piece| piece.result = result as i32);
    check(&card(EvidenceResult::Invalid), "PROCEDURAL");
    check(&card(EvidenceResult::Revoked), "PROCEDURAL");
    check(&card(EvidenceResult::Unverified), "PROCEDURAL ISSUER_NOT_REACHED");
}

#[test]
fn nobody_is_non_procedural_for_being_unknown() {
    let unknown = Story { facts: simpul_legality::Facts::default(), valid_at: None }.assess();
    assert!(line(&unknown).starts_with("INSUFFICIENT_EVIDENCE [R1 UNKNOWN] [R2 UNKNOWN]"));
    assert!(line(&unknown).ends_with("[R21 UNKNOWN] ask:kp2mi"), "R22 does not decide");
    assert_eq!(unknown.requirements.len(), 22);
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
    let newer = simpul_legality::StayFact {
        category: S::Worker,
        contact_date: Some(support::date("2025-12-24")),
        country: String::new(),
    };
    worker_now.facts.stays.push(sourced(newer, 6));
    assert!(line(&worker_now.assess()).ends_with("ask:kp2mi"));
    let mut placed = p_to_p();
    placed.facts.stays = Story::met_as(S::Student).facts.stays;
    check(&placed, "PROCEDURAL");
}

#[test]
fn schemes_and_days_without_rules_are_left_open() {
    {
        let assessment = Story::of(Scheme::Unspecified, "2023-09-01").assess();
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
        if row.state() == RequirementState::NotApplicable {
            continue;
        }
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
