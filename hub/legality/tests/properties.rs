//! What holds for all facts, however odd.

mod support;

use proptest::prelude::*;
use simpul_legality::Facts;
use simpul_proto::{
    embassy::StayCategory,
    registry::{Employer, Evidence, EvidenceKind, Suspension},
    v1::{RequirementState, Scheme, VerdictKind},
};
use support::{Story, sourced};

/// A day, mostly a real one near the rules' dates, sometimes none and sometimes no day.
fn day() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (2003..2027_i32, 1..13_u8, 1..29_u8).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}")),
        1 => Just(String::new()),
        1 => "\\PC{0,12}",
    ]
}

fn piece() -> impl Strategy<Value = Evidence> {
    let detail = prop_oneof![Just("WORK"), Just("TOURIST"), Just("ON_ARRIVAL"), Just("")];
    (0..19_i32, day(), day(), day(), 0..6_i32, detail, 0..3_u8).prop_map(
        |(kind, issued_on, valid_from, valid_until, result, detail, number)| Evidence {
            kind,
            number: if number == 0 { String::new() } else { number.to_string() },
            issuer: String::new(),
            issued_on,
            valid_from,
            valid_until,
            result,
            detail: detail.into(),
        },
    )
}

prop_compose! {
    fn story()(
        scheme in 0..8_i32,
        departure in day(),
        signed in day(),
        born in day(),
        destination in prop_oneof![Just("TWN"), Just("SAU"), Just("IRN"), Just("THA"), Just("KHM"), Just("")],
        occupation in prop_oneof![Just("DOMESTIC_WORKER"), Just("FACTORY")],
        employer in proptest::option::of(0..4_i32),
        status in 0..7_i32,
        complete in any::<bool>(),
        pieces in proptest::collection::vec(piece(), 0..8),
        licences in (any::<bool>(), any::<bool>(), day(), day(), day()),
        text in "\\PC{0,20}",
        stay in 0..9_i32,
        valid_at in proptest::option::of((2003..2027_i16, 1..13_i8, 1..29_i8)),
    ) -> Story {
        let mut story = Story::of(Scheme::PToP, "2023-09-01");
        let facts = &mut story.facts;
        let episode = &mut facts.placements[0];
        let record = &mut episode.placement.value;
        if !complete {
            record.evidence.clear();
        }
        record.evidence.extend(pieces);
        record.scheme = scheme;
        record.departure_date = departure;
        record.contract_signed_on = signed;
        record.destination = destination.into();
        record.occupation = occupation.into();
        record.employer = employer.map(|kind| Employer { kind, ..Employer::default() });
        record.status = status;
        let (placer, permit, from, until, revoked) = licences;
        if !placer { episode.placer = None; }
        if !permit { episode.permit = None; }
        if let Some(placer) = &mut episode.placer {
            placer.value.suspensions = vec![Suspension { from, until, decision_no: String::new() }];
            placer.value.revoked_on = revoked;
        }
        facts.claims[0].value.birth_date = born;
        facts.claims[0].value.mrz.clone_from(&text);
        facts.claims[0].value.nik = text;
        let category = StayCategory::try_from(stay).unwrap_or_default();
        facts.stays = vec![sourced(simpul_legality::StayFact { category, contact_date: None, country: String::new() }, 7)];
        story.valid_at = valid_at.and_then(|(year, month, day)| jiff::civil::Date::new(year, month, day).ok());
        story
    }
}

fn rank(kind: VerdictKind) -> u8 {
    match kind {
        VerdictKind::Procedural => 0,
        VerdictKind::InsufficientEvidence => 1,
        VerdictKind::NonProcedural => 2,
        VerdictKind::NotAMigrantWorker | VerdictKind::Unspecified => 9,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Never panics, always the whole table, and the rows agree with the verdict.
    #[test]
    fn the_rows_agree_with_the_verdict(story in story()) {
        let assessment = story.assess();
        prop_assert_eq!(assessment.requirements.len(), 22);
        prop_assert_eq!(&assessment, &story.assess(), "deterministic");
        let decisive: Vec<_> = assessment.requirements.iter().filter(|row| row.decides).collect();
        if decisive.iter().any(|row| row.state() == RequirementState::NotMet) {
            prop_assert_eq!(assessment.kind, VerdictKind::NonProcedural);
        }
        match assessment.kind {
            VerdictKind::Procedural | VerdictKind::NotAMigrantWorker => prop_assert!(decisive.is_empty()),
            VerdictKind::InsufficientEvidence => {
                prop_assert!(!decisive.is_empty() && !assessment.can_answer.is_empty());
            }
            VerdictKind::NonProcedural => prop_assert!(!decisive.is_empty()),
            VerdictKind::Unspecified => prop_assert!(false),
        }
        for row in &assessment.requirements {
            let never = matches!(row.id.as_str(), "R17" | "R18" | "R22");
            prop_assert!(!(never && row.decides), "card, cost and report of arrival never decide");
        }
    }

    /// One more valid document of a kind that allows work never makes an answer worse.
    #[test]
    fn a_valid_document_more_never_makes_it_worse(story in story(), kind in 1..18_i32, days in (day(), day(), day())) {
        let before = story.assess().kind;
        let detail = if kind == EvidenceKind::Visa as i32 { "WORK".into() } else { String::new() };
        let (issued_on, valid_from, valid_until) = days;
        let piece = Evidence {
            kind, detail, issued_on, valid_from, valid_until,
            number: "1".into(),
            result: simpul_proto::registry::EvidenceResult::Valid as i32,
            ..Evidence::default()
        };
        let after = story.with(|record| record.evidence.push(piece)).assess().kind;
        prop_assert!(rank(after) <= rank(before), "{before:?} became {after:?}");
    }

    /// Whatever a mission tells about a person whom nobody placed: never non-procedural.
    #[test]
    fn without_a_placement_nobody_is_non_procedural(story in story(), found in any::<bool>()) {
        let facts = Facts { placements: vec![], found, ..story.facts };
        let kind = Story { facts, valid_at: story.valid_at }.assess().kind;
        prop_assert!(kind != VerdictKind::NonProcedural && kind != VerdictKind::Procedural);
    }
}
