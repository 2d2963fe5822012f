//! Figures of the sources, counted from events (`domain.md` §0.10, §1, story A10). Every event here is invented.

#![allow(clippy::unwrap_used, reason = "a test")]

use jiff::civil::{Date, date};
use proptest::{collection::btree_map, prelude::*};
use prost::Message;
use prost_reflect::DynamicMessage;
use simpul_proto::{
    catalogue,
    nrm::{DecidedUnder, IdentificationDecided, IdentificationResult},
    police::{CasePerson, CaseRole, CaseUpdated},
    v1::PersonClaim,
};
use simpul_statistics::{
    CELL_MIN, Cell, Counter, Definitions, Difference, Measure, Period, Table, differences, hide_small_cells,
};

const CASE_UPDATED: &str = "simpul.police.v1.CaseUpdated";

fn dynamic(event_type: &str, message: &impl Message) -> DynamicMessage {
    catalogue::decode_payload(event_type, &message.encode_to_vec()).unwrap().unwrap()
}

fn report(number: usize, day: &str, case_ref: &str) -> CaseUpdated {
    let person = |role: CaseRole, nik: String| CasePerson {
        roles: vec![role.into()],
        person: Some(PersonClaim { nik, name: "X".into(), ..Default::default() }),
        ..Default::default()
    };
    CaseUpdated {
        lp_number: format!("LP/B/{number}/SPKT/POLDA CONTOH"),
        report_type: 2,
        stage: 1,
        stage_date: day.into(),
        unit: "POLDA CONTOH".into(),
        articles: vec!["UU 21/2007 pasal 2".into()],
        persons: vec![
            person(CaseRole::Victim, format!("32010152069{:05}", number / 2)),
            person(CaseRole::Suspect, format!("32010112069{:05}", number / 4)),
        ],
        related_case_ref: case_ref.into(),
    }
}

fn year(year: i16) -> Period {
    Period { from: date(year, 1, 1), until: date(year, 12, 31) }
}

fn today() -> Date {
    date(2026, 11, 23)
}

fn count(code: &str, events: &[(String, CaseUpdated)], period: Period, group_by: Option<&str>) -> Table {
    let definition = Definitions::builtin().get(code).unwrap();
    let mut counter = Counter::new(definition, group_by);
    for (stream, event) in events {
        counter.add(stream, today(), &dynamic(CASE_UPDATED, event));
    }
    counter.table(period)
}

/// Polri's figures as Migrant Care gives them: 133, 1,061, 132.
#[test]
fn the_series_of_2022_to_2024_is_reproduced_and_later_snapshots_do_not_move_a_report_to_another_year() {
    let mut events = Vec::new();
    for (year, reports) in [(2022, 133), (2023, 1_061), (2024, 132)] {
        for _ in 0..reports {
            let number = events.len();
            events.push((format!("lp/{number}"), report(number, &format!("{year}-06-15"), "")));
        }
    }
    let of_another_law = CaseUpdated { articles: vec!["KUHP 378".into()], ..report(9_999, "2023-01-01", "") };
    events.push(("lp/other".into(), of_another_law));
    // Every tenth report goes on in the next year.
    for number in (0..1_000).step_by(10) {
        let later = CaseUpdated { stage: 8, stage_date: "2025-02-02".into(), ..events[number].1.clone() };
        events.push((format!("lp/{number}"), later));
    }
    let series =
        [2022, 2023, 2024, 2025].map(|of| count("tppo-police-reports", &events, year(of), None).total.value);
    assert_eq!(series, [133, 1_061, 132, 0]);
    let stages = count("tppo-police-reports", &events, year(2023), Some("stage"));
    assert_eq!(stages.rows.values().map(|cell| cell.value).sum::<u64>(), 1_061);
    assert_eq!(stages.rows["INDICTED"].value, (133..1_000).filter(|n| n % 10 == 0).count() as u64);
}

/// Screenings on the newer forms state no result of their own; what counts is who was decided to be a victim, and by whom.
#[test]
fn victims_are_counted_by_the_nations_decision_each_person_once() {
    let decided = |number: usize, result: IdentificationResult, under: DecidedUnder| IdentificationDecided {
        case_ref: format!("K-{number}"),
        person: Some(PersonClaim { nik: format!("32010152069{number:05}"), ..Default::default() }),
        result: result.into(),
        decided_under: under.into(),
        decided_on: "2026-03-01".into(),
        decided_by: "Gugus Tugas Pusat".into(),
    };
    let definition = Definitions::builtin().get("victims-decided").unwrap();
    let mut counter = Counter::new(definition, Some("decided_by"));
    let name = "simpul.nrm.v1.IdentificationDecided";
    let mut add = |stream: String, decision: &IdentificationDecided| {
        counter.add(&stream, today(), &dynamic(name, decision));
    };
    for number in 0..20 {
        add(
            format!("k/{number}"),
            &decided(number, IdentificationResult::Identified, DecidedUnder::National),
        );
        // Decided again in another case: still one person. What the host country says stands beside it and is not counted here.
        add(
            format!("l/{number}"),
            &decided(number, IdentificationResult::Identified, DecidedUnder::National),
        );
        add(
            format!("h/{number}"),
            &decided(90 + number, IdentificationResult::Identified, DecidedUnder::HostCountry),
        );
        add(
            format!("n/{number}"),
            &decided(50 + number, IdentificationResult::Indicated, DecidedUnder::National),
        );
    }
    let table = counter.table(year(2026));
    assert_eq!((table.total.value, table.rows["Gugus Tugas Pusat"].value), (20, 20));
}

/// 609 and 403 for the same year: reports and cases, and a cut-off before the end of the year.
#[test]
fn a10_403_and_609_are_explained_by_unit_period_and_source() {
    let events: Vec<_> = (0..609)
        .map(|number| {
            let day = if number < 500 { "2025-05-05" } else { "2025-12-20" };
            (format!("lp/{number}"), report(number, day, &format!("C-{}", number.min(402))))
        })
        .collect();
    assert_eq!(count("tppo-police-reports", &events, year(2025), None).total.value, 609);
    assert_eq!(count("tppo-cases", &events, year(2025), None).total.value, 403);
    assert_eq!(count("tppo-victims", &events, year(2025), None).total.value, 305);
    assert_eq!(count("tppo-suspects", &events, year(2025), None).total.value, 153);
    let until_november = Period { from: date(2025, 1, 1), until: date(2025, 11, 30) };
    assert_eq!(count("tppo-police-reports", &events, until_november, None).total.value, 500);

    let stated = |unit: &str, until: Date, source: &str| Measure {
        unit: unit.into(),
        from: date(2025, 1, 1),
        until,
        code: None,
        deduplicated_by: None,
        dated_by: None,
        source: source.into(),
    };
    let one = stated("POLICE_REPORT", date(2025, 12, 31), "Bareskrim");
    let other = stated("CASE", date(2025, 11, 30), "siaran pers Januari 2026");
    use Difference as D;
    assert_eq!(differences(&one, &other), [D::Unit, D::Period, D::Source, D::Unstated]);
    let ours = |code: &str| {
        let definition = Definitions::builtin().get(code).unwrap();
        Measure {
            unit: definition.unit.clone(),
            code: Some(code.into()),
            deduplicated_by: Some(definition.deduplicated_by()),
            dated_by: Some(definition.dated_by()),
            ..stated("", date(2025, 12, 31), "Simpul")
        }
    };
    assert_eq!(
        differences(&ours("tppo-police-reports"), &ours("tppo-cases")),
        [D::Unit, D::Definition, D::DeduplicatedBy]
    );
    assert!(differences(&ours("tppo-cases"), &ours("tppo-cases")).is_empty());
}

#[test]
fn small_cells_are_hidden_and_cannot_be_found_by_subtraction() {
    let cell = |value| Cell { value, contributors: value };
    let table = |rows: &[(&str, u64)]| Table {
        total: cell(rows.iter().map(|(_, value)| value).sum()),
        rows: rows.iter().map(|(group, value)| ((*group).to_owned(), cell(*value))).collect(),
    };
    let shown = |rows: &[(&str, u64)]| {
        let hidden = hide_small_cells(&table(rows));
        (hidden.total, hidden.rows.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
    };
    assert_eq!(
        shown(&[("HKG", 500), ("MMR", 0), ("TWN", 11)]),
        (Some(511), vec![Some(500), Some(0), Some(11)])
    );
    assert_eq!(shown(&[("HKG", 500), ("MMR", 3), ("TWN", 40)]), (Some(543), vec![Some(500), None, None]));
    assert_eq!(shown(&[("HKG", 500), ("MMR", 3), ("TWN", 9)]), (Some(512), vec![Some(500), None, None]));
    assert_eq!(shown(&[("MMR", 3)]), (None, vec![None]));
    assert_eq!(shown(&[("HKG", 500), ("MMR", 3)]), (Some(503), vec![None, None]));
}

proptest! {
    /// Whoever adds up what is shown learns of what is hidden only a sum of at least 11, over at least two cells.
    #[test]
    fn what_is_hidden_together_is_never_small(cells in btree_map("[a-z]{1,3}", 0_u64..40, 0..12)) {
        let rows = cells.iter().map(|(group, value)| (group.clone(), Cell { value: *value, contributors: *value }));
        let sum: u64 = cells.values().sum();
        let table = Table { total: Cell { value: sum, contributors: sum }, rows: rows.collect() };
        let published = hide_small_cells(&table);
        let shown: u64 = published.rows.iter().filter_map(|(_, value)| *value).sum();
        let hidden = published.rows.iter().filter(|(_, value)| value.is_none()).count();
        for (group, value) in &published.rows {
            prop_assert!(value.is_none() || !(1..CELL_MIN).contains(&cells[group]));
        }
        if let Some(total) = published.total {
            prop_assert!(hidden == 0 || (hidden >= 2 && total - shown >= CELL_MIN));
            prop_assert!(!(1..CELL_MIN).contains(&total));
        }
    }
}

#[test]
fn a_definition_that_the_contract_does_not_bear_is_named() {
    let wrong = |text: &str| Definitions::read(text).err().unwrap().to_string();
    let right = "[[definition]]\ncode='c'\nunit='CASE'\ntitle_id='a'\ntitle_en='a'\ntext_id='a'\ntext_en='a'\nevent='simpul.police.v1.CaseUpdated'\ndated_by={of='first'}\ngroup_by=[]\n";
    assert!(Definitions::read(right).is_ok());
    assert_eq!(
        wrong(&right.replace("'CASE'", "'CASES'")),
        "definition c: unit CASES is not one of the contract"
    );
    assert_eq!(
        wrong(&right.replace("group_by=[]", "group_by=['colour']")),
        "definition c: simpul.police.v1.CaseUpdated has no field colour"
    );
    assert_eq!(wrong(&format!("{right}{right}")), "definition c stands twice");
}
