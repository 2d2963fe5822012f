//! The table and `target/bench/result.json`.

use std::{fs, io, path::Path};

use super::measure::Row;

/// The table, as text.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<42} {:>7} {:>14} {:>11} {:>11}  note\n",
        "workload", "system", "events/s", "p50 us", "p99 us"
    );
    for row in rows {
        text += &format!(
            "{:<42} {:>7} {:>14.0} {:>11.0} {:>11.0}  {}\n",
            row.workload, row.system, row.events_per_s, row.p50_us, row.p99_us, row.note
        );
    }
    text
}

/// Writes the rows as JSON.
///
/// # Errors
/// Where the folder or file cannot be written.
pub fn write(rows: &[Row], path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, serde_json::to_vec_pretty(rows)?)
}
