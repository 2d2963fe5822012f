//! Cases, clocks and shelters as tables. Every case here is invented.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::{collection::vec, prelude::*};
use simpul_cases::{
    BedState, Case, ClockBook, Due, Fact, FactKind, Need, ReferralState, Shelter, bed_stream, match_shelters,
};
use simpul_proto::{
    hub,
    justice::{self, ProsecutionStep},
    nrm::{self, ClockAct, PersonRole, Stage},
    shelter,
    v1::PersonClaim,
};

fn fact(position: u64, source: &str, record: &str, person: &str, kind: FactKind) -> Fact {
    let persons = if person.is_empty() { Vec::new() } else { vec![person.to_owned()] };
    Fact { position, source: source.into(), record: record.into(), persons, kind }
}

fn stage(stage: Stage, reason: &str) -> FactKind {
    FactKind::StageChanged(nrm::StageChanged {
        stage: stage.into(),
        changed_on: "2026-03-01".into(),
        holder: "kbri-yangon".into(),
        reason: reason.into(),
        ..Default::default()
    })
}

fn role(role: PersonRole, from: &str, until: &str) -> FactKind {
    let suspect = matches!(role, PersonRole::Suspect | PersonRole::Recruiter);
    let claim = || Some(PersonClaim::default());
    FactKind::RoleAssigned(nrm::RoleAssigned {
        person: if suspect { None } else { claim() },
        suspect: if suspect { claim() } else { None },
        role: if suspect { 0 } else { role.into() },
        suspect_role: if suspect { role.into() } else { 0 },
        from: from.into(),
        until: until.into(),
        decided_by: "gugus tugas".into(),
        ..Default::default()
    })
}

fn clock(rule: &str, act: ClockAct, on: &str) -> nrm::ClockSet {
    nrm::ClockSet { rule: rule.into(), act: act.into(), on: on.into(), ..Default::default() }
}

fn of(kinds: Vec<FactKind>) -> Case {
    let facts: Vec<_> =
        kinds.into_iter().enumerate().map(|(n, kind)| fact(n as u64, "kemensos", "r", "p", kind)).collect();
    Case::of(&facts)
}

fn rules(case: &Case) -> Vec<&'static str> {
    case.flags.iter().map(|flag| flag.rule).collect()
}

#[test]
fn a_judgment_before_any_charge_stands_and_is_flagged() {
    let step = |step: ProsecutionStep| {
        FactKind::ProsecutionStepped(justice::ProsecutionStepped { step: step.into(), ..Default::default() })
    };
    let judgment = || FactKind::JudgmentRendered(justice::JudgmentRendered::default());
    let early = of(vec![step(ProsecutionStep::FileReceived), judgment()]);
    assert_eq!(rules(&early), ["JUDGMENT_BEFORE_CHARGE"]);
    assert_eq!((early.flags[0].field, early.flags[0].position), ("judgment", 1));
    assert!(of(vec![step(ProsecutionStep::Charged), judgment()]).flags.is_empty());
    // Another suspect's charge is no charge of this one.
    let other = fact(0, "kejaksaan", "r", "q", step(ProsecutionStep::Charged));
    let case = Case::of(&[other, fact(1, "kejaksaan", "r", "p", judgment())]);
    assert_eq!(rules(&case), ["JUDGMENT_BEFORE_CHARGE"]);
}

#[test]
fn a_case_goes_forward_and_what_does_not_fit_is_flagged_with_field_and_rule() {
    use Stage as S;
    type Row<'a> = (&'a [(S, &'a str)], &'a [&'a str]);
    let table: &[Row] = &[
        (&[(S::Tip, ""), (S::Screening, ""), (S::UrgentSafety, ""), (S::FormalIdentification, "")], &[]),
        (&[(S::Screening, ""), (S::UrgentSafety, ""), (S::LegalTrack, ""), (S::Recovery, "")], &[]),
        (&[(S::Screening, ""), (S::Repatriation, "")], &["SAFETY_LEFT_OUT_WITHOUT_REASON"]),
        (&[(S::Screening, ""), (S::Repatriation, "already safe at the mission"), (S::Handover, "")], &[]),
        (&[(S::UrgentSafety, ""), (S::Screening, "")], &["BACK_WITHOUT_REASON"]),
        (&[(S::UrgentSafety, ""), (S::Screening, "new facts")], &[]),
        (&[(S::Tip, ""), (S::Closed, ""), (S::Screening, "")], &["REOPENED_WITHOUT_REASON"]),
        (&[(S::Tip, ""), (S::Closed, ""), (S::Screening, "second attempt")], &[]),
    ];
    for (stages, expected) in table {
        let case = of(stages.iter().map(|(one, reason)| stage(*one, reason)).collect());
        assert_eq!(&rules(&case), expected, "{stages:?}");
        assert_eq!(case.stage().unwrap().stage, stages.last().unwrap().0, "a flag stops nothing");
        assert!(case.flags.iter().all(|flag| flag.field == "stage"));
    }
}

/// Story A4: several roles at once, dated, reversible; a later acquittal closes no service.
#[test]
fn a4_one_person_holds_several_roles_and_none_ends_another() {
    let case = of(vec![
        role(PersonRole::Victim, "2026-01-01", ""),
        role(PersonRole::Recruiter, "2026-01-05", ""),
        role(PersonRole::Suspect, "2026-02-01", ""),
        role(PersonRole::Suspect, "2026-02-01", "2026-06-01"),
    ]);
    let on = |day| case.roles_on("p", day).collect::<BTreeSet<_>>();
    assert_eq!(on("2026-03-01"), [PersonRole::Victim, PersonRole::Recruiter, PersonRole::Suspect].into());
    assert_eq!(on("2026-07-01"), [PersonRole::Victim, PersonRole::Recruiter].into());
    assert!(case.flags.is_empty());
    let wrong = of(vec![FactKind::RoleAssigned(nrm::RoleAssigned {
        person: Some(PersonClaim::default()),
        suspect: Some(PersonClaim::default()),
        role: PersonRole::Victim.into(),
        from: "2026-01-01".into(),
        ..Default::default()
    })]);
    assert_eq!(rules(&wrong), ["EITHER_PERSON_OR_SUSPECT", "ROLE_OF_THE_OTHER_KIND"]);
}

#[test]
fn a_referral_tells_who_has_it_and_since_when() {
    let offered = FactKind::ReferralOffered(nrm::ReferralOffered {
        service: "SHELTER".into(),
        to_agencies: vec!["kemensos".into()],
        answer_by: "2026-03-08".into(),
        ..Default::default()
    });
    let accepted = FactKind::ReferralAccepted(nrm::ReferralAccepted {
        accepted_on: "2026-03-02".into(),
        ..Default::default()
    });
    let mut facts = vec![fact(1, "kbri-yangon", "ref-1", "", offered)];
    assert_eq!(Case::of(&facts).referrals[0].state, ReferralState::Offered);
    facts.push(fact(2, "kemensos", "ref-1", "", accepted));
    let case = Case::of(&facts);
    let referral = &case.referrals[0];
    assert_eq!(
        (referral.state, &referral.by[..], &referral.since[..]),
        (ReferralState::Accepted, "kemensos", "2026-03-02")
    );
    assert!(case.flags.is_empty());
    let other = FactKind::ReferralAccepted(nrm::ReferralAccepted::default());
    facts[1] = fact(2, "kp2mi", "ref-1", "", other);
    assert_eq!(rules(&Case::of(&facts)), ["ACCEPTED_BY_ANOTHER_AGENCY"]);
}

/// Story A7: a hold ends by itself, and the breach goes up to the provincial task force.
#[test]
fn a7_a_bed_hold_times_out_and_a_late_clock_escalates_level_by_level() {
    let held = FactKind::BedHeld(shelter::BedHeld {
        shelter_code: "SH-61-02".into(),
        bed: 3,
        until: "2026-03-03".into(),
        ..Default::default()
    });
    let case = of(vec![held, FactKind::ClockSet(clock("services-7d", ClockAct::Start, "2026-03-01"))]);
    let bed = &case.beds[0];
    assert_eq!(
        (bed.state, bed.free_on(date(2026, 3, 3)), bed.free_on(date(2026, 3, 4))),
        (BedState::Held, false, true)
    );

    let book = ClockBook::builtin();
    let calendar = book.calendar(None);
    let state = |day: Date| book.state(&case.clocks[0], &calendar, day);
    let levels = |day| state(day).escalated_to.join(" ");
    assert_eq!(state(date(2026, 3, 8)).due, Some(date(2026, 3, 8)));
    assert_eq!((levels(date(2026, 3, 8)), levels(date(2026, 3, 9))), (String::new(), "KAB_KOTA".into()));
    assert_eq!(
        (levels(date(2026, 3, 16)), levels(date(2026, 3, 23))),
        ("KAB_KOTA PROVINSI".into(), "KAB_KOTA PROVINSI PUSAT".into())
    );
    assert_eq!(state(date(2026, 3, 20)).late_days, 12);
}

#[test]
fn clocks_pause_with_reason_extend_with_approver_and_count_business_days() {
    let book = ClockBook::builtin();
    let calendar = book.calendar(None);
    let run = |acts: Vec<nrm::ClockSet>, today| {
        let case = of(acts.into_iter().map(FactKind::ClockSet).collect());
        (case.clocks.first().map(|clock| book.state(clock, &calendar, today)), rules(&case))
    };
    let start = |rule: &str, on: &str| clock(rule, ClockAct::Start, on);
    // 1 May 2025 (Labour Day) is a Thursday: 15 business days from 25 April end on 19 May.
    let (state, _) = run(vec![start("complaint-clarity-15wd", "2025-04-25")], date(2025, 5, 1));
    assert_eq!(state.unwrap().due, Some(date(2025, 5, 19)));

    let pause = nrm::ClockSet {
        reason: "WAITS_FOR_HOST_COUNTRY".into(),
        ..clock("services-7d", ClockAct::Pause, "2026-03-04")
    };
    let resume = clock("services-7d", ClockAct::Resume, "2026-03-10");
    let paused = vec![start("services-7d", "2026-03-01"), pause.clone()];
    let (state, flags) = run(paused.clone(), date(2026, 4, 1));
    assert!(state.as_ref().unwrap().paused && state.unwrap().due.is_none() && flags.is_empty());
    let (state, _) = run([paused.clone(), vec![resume.clone()]].concat(), date(2026, 3, 11));
    assert_eq!(state.unwrap().due, Some(date(2026, 3, 14)), "two days before the pause, five after");

    let extend = |reason: &str, by: &str| nrm::ClockSet {
        days: 7,
        reason: reason.into(),
        approved_by: by.into(),
        ..clock("services-7d", ClockAct::Extend, "2026-03-05")
    };
    let with = |act: nrm::ClockSet| run(vec![start("services-7d", "2026-03-01"), act], date(2026, 3, 9));
    assert_eq!(with(extend("HOSPITAL", "o-9")).0.unwrap().due, Some(date(2026, 3, 15)));
    assert_eq!(with(extend("HOSPITAL", "")).1, ["EXTENSION_WITHOUT_APPROVER"]);
    assert_eq!(with(extend("", "o-9")).1, ["EXTENSION_WITHOUT_REASON"]);
    assert_eq!(with(clock("services-7d", ClockAct::Pause, "2026-03-04")).1, ["PAUSE_WITHOUT_REASON"]);
    assert_eq!(with(resume.clone()).1, ["NOT_PAUSED"]);
    assert_eq!(run(vec![resume], date(2026, 3, 9)).1, ["CLOCK_NOT_STARTED"]);
    let (state, _) = with(clock("services-7d", ClockAct::Stop, "2026-03-05"));
    let state = state.unwrap();
    assert!(state.stopped && state.late_days == 0 && state.escalated_to.is_empty());
}

#[test]
fn shelters_are_matched_by_constraints_and_nobody_sleeps_under_one_roof_with_their_suspect() {
    let shelter = |code: &str, province: &str, level: u32| Shelter {
        code: code.into(),
        province: province.into(),
        country: "IDN".into(),
        takes_women: true,
        takes_children: true,
        security_level: level,
        beds: 2,
        ..Shelter::default()
    };
    let near = shelter("SH-61-01", "61", 1);
    let secure = shelter("SH-61-02", "61", 3);
    let far = shelter("SH-31-01", "31", 1);
    let all = [far.clone(), secure.clone(), near.clone()];
    let need = Need { province: "61".into(), country: "IDN".into(), woman: true, ..Need::default() };
    let codes = |need: &Need, shelters: &[Shelter]| -> Vec<String> {
        match_shelters(need, shelters).found.into_iter().map(|one| one.code).collect()
    };
    assert_eq!(codes(&need, &all), ["SH-61-01", "SH-61-02", "SH-31-01"]);
    assert_eq!(codes(&Need { security_level: 2, ..need.clone() }, &all), ["SH-61-02"]);
    assert!(codes(&Need { woman: false, man: true, ..need.clone() }, &all).is_empty());
    assert!(
        codes(&Need { woman: false, ..need.clone() }, &all).is_empty(),
        "sex not recorded: both must be taken"
    );
    assert!(codes(&Need { step_free: true, ..need.clone() }, &all).is_empty());
    let full = Shelter { taken: [1, 2].into(), ..near.clone() };
    assert_eq!(match_shelters(&need, std::slice::from_ref(&full)).full, 1);
    assert_eq!(codes(&need, &[full, far.clone()]), ["SH-31-01"], "the next best");
    let one_taken = Shelter { taken: [1].into(), ..near.clone() };
    assert_eq!(match_shelters(&need, &[one_taken]).found[0].bed, 2);
    let with_suspect = Shelter { guests: ["suspect".to_owned()].into(), ..near };
    let apart = Need { apart_from: ["suspect".to_owned()].into(), ..need };
    assert_eq!(match_shelters(&apart, std::slice::from_ref(&with_suspect)).kept_apart, 1);
    assert_eq!(codes(&apart, &[with_suspect, far]), ["SH-31-01"], "A4");
}

#[test]
fn a_bed_has_one_stream_whoever_holds_it() {
    assert_eq!(bed_stream("SH-61-01", 2), "shelter-bed/6ae3ec8eed655e81ae5d6f30a850cc25");
    assert_ne!(bed_stream("SH-61-01", 2), bed_stream("SH-61-0", 12));
}

/// Offers, holds and clocks have a day on which something happens by itself, and a clock goes up level by level.
#[test]
fn what_is_due_is_told_with_its_day_and_not_twice() {
    let offered = FactKind::ReferralOffered(nrm::ReferralOffered {
        to_agencies: vec!["kemensos".into()],
        offered_on: "2026-03-01".into(),
        answer_by: "2026-03-03".into(),
        ..Default::default()
    });
    let held = FactKind::BedHeld(shelter::BedHeld {
        shelter_code: "SH-61-01".into(),
        bed: 1,
        held_on: "2026-03-01".into(),
        until: "2026-03-02".into(),
        ..Default::default()
    });
    let started = FactKind::ClockSet(clock("services-7d", ClockAct::Start, "2026-03-01"));
    let breached = |level: &str| {
        FactKind::ClockBreached(hub::ClockBreached {
            rule: "services-7d".into(),
            due: "2026-03-08".into(),
            level: level.into(),
            clock_position: 2,
            ..Default::default()
        })
    };
    let told = |more: Vec<(&str, FactKind)>| -> Vec<String> {
        let first = [("r", offered.clone()), ("b", held.clone()), ("c", started.clone())];
        let facts = first.into_iter().chain(more).enumerate();
        let facts: Vec<_> =
            facts.map(|(n, (record, kind))| fact(n as u64, "kemensos", record, "p", kind)).collect();
        let case = Case::of(&facts);
        let due = case.due(ClockBook::builtin());
        due.into_iter()
            .map(|(day, due)| match due {
                Due::Lapse(_) => format!("{day} lapse"),
                Due::Release(_) => format!("{day} release"),
                Due::Breach { level, due, .. } => format!("{day} {level} of {due}"),
            })
            .collect()
    };
    let levels = [
        "2026-03-09 KAB_KOTA of 2026-03-08",
        "2026-03-16 PROVINSI of 2026-03-08",
        "2026-03-23 PUSAT of 2026-03-08",
    ];
    assert_eq!(told(vec![]), [&["2026-03-03 release", "2026-03-04 lapse"], &levels[..]].concat());
    assert_eq!(told(vec![("x", breached("KAB_KOTA"))])[2..], levels[1..]);
    assert!(
        told(vec![("c", FactKind::ClockSet(clock("services-7d", ClockAct::Stop, "2026-03-30")))]).len() == 2
    );
    let answered = nrm::ReferralAccepted { accepted_on: "2026-03-02".into(), unit: String::new() };
    assert_eq!(told(vec![("r", FactKind::ReferralAccepted(answered))])[..1], ["2026-03-03 release"]);
    let occupied = shelter::BedOccupied { occupied_on: "2026-03-02".into() };
    assert_eq!(told(vec![("b", FactKind::BedOccupied(occupied))])[..1], ["2026-03-04 lapse"]);
}

#[test]
fn a_file_of_clocks_that_is_wrong_is_named() {
    let right = include_str!("../clocks.toml");
    let wrong =
        |from: &str, to: &str| ClockBook::read(&right.replacen(from, to, 1)).err().unwrap().to_string();
    assert_eq!(wrong("days = 7", "days = 0"), "clock services-7d: days must be at least 1");
    assert_eq!(wrong("\"08-17\"", "\"08-32\""), "holidays of IDN: 2000-08-32 is no day");
    assert_eq!(wrong("code = \"spdp-7d\"", "code = \"services-7d\""), "clock services-7d stands twice");
    for code in ["services-7d", "rehabilitation-1y", "breach-3x24h"] {
        assert!(ClockBook::builtin().rule(code).is_some_and(|rule| !rule.source.is_empty()));
    }
}

proptest! {
    /// The case at any position is the fold of the facts before it, whatever comes later.
    #[test]
    fn prj_2_the_fold_of_a_prefix_and_the_rest_is_the_fold_of_the_whole(
        stages in vec((1_i32..15, any::<bool>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let facts: Vec<_> = stages
            .iter()
            .enumerate()
            .map(|(n, (number, reasoned))| {
                let one = Stage::try_from(*number).unwrap();
                fact(n as u64, "a", "r", "p", stage(one, if *reasoned { "because" } else { "" }))
            })
            .collect();
        let cut = cut.index(facts.len() + 1);
        let mut case = Case::of(&facts[..cut]);
        prop_assert!(case.flags.iter().all(|flag| (flag.position as usize) < cut));
        facts[cut..].iter().for_each(|fact| case.fold(fact));
        prop_assert_eq!(case, Case::of(&facts));
    }
}
