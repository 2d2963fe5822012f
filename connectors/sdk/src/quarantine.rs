//! What cannot become an event is set aside, and everything else goes on.
//!
//! ```text
//! DIR/quarantine.jsonl      {"at":"2026-11-22T…Z","file":"placements.csv","line":12,"field":"TGL_LAHIR","reason":"is not a date …","row":"rows/0190….raw"}
//! DIR/rows/0190….raw        the row's or document's own bytes, readable by the operator only (0600)
//! ```
//!
//! The list holds no value of the row (PII-1), so it can be shown around; the rows cannot.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use data_encoding::HEXLOWER;
use serde::Serialize;
use simpul_types::{Clock, IdSource};

/// The operator's folder of what was set aside.
pub struct Quarantine {
    dir: PathBuf,
    list: Mutex<fs::File>,
    count: AtomicU64,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// Where something came from and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// File, folder entry or request path.
    pub file: &'a str,
    /// Line in it, from 1.
    pub line: u64,
    /// Column, pointer or path in the message.
    pub field: &'a str,
    /// The rule that it breaks.
    pub reason: &'a str,
}

#[derive(Serialize)]
struct Listed<'a> {
    at: String,
    file: &'a str,
    line: u64,
    field: &'a str,
    reason: &'a str,
    row: String,
}

/// The quarantine could not be written.
#[derive(Debug, thiserror::Error)]
#[error("quarantine {path}")]
pub struct QuarantineError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Quarantine {
    /// Opens the folder, making what is missing.
    ///
    /// # Errors
    /// [`QuarantineError`], naming the path.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Self, QuarantineError> {
        let rows = dir.join("rows");
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| QuarantineError { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&rows).map_err(failed(&rows))?;
        let path = dir.join("quarantine.jsonl");
        let list = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        Ok(Self {
            dir: dir.to_path_buf(),
            list: Mutex::new(list.map_err(failed(&path))?),
            count: AtomicU64::new(0),
            clock,
            ids,
        })
    }

    /// What was set aside since it was opened.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Sets a row aside: its bytes first, then its line in the list; both are on disk when this returns.
    ///
    /// # Errors
    /// [`QuarantineError`], naming the path.
    pub fn put(&self, entry: &Entry<'_>, bytes: &[u8]) -> Result<(), QuarantineError> {
        let row = format!("rows/{}.raw", HEXLOWER.encode(&self.ids.uuid_v7()));
        let path = self.dir.join(&row);
        let failed = |source| QuarantineError { path: path.clone(), source };
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        let listed = Listed {
            at: self.clock.now().to_string(),
            file: entry.file,
            line: entry.line,
            field: entry.field,
            reason: entry.reason,
            row,
        };
        let mut line = serde_json::to_vec(&listed).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.write_all(&line).and_then(|()| list.sync_data()).map_err(failed)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            file = entry.file,
            line = entry.line,
            field = entry.field,
            reason = entry.reason,
            "set aside"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use simpul_types::clock::System;

    use super::*;

    #[test]
    fn pii_1_the_list_names_the_fault_and_the_row_is_for_the_operator_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let quarantine = Quarantine::open(dir.path(), Arc::new(System), Arc::new(System)).expect("opened");
        let entry = Entry { file: "placements.csv", line: 12, field: "TGL_LAHIR", reason: "is not a date" };
        quarantine.put(&entry, b"3201015206950001;SUTARMI").expect("set aside");
        let list = fs::read_to_string(dir.path().join("quarantine.jsonl")).expect("a list");
        let listed: serde_json::Value = serde_json::from_str(list.trim_end()).expect("one line of JSON");
        assert_eq!((&listed["line"], &listed["field"]), (&12.into(), &"TGL_LAHIR".into()));
        assert!(!list.contains("3201015206950001") && !list.contains("SUTARMI"));
        let row = dir.path().join(listed["row"].as_str().expect("a path"));
        assert_eq!(fs::read(&row).expect("the row"), b"3201015206950001;SUTARMI");
        assert_eq!(fs::metadata(&row).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
