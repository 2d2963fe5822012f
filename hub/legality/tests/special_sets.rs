//! R18 to R22, what is told about the time after departure, and sources that are not heard of.

mod support;

use simpul_proto::{
    registry::{
        ChangeKind, ContractChange, CostCharged, CostKind, CostMeans, EvidenceKind as E, EvidenceResult,
        SeaContract,
    },
    v1::{Freshness, RequirementState, Scheme},
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
fn r18_cost_never_changes_the_verdict_and_raises_its_indicators() {
    use CostMeans as M;
    let charged = |occupation: &str, kind: CostKind, means: M| {
        p_to_p().with(|record| {
            record.occupation = occupation.into();
            let (kind, means) = (kind as i32, means as i32);
            record.costs = vec![CostCharged { kind, means, amount_idr: 9_000_000, ..CostCharged::default() }];
        })
    };
    check(&charged("FACTORY", CostKind::Ticket, M::Cash), "PROCEDURAL");
    check(&charged("FACTORY", CostKind::PlacementFee, M::Cash), "PROCEDURAL OVERCHARGE");
    check(&charged("CARER", CostKind::Ticket, M::Cash), "PROCEDURAL OVERCHARGE");
    check(
        &charged("CARER", CostKind::Training, M::WageDeduction),
        "PROCEDURAL OVERCHARGE DEBT_BONDAGE_INDICATOR",
    );
    check(&charged("FACTORY", CostKind::Training, M::Loan), "PROCEDURAL DEBT_BONDAGE_INDICATOR");
    let row = charged("CARER", CostKind::Ticket, M::Cash).assess().requirements.remove(17);
    assert_eq!((row.rule.as_str(), row.state()), ("R18.zero-cost.2021-01-15", RequirementState::NotMet));
    assert!(row.legal_source.contains("Perban BP2MI 9/2020"), "{}", row.legal_source);
}

#[test]
fn r21_a_sea_crews_agreement_names_vessel_number_flag_and_rank() {
    let sea = |change: fn(&mut SeaContract)| {
        Story::of(Scheme::SeaCrew, "2023-09-01").with(|r| change(r.sea_contract.as_mut().expect("one")))
    };
    let against = "NON_PROCEDURAL [R21 NOT_MET]";
    check(&sea(|_| ()), "PROCEDURAL");
    check(&sea(|contract| contract.flag.clear()), against);
    check(&sea(|contract| contract.imo_number = "9074728".into()), against);
    check(
        &sea(|contract| {
            contract.imo_number.clear();
            contract.registry_no = "FV-77".into();
        }),
        "PROCEDURAL",
    );
    check(
        &sea(|contract| contract.endorsed_by.clear()),
        "INSUFFICIENT_EVIDENCE [R21 UNKNOWN] ask:kemenhub,kp2mi",
    );
    check(&sea(|contract| contract.hours_per_day_max = 14), "PROCEDURAL");
    check(&sea(|contract| contract.hours_per_day_max = 15), "PROCEDURAL EXPLOITATION_INDICATOR_HOURS");
    check(&sea(|contract| contract.hours_per_week_max = 73), "PROCEDURAL EXPLOITATION_INDICATOR_HOURS");
    let row = sea(|contract| contract.rank.clear()).assess().requirements.remove(20);
    assert!(
        row.reason.ends_with("lacks: rank.") && row.reason_id.ends_with("memuat: jabatan."),
        "{}",
        row.reason
    );
    check(
        &Story::of(Scheme::SeaCrew, "2022-06-07"),
        "INSUFFICIENT_EVIDENCE [R21 UNKNOWN] ask:kemenhub,kp2mi",
    );
}

#[test]
fn r22_procedural_and_not_yet_reported_is_told_apart_and_is_no_defect() {
    let unreported = p_to_p().with(|record| record.arrival_report = None);
    check(&unreported, "PROCEDURAL NOT_YET_REPORTED");
    check(&p_to_p().at("2023-09-02"), "PROCEDURAL NOT_YET_REPORTED");
    check(&p_to_p().at("2023-09-20"), "PROCEDURAL");
    let before = unreported.at("2023-08-30").assess();
    assert_eq!(line(&before), "PROCEDURAL NOT_DEPARTED");
    assert_eq!(before.requirements[21].state(), RequirementState::NotApplicable);
}

#[test]
fn a_change_of_employer_or_country_without_record_is_told_after_departure() {
    let changed = |kind: ChangeKind, recorded_by: &str| {
        let (changed_on, kind, recorded_by) = ("2024-02-01".into(), kind as i32, recorded_by.into());
        let change = ContractChange { changed_on, kind, recorded_by, ..ContractChange::default() };
        p_to_p().with(|record| record.contract_changes = vec![change]).at("2024-06-01")
    };
    let state = |story: &Story| story.assess().post_departure;
    assert_eq!(state(&changed(ChangeKind::ChangedEmployer, "")), "CHANGED");
    assert_eq!(state(&changed(ChangeKind::ChangedEmployer, "KDEI Taipei")), "ACTIVE");
    assert_eq!(state(&changed(ChangeKind::ChangedTerms, "")), "ACTIVE");
    assert_eq!(state(&changed(ChangeKind::ChangedEmployer, "").at("2024-01-31")), "ACTIVE");
    let met = |country: &str, day: &str| {
        let mut story = p_to_p().at("2024-06-01");
        story.facts.stays = vec![support::met_in(country, day)];
        story
    };
    assert_eq!(state(&met("HKG", "2024-03-01")), "CHANGED");
    assert_eq!(state(&met("TWN", "2024-03-01")), "ACTIVE");
    assert_eq!(state(&met("IDN", "2024-03-01")), "ACTIVE", "a visit home");
    assert_eq!(state(&met("HKG", "2023-08-01")), "ACTIVE", "before departure");
    assert_eq!(state(&met("HKG", "2024-07-01")), "ACTIVE", "not known by the day asked for");
    check(&changed(ChangeKind::ChangedDestination, ""), "PROCEDURAL CHANGED_WITHOUT_RECORD");
}

/// The registry was last heard of on that day; today is 15 January 2026.
fn heard_on(mut story: Story, day: &str) -> Story {
    let time: jiff::Timestamp = format!("{day}T08:00:00Z").parse().expect("a time");
    let time = simpul_types::Timestamp::from_us(time.as_microsecond());
    story.facts.heard.insert("kp2mi".parse().expect("an agency"), time);
    story
}

#[test]
fn a9_a_source_that_is_not_heard_of_gives_a_stamp_and_changes_nothing_it_has_said() {
    let fresh = heard_on(p_to_p(), "2026-01-12").assess();
    assert_eq!(line(&fresh), "PROCEDURAL");
    assert!(fresh.requirements.iter().all(|row| row.freshness() == Freshness::Fresh));
    let stale = heard_on(p_to_p(), "2026-01-11").assess();
    assert_eq!(line(&stale), "PROCEDURAL SOURCE_STALE");
    assert!(stale.requirements.iter().all(|row| row.freshness() == Freshness::Stale));
    assert!(stale.requirements[0].source_heard_at_us > 0);
    assert_eq!(p_to_p().assess().requirements[0].freshness(), Freshness::Unspecified);
}

#[test]
fn a9_evidence_is_open_only_where_the_silent_source_decides() {
    // The link to Dukcapil is cut while the registry goes on: R2 is open, and R2 alone.
    let unchecked = |story: Story| {
        story.piece(E::IdentityCheck, |piece| piece.result = EvidenceResult::Unverified as i32)
    };
    check(&unchecked(p_to_p()), "INSUFFICIENT_EVIDENCE [R2 UNKNOWN] ISSUER_NOT_REACHED ask:dukcapil");
    check(
        &unchecked(p_to_p()).without(E::Visa),
        "NON_PROCEDURAL [R9 NOT_MET] ISSUER_NOT_REACHED ask:dukcapil",
    );
    // The registry itself is silent since before the departure: what it lacks may have come meanwhile.
    let departed = Story::of(Scheme::PToP, "2026-01-10").without(E::Visa);
    let departed = departed.with(|record| record.arrival_report = None);
    check(
        &heard_on(departed, "2026-01-08"),
        "INSUFFICIENT_EVIDENCE [R9 UNKNOWN] NOT_YET_REPORTED SOURCE_STALE ask:kp2mi,kemlu",
    );
    // It was silent only afterwards: what it lacked on the day it lacked.
    check(&heard_on(p_to_p().without(E::Visa), "2026-01-08"), "NON_PROCEDURAL [R9 NOT_MET] SOURCE_STALE");
}
