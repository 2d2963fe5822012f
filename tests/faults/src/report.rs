//! Runs cycles side by side and counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::cycle::{Cycle, Setting};

/// What a run found.
#[derive(Default)]
pub struct Report {
    classes: BTreeMap<&'static str, Row>,
    /// Crash points that were passed.
    pub points: BTreeSet<String>,
    /// What does not hold, with the cycle that showed it.
    pub problems: Vec<String>,
    /// Cycles that ran.
    pub cycles: u64,
}

#[derive(Default)]
struct Row {
    cycles: u64,
    faults: u64,
    power_cuts: u64,
    problems: u64,
}

/// Runs all cycles with `jobs` at a time, until the time is up; with `first_only`, until one fails.
pub fn run(
    setting: &Setting,
    cycles: &[Cycle],
    jobs: usize,
    time: Option<Duration>,
    first_only: bool,
) -> Report {
    let (report, next, stop) = (Mutex::new(Report::default()), AtomicUsize::new(0), AtomicBool::new(false));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && time.is_none_or(|time| start.elapsed() < time) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cycle) = cycles.get(number) else { return };
                    let result = setting.run(number as u64, cycle);
                    stop.fetch_or(first_only && result.is_err(), Ordering::Relaxed);
                    report.lock().unwrap_or_else(PoisonError::into_inner).count(number, cycle, result);
                }
            });
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    fn count(&mut self, number: usize, cycle: &Cycle, result: Result<crate::cycle::Tally, String>) {
        let row = self.classes.entry(cycle.class()).or_default();
        (row.cycles, self.cycles) = (row.cycles + 1, self.cycles + 1);
        match result {
            Ok(tally) => {
                (row.faults, row.power_cuts) = (row.faults + tally.faults, row.power_cuts + tally.power_cuts);
                self.points.extend(tally.points);
            }
            Err(what) => {
                row.problems += 1;
                self.problems.push(format!("cycle {number}, {cycle}: {what}"));
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:20} {:>8} {:>8} {:>11} {:>9}", "what", "cycles", "faults", "power cuts", "problems")?;
        let mut sum = Row::default();
        for (class, row) in &self.classes {
            let Row { cycles, faults, power_cuts, problems } = row;
            writeln!(f, "{class:20} {cycles:>8} {faults:>8} {power_cuts:>11} {problems:>9}")?;
            (sum.cycles, sum.faults) = (sum.cycles + cycles, sum.faults + faults);
            (sum.power_cuts, sum.problems) = (sum.power_cuts + power_cuts, sum.problems + problems);
        }
        let Row { cycles, faults, power_cuts, problems } = sum;
        write!(f, "{:20} {cycles:>8} {faults:>8} {power_cuts:>11} {problems:>9}", "all")
    }
}
