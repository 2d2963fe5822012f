//! The table, `result.json` and the chart.

use std::{fs, io, path::Path};

use super::{chart, rounds::Figure};

/// What must stand beside every ratio.
pub const BESIDE_RATIOS: &str = "\
Ratios are to the fastest durable peer in the same rounds. Simpul's SDK coalesces its callers' events into signed submissions (as
Kafka's producer does); the peers' clients do not coalesce. Simpul has on: mutual TLS, an Ed25519 signature per submission and its
check, policy, sealing of every payload under its stream's key, Merkle trees with signed checkpoints, the access log, one flush per
group commit, and its read models fold meanwhile. The peers run without TLS, signatures, proofs or access control.
";

/// The table, as text.
pub fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<34} {:<32} {:>10} {:>21} {:>9} {:>9} {:>7}  note\n",
        "workload", "system", "events/s", "slowest-fastest", "p50 us", "p99 us", "ratio"
    );
    for figure in figures {
        let [slowest, fastest] = figure.range;
        let range = match figure.rounds {
            1 => String::new(),
            _ => format!("{slowest:.0}-{fastest:.0}"),
        };
        let ratio = figure.ratio_to_best_peer.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        text += &format!(
            "{:<34} {:<32} {:>10.0} {:>21} {:>9.0} {:>9.0} {:>7}  {}\n",
            figure.workload,
            figure.system,
            figure.events_per_s,
            range,
            figure.p50_us,
            figure.p99_us,
            ratio,
            figure.note
        );
    }
    if figures.iter().any(|figure| figure.ratio_to_best_peer.is_some()) {
        text = format!("{text}\n{BESIDE_RATIOS}");
    }
    text
}

/// Writes `result.json`, and `result.svg` where systems stand side by side.
///
/// # Errors
/// Where the folder or a file cannot be written.
pub fn write(figures: &[Figure], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("result.json"), serde_json::to_vec_pretty(figures)?)?;
    match chart::svg(figures) {
        Some(chart) => fs::write(folder.join("result.svg"), chart),
        None => Ok(()),
    }
}
