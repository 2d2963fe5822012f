//! What is over when a day is over is said once: not before, not twice, not over a crash or a clock that jumps, and not where people were faster.

#![allow(clippy::unwrap_used, reason = "a test")]

mod ground;

use ground::{Ground, Heard, Voice};
use simpul_proto::{
    hub::{BreachEscalated, ClockBreached},
    nrm::{self, ClockAct},
    organisation::UnitDeclared,
    shelter::{BedHeld, BedReleased},
};

const CASE: &str = "KALBAR/2026/0007";

fn offer(answer_by: &str) -> nrm::ReferralOffered {
    nrm::ReferralOffered {
        case_ref: CASE.into(),
        service: "SHELTER".into(),
        to_agencies: vec!["kemensos".into()],
        offered_on: "2026-03-02".into(),
        answer_by: answer_by.into(),
        ..Default::default()
    }
}

fn clock(act: ClockAct, on: &str) -> nrm::ClockSet {
    nrm::ClockSet {
        case_ref: CASE.into(),
        rule: "services-7d".into(),
        act: act.into(),
        on: on.into(),
        region: "6172".into(),
        ..Default::default()
    }
}

async fn set(ground: &Ground, clock: nrm::ClockSet) {
    ground.say("polri", "nrm.v1.ClockSet", "polri-nrm/case7", &clock).await;
}

/// Task forces of the province and of the centre; the city has none.
async fn task_forces(ground: &Ground) {
    for (agency, level, jurisdiction) in [("gugus-kalbar", "PROVINSI", "61"), ("gugus-pusat", "PUSAT", "")] {
        let unit = UnitDeclared {
            code: agency.into(),
            name: agency.into(),
            agency: agency.into(),
            jurisdiction: [jurisdiction]
                .iter()
                .filter(|code| !code.is_empty())
                .map(ToString::to_string)
                .collect(),
            effective_from: "2024-01-01".into(),
            task_force_level: level.into(),
            ..Default::default()
        };
        ground.say("kemenko", "organisation.v1.UnitDeclared", &format!("organisation/{agency}"), &unit).await;
    }
}

fn breach(heard: &Heard) -> (String, String, Vec<String>) {
    let breached: ClockBreached = heard.read();
    (breached.level, breached.due, breached.told)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_lapses_when_its_last_day_is_over_and_not_before_and_once_whatever_the_clock_does() {
    let ground = Ground::new("2026-03-06");
    ground.say("polri", "nrm.v1.ReferralOffered", "polri-referral/r1", &offer("2026-03-06")).await;
    let follower = ground.follow();
    ground.words(0).await;
    ground.today("2026-03-07");
    let said = ground.words(1).await;
    assert!(said[0].is("ReferralLapsed"));
    assert_eq!(said[0].stream.as_str(), "polri-referral/r1");
    let lapsed: nrm::ReferralLapsed = said[0].read();
    assert_eq!((lapsed.lapsed_on.as_str(), lapsed.reason.as_str()), ("2026-03-07", "TIMEOUT"));
    for day in ["2026-03-01", "2026-03-09", "2026-03-06", "2026-04-01"] {
        ground.today(day);
        ground.words(1).await;
    }
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_accepts_or_comes_in_time_is_not_overtaken_by_the_hub() {
    let ground = Ground::new("2026-03-06");
    ground.say("polri", "nrm.v1.ReferralOffered", "polri-referral/r1", &offer("2026-03-06")).await;
    let follower = ground.follow();
    ground.words(0).await;
    let accepted = nrm::ReferralAccepted { accepted_on: "2026-03-06".into(), ..Default::default() };
    ground.say("kemensos", "nrm.v1.ReferralAccepted", "polri-referral/r1", &accepted).await;
    ground.today("2026-03-08");
    ground.words(0).await;
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bed_that_nobody_came_for_is_free_again_the_day_after() {
    let ground = Ground::new("2026-03-05");
    let held = BedHeld {
        case_ref: CASE.into(),
        shelter_code: "SH-61-01".into(),
        bed: 1,
        held_on: "2026-03-04".into(),
        until: "2026-03-05".into(),
        ..Default::default()
    };
    ground.say("polri", "shelter.v1.BedHeld", "shelter-bed/b1", &held).await;
    let follower = ground.follow();
    ground.words(0).await;
    ground.today("2026-03-06");
    let said = ground.words(1).await;
    assert!(said[0].is("BedReleased"));
    let released: BedReleased = said[0].read();
    assert_eq!((released.released_on.as_str(), released.reason.as_str()), ("2026-03-06", "TIMEOUT"));
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_deadline_goes_up_level_by_level_each_once() {
    let ground = Ground::new("2026-03-08");
    task_forces(&ground).await;
    set(&ground, clock(ClockAct::Start, "2026-03-01")).await;
    let follower = ground.follow();
    ground.words(0).await;
    ground.today("2026-03-09");
    let said = ground.words(1).await;
    assert_eq!(breach(&said[0]), ("KAB_KOTA".into(), "2026-03-08".into(), Vec::new()), "the city has none");
    ground.today("2026-03-15");
    ground.words(1).await;
    // Both levels that are due meanwhile, in their order, the task force before the case says that it was told.
    ground.today("2026-03-23");
    let said = ground.words(5).await;
    assert!(said[1].is("BreachEscalated") && said[3].is("BreachEscalated"));
    let escalated: BreachEscalated = said[1].read();
    assert_eq!((escalated.agency.as_str(), escalated.level.as_str()), ("gugus-kalbar", "PROVINSI"));
    assert_eq!(breach(&said[2]), ("PROVINSI".into(), "2026-03-08".into(), vec!["gugus-kalbar".into()]));
    let escalated: BreachEscalated = said[3].read();
    assert_eq!((escalated.agency.as_str(), escalated.level.as_str()), ("gugus-pusat", "PUSAT"));
    assert_eq!(breach(&said[4]), ("PUSAT".into(), "2026-03-08".into(), vec!["gugus-pusat".into()]));
    ground.today("2026-06-01");
    ground.words(5).await;
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_an_approved_extension_move_the_deadline_and_a_stop_ends_it() {
    let ground = Ground::new("2026-03-09");
    task_forces(&ground).await;
    set(&ground, clock(ClockAct::Start, "2026-03-01")).await;
    set(&ground, nrm::ClockSet { reason: "in hospital".into(), ..clock(ClockAct::Pause, "2026-03-04") })
        .await;
    let follower = ground.follow();
    ground.words(0).await;
    set(&ground, clock(ClockAct::Resume, "2026-03-09")).await;
    // Five days of the pause: the last day is the 13th; three more are granted.
    let extended = nrm::ClockSet {
        reason: "an interpreter is awaited".into(),
        days: 3,
        approved_by: "kabid-ppa".into(),
        ..clock(ClockAct::Extend, "2026-03-10")
    };
    set(&ground, extended).await;
    ground.today("2026-03-16");
    ground.words(0).await;
    ground.today("2026-03-17");
    let said = ground.words(1).await;
    assert_eq!(breach(&said[0]).1, "2026-03-16");
    set(&ground, clock(ClockAct::Stop, "2026-03-17")).await;
    ground.today("2026-05-01");
    ground.words(1).await;
    follower.stop().await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_word_and_before_it_is_known_neither_loses_one_nor_says_one_twice() {
    let ground = Ground::new("2026-03-24");
    task_forces(&ground).await;
    set(&ground, clock(ClockAct::Start, "2026-03-01")).await;
    ground.say("polri", "nrm.v1.ReferralOffered", "polri-referral/r1", &offer("2026-03-06")).await;
    // Every word reaches the log, and nobody hears that it did: the follower is begun anew in between.
    ground.manner(Voice::CutOff);
    for count in 1..=3 {
        let follower = ground.follow();
        ground.said(count).await;
        follower.stop().await;
        // This gate knows versions and no order; the hub's refuses a second lapse that read models behind the log would lead to.
        ground.folded().await;
    }
    ground.manner(Voice::Clear);
    let follower = ground.follow();
    // The lapse; the city, whose level has nobody; province and centre with a task force each.
    let said = ground.words(6).await;
    let count = |name: &str| said.iter().filter(|heard| heard.is(name)).count();
    assert_eq!((count("ReferralLapsed"), count("ClockBreached"), count("BreachEscalated")), (1, 3, 2));
    follower.stop().await;
    ground.stop().await;
}
