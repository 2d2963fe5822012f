//! PRJ-1, PRJ-2, PII-1, gaps, and states that do not fit.

use proptest::prelude::*;
use simpul_projection::{IdentifierKind::Nik, StateKeys};
use simpul_proto::police::CaseRole;

use crate::support::*;

#[test]
fn an_event_that_does_not_decode_is_a_gap_and_stops_nothing() {
    let mut log = TestLog::new();
    log.append(&[broken("x"), placement("a", claim("SITI", &nik(1), "", ""))]);
    let (models, handle) = log.start(64);
    assert!(models.person_by(Nik, &nik(1)).unwrap().is_some());
    let health = models.health();
    assert_eq!((health.gaps, health.failure), (1, None));
    let gaps = models.gaps(10).unwrap();
    assert_eq!((gaps.len(), gaps[0].position.get()), (1, 0));
    assert_eq!(gaps[0].event_type, "simpul.registry.v1.PlacementRecorded");
    let live = models.digest().unwrap();
    log.stop(handle);
    drop(models);
    let (models, handle) = log.start(64);
    assert_eq!(models.health().gaps, 1, "known again after a restart");
    assert_eq!(models.digest().unwrap(), live);
    log.stop(handle);
}

#[test]
fn a_state_of_another_log_or_other_keys_is_built_anew() {
    let mut first = TestLog::new();
    first.append(&[placement("a", claim("SITI", &nik(1), "", ""))]);
    let (_, handle) = first.start(64);
    first.stop(handle);

    let mut second = TestLog::new();
    second.keys = StateKeys { index: first.keys.index.clone(), sealer: first.keys.sealer.clone() };
    second.append(&[placement("b", claim("DEWI", &nik(2), "", ""))]);
    let (models, handle) = second.start_in(&first.state_dir(), 64);
    assert!(models.person_by(Nik, &nik(1)).unwrap().is_none(), "another log");
    assert!(models.person_by(Nik, &nik(2)).unwrap().is_some());
    second.stop(handle);
    drop(models);

    let third = TestLog::new();
    let (models, handle) = third.start_in(&first.state_dir(), 64);
    assert_eq!((models.position().get(), models.health().failure), (0, None), "other keys, and an empty log");
    third.stop(handle);
}

#[test]
fn pii_1_nothing_that_names_a_person_a_case_or_a_report_is_in_clear_on_disk() {
    let mut log = TestLog::new();
    let lp = "LP/B/149/II/2026/SPKT/POLDA JAMBI";
    log.append(&[placement("a", claim("CANARY NAME", &nik(1), "X1111111", "CANARYCARD"))]);
    log.append(&[intake("i", "CANARY-CASE-1", claim("CANARY NAME", "", "X1111111", ""))]);
    log.append(&[report(
        "l",
        lp,
        "CANARY-CASE-1",
        vec![(CaseRole::Victim, claim("CANARY NAME", &nik(1), "", ""))],
    )]);
    let (models, handle) = log.start(64);
    assert!(models.case("CANARY-CASE-1").unwrap().is_some());
    log.stop(handle);
    drop(models);
    let mut files = vec![log.state_dir()];
    let mut bytes = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        bytes += content.len();
        for canary in ["CANARY", &nik(1), "X1111111", "LP/B/149", "kbri-yangon"] {
            let found = content.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
    assert!(bytes > 500, "{bytes} bytes of state");
}

/// One of the things that sources do, over few persons, cases and streams, so that they meet.
fn input() -> impl Strategy<Value = Input> {
    let person = (0..5_u32, 0..5_u32, 0..3_u32, 0..8_u8).prop_map(|(n, passport, card, which)| {
        let nik = if which & 1 == 0 { nik(n) } else { String::new() };
        let passport = if which & 2 == 0 { format!("X000000{passport}") } else { String::new() };
        let card = if which & 4 == 0 { format!("CARD{card}") } else { String::new() };
        claim("CONTOH", &nik, &passport, &card)
    });
    let case = (0..4_u32).prop_map(|n| if n == 0 { String::new() } else { format!("C-{n}") });
    (0..7_u8, 0..6_u32, 0..3_u32, person.clone(), person, case).prop_map(
        |(kind, stream, other, one, two, case)| {
            let stream = format!("s{stream}");
            match kind {
                0 | 1 => placement_with(&stream, one, |placement| {
                    placement.placer_licence_no = format!("N-{other}")
                }),
                2 => licence(&stream, &format!("N-{other}"), "2029-01-01"),
                3 => intake(&stream, &case, one),
                4 => screening(&stream, &case),
                5 => report(
                    &stream,
                    &format!("LP/{other}"),
                    &case,
                    vec![(CaseRole::Victim, one), (CaseRole::Suspect, two)],
                ),
                _ => broken(&stream),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// PRJ-1 and PRJ-2: whatever the batch boundaries, and however often the state is closed and opened in between, it is
    /// the state of the log prefix, and so equal to one built from zero.
    #[test]
    fn prj_2_rebuild_from_zero_equals_incremental(
        rounds in prop::collection::vec((prop::collection::vec(prop::collection::vec(input(), 1..6), 1..8), 1..9_usize), 1..5)
    ) {
        let mut log = TestLog::new();
        for (submissions, batch_events_max) in rounds {
            let half = submissions.len() / 2;
            for inputs in &submissions[..half] {
                log.append(inputs);
            }
            let (models, handle) = log.start(batch_events_max);
            for inputs in &submissions[half..] {
                log.append(inputs);
            }
            log.caught_up(&models);
            let live = models.digest().unwrap();
            prop_assert_eq!(live.position, log.reader.head().end);
            prop_assert_eq!(&log.rebuilt(&live), &live);
            // Every change of the feed can be read, in order.
            let changes: Result<Vec<_>, _> = models.changes(Default::default()).collect();
            let keys: Vec<_> = changes.unwrap().iter().map(|change| change.key).collect();
            prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
            log.stop(handle);
        }
    }
}
