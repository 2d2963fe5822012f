//! Rounds of rows, kept line by line in a file so that a table can be made of several runs, and their medians.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{floors::FLOOR, measure::Row};

/// A row's place among the results.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was done.
    pub workload: String,
    /// Who did it.
    pub system: String,
    /// Events (or calls) per second; the median of the rounds, as all figures.
    pub events_per_s: f64,
    /// Median time of one call, microseconds; 0 where there is no call.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
    /// Whether an answer means that the data is on stable storage.
    pub durable: bool,
    /// `events_per_s` over that of the fastest durable peer with the same workload; absent where there is none.
    pub ratio_to_best_peer: Option<f64>,
    /// Rounds that went into it.
    pub rounds: usize,
    /// Slowest and fastest round, events per second.
    pub range: [f64; 2],
    /// What belongs beside it, from the last round.
    pub note: String,
}

/// Whether a system's name is one of Simpul's.
pub fn is_simpul(system: &str) -> bool {
    system.to_lowercase().starts_with("simpul")
}

/// Appends a row to a file of rows.
///
/// # Errors
/// Where the file cannot be written.
pub fn keep(path: &Path, row: &Row) -> io::Result<()> {
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    File::options().create(true).append(true).open(path)?.write_all(&line)
}

/// The rows of a file.
///
/// # Errors
/// Where it cannot be read or holds something else.
pub fn kept(path: &Path) -> io::Result<Vec<Row>> {
    fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Medians over rounds, workloads and systems in the order in which they first came.
pub fn figures(rows: &[Row]) -> Vec<Figure> {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut groups: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (row.workload.as_str(), row.system.as_str());
        let group = groups.entry(key).or_default();
        if group.is_empty() {
            order.push(key);
        }
        group.push(row);
    }
    let mut figures: Vec<Figure> = order.iter().map(|key| figure(&groups[key])).collect();
    let best: BTreeMap<String, f64> = figures
        .iter()
        .filter(|figure| figure.durable && figure.system != FLOOR && !is_simpul(&figure.system))
        .fold(BTreeMap::new(), |mut best, figure| {
            let fastest = best.entry(figure.workload.clone()).or_insert(0.0_f64);
            *fastest = fastest.max(figure.events_per_s);
            best
        });
    for figure in figures.iter_mut().filter(|figure| figure.system != FLOOR) {
        figure.ratio_to_best_peer = best.get(&figure.workload).map(|best| figure.events_per_s / best);
    }
    figures
}

fn figure(group: &[&Row]) -> Figure {
    let rates = sorted(group, |row| row.events_per_s);
    let last = group[group.len() - 1];
    Figure {
        workload: last.workload.clone(),
        system: last.system.clone(),
        events_per_s: median(&rates),
        p50_us: median(&sorted(group, |row| row.p50_us)),
        p99_us: median(&sorted(group, |row| row.p99_us)),
        durable: last.durable,
        ratio_to_best_peer: None,
        rounds: group.len(),
        range: [rates[0], rates[rates.len() - 1]],
        note: last.note.clone(),
    }
}

fn sorted(group: &[&Row], of: fn(&Row) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = group.iter().map(|row| of(row)).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workload: &str, system: &str, events_per_s: f64, durable: bool) -> Row {
        Row {
            workload: workload.into(),
            system: system.into(),
            events_per_s,
            p50_us: 1.0,
            p99_us: 2.0,
            durable,
            note: String::new(),
        }
    }

    #[test]
    fn ratios_are_to_the_fastest_durable_peer_and_figures_are_medians() {
        let rows = [
            row("c1", "tephra", 100.0, true),
            row("c1", "umadb", 50.0, true),
            row("c1", "jetstream default", 900.0, false),
            row("c1", "Simpul", 150.0, true),
            row("c1", "Simpul", 1_000.0, true),
            row("c1", "Simpul", 250.0, true),
            row("flush", FLOOR, 5.0, true),
        ];
        let figures = figures(&rows);
        let of = |system: &str| figures.iter().find(|figure| figure.system == system).unwrap();
        assert_eq!((of("Simpul").events_per_s, of("Simpul").ratio_to_best_peer), (250.0, Some(2.5)));
        assert_eq!((of("Simpul").rounds, of("Simpul").range), (3, [150.0, 1_000.0]));
        assert_eq!(of("umadb").ratio_to_best_peer, Some(0.5));
        assert_eq!(of("jetstream default").ratio_to_best_peer, Some(9.0));
        assert_eq!(of(FLOOR).ratio_to_best_peer, None);
    }
}
