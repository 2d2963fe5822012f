//! Watches the folder by polling.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use simpul_connector::{
    Intake, Mapping, Offer, RecordError, SpoolError,
    intake::{OfferError, Origin},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::document::{self, Fault};

/// Bytes of one form; larger files are no forms.
const FORM_BYTES_MAX: u64 = 1 << 20;

/// Which files, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder to watch; its sub-folders are not looked into.
    pub folder: PathBuf,
    /// Mapping file.
    pub mapping: PathBuf,
    /// File names begin with this.
    #[serde(default)]
    pub prefix: String,
    /// Milliseconds between two looks.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// A file that does not parse is set aside once it has not changed for so many milliseconds.
    #[serde(default = "quiet_ms")]
    pub quiet_ms: u64,
}

fn poll_ms() -> u64 {
    2_000
}

fn quiet_ms() -> u64 {
    10_000
}

/// One watched folder.
pub struct FormFolder {
    config: Config,
    mapping: Mapping,
    intake: Intake,
    seen: HashMap<PathBuf, Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
    since: Instant,
    unfinished: bool,
}

/// What one look at the folder found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Files read.
    pub files: u64,
    /// Forms that became events.
    pub taken: u64,
    /// Forms that are known.
    pub known: u64,
    /// Files set aside.
    pub quarantined: u64,
    /// Forms whose machine readable zone has check digits that do not fit.
    pub warned: u64,
    /// Files that do not parse yet.
    pub unfinished: u64,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FormFolderError {
    /// The folder or a file in it cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The spool.
    #[error("spool")]
    Spool(#[from] SpoolError),
}

impl FormFolder {
    /// A folder with its mapping.
    pub fn new(config: Config, mapping: Mapping, intake: Intake) -> Self {
        Self { config, mapping, intake, seen: HashMap::new() }
    }

    /// Looks once: reads every file that is new or has changed since the last look.
    ///
    /// # Errors
    /// [`FormFolderError`]. What was taken before stays taken.
    pub async fn scan(&mut self, stop: &CancellationToken) -> Result<Scan, FormFolderError> {
        let mut scan = Scan::default();
        for path in self.files()? {
            if stop.is_cancelled() {
                break;
            }
            self.look_at(&path, &mut scan).await?;
        }
        Ok(scan)
    }

    /// Looks until nothing is unfinished any more; for `--once`.
    ///
    /// # Errors
    /// [`FormFolderError`].
    pub async fn drain(&mut self, stop: &CancellationToken) -> Result<Scan, FormFolderError> {
        let mut sum = Scan::default();
        loop {
            let next = match self.scan(stop).await {
                // The sender makes room.
                Err(FormFolderError::Spool(SpoolError::Full(_))) => Scan { unfinished: 1, ..Scan::default() },
                next => next?,
            };
            sum = sum.and(next);
            if sum.unfinished == 0 || stop.is_cancelled() {
                return Ok(sum);
            }
            sleep(Duration::from_millis(self.config.quiet_ms.min(self.config.poll_ms).max(10))).await;
        }
    }

    /// Looks again and again until stopped. A folder or spool that fails is tried again.
    pub async fn follow(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.scan(&stop).await {
                Ok(scan) if scan.taken + scan.quarantined > 0 => {
                    tracing::info!(
                        folder = %self.config.folder.display(),
                        taken = scan.taken,
                        known = scan.known,
                        quarantined = scan.quarantined,
                        "folder read"
                    );
                }
                Ok(_) => {}
                Err(FormFolderError::Spool(SpoolError::Full(waiting))) => {
                    tracing::warn!(waiting, "the spool is full, the folder waits");
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "folder not read, trying again");
                }
            }
            tokio::select! {
                () = sleep(Duration::from_millis(self.config.poll_ms)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn files(&self) -> Result<Vec<PathBuf>, FormFolderError> {
        let failed = |source| FormFolderError::Read { path: self.config.folder.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.config.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let wanted = name.starts_with(&self.config.prefix) && name.ends_with(".json");
            if wanted && entry.file_type().map_err(failed)?.is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    async fn look_at(&mut self, path: &Path, scan: &mut Scan) -> Result<(), FormFolderError> {
        let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
        let mut now = Seen {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            since: Instant::now(),
            unfinished: false,
        };
        let mut quiet = false;
        let same = |before: &&Seen| before.bytes == now.bytes && before.modified == now.modified;
        if let Some(before) = self.seen.get(path).filter(same).copied() {
            if !before.unfinished {
                return Ok(());
            }
            now.since = before.since;
            quiet = now.since.elapsed() >= Duration::from_millis(self.config.quiet_ms);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        if now.bytes > FORM_BYTES_MAX {
            let error = RecordError::new("document", "is larger than 1 MiB");
            let note = format!("{name}: {} bytes, not copied", now.bytes);
            let new = self.intake.set_aside(Origin { file: &name, line: 1 }, &error, note.as_bytes()).await?;
            scan.quarantined += u64::from(new);
        } else {
            let bytes = match tokio::fs::read(path).await {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(source) => return Err(FormFolderError::Read { path: path.to_path_buf(), source }),
            };
            scan.files += 1;
            now.unfinished = self.take(&name, &bytes, quiet, scan).await?;
            scan.unfinished += u64::from(now.unfinished);
        }
        self.seen.insert(path.to_path_buf(), now);
        Ok(())
    }

    /// Takes one file. Returns whether it must be given time.
    async fn take(&self, name: &str, bytes: &[u8], quiet: bool, scan: &mut Scan) -> Result<bool, SpoolError> {
        let (line, error) = match document::read(&self.mapping, bytes) {
            Ok(form) => {
                if !form.warnings.is_empty() {
                    scan.warned += 1;
                    tracing::info!(file = name, fields = ?form.warnings, "check digits of the MRZ do not fit");
                }
                let mut batch = self.intake.batch();
                let offer = batch.offer(&self.mapping, form.mapped, Origin { file: name, line: 1 });
                match offer {
                    Ok(Offer::New | Offer::Changed) => {
                        batch.commit().await?;
                        scan.taken += 1;
                    }
                    Ok(Offer::Unchanged | Offer::Stale) => scan.known += 1,
                    Ok(Offer::Conflict) => {
                        let error = RecordError::new("version", "this version was taken with other content");
                        return self.set_aside(name, 1, &error, bytes, scan).await;
                    }
                    Err(OfferError::Record(error)) => {
                        return self.set_aside(name, 1, &error, bytes, scan).await;
                    }
                    Err(OfferError::Spool(error)) => return Err(error),
                }
                return Ok(false);
            }
            Err(Fault::Syntax { .. }) if !quiet => return Ok(true),
            Err(Fault::Syntax { line, error } | Fault::Field { line, error }) => (line, error),
        };
        self.set_aside(name, line, &error, bytes, scan).await
    }

    async fn set_aside(
        &self,
        name: &str,
        line: u64,
        error: &RecordError,
        bytes: &[u8],
        scan: &mut Scan,
    ) -> Result<bool, SpoolError> {
        let new = self.intake.set_aside(Origin { file: name, line }, error, bytes).await?;
        scan.quarantined += u64::from(new);
        Ok(false)
    }
}

impl Scan {
    /// Both together; what is unfinished is what the later one says.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            files: self.files + later.files,
            taken: self.taken + later.taken,
            known: self.known + later.known,
            quarantined: self.quarantined + later.quarantined,
            warned: self.warned + later.warned,
            unfinished: later.unfinished,
        }
    }
}

#[cfg(test)]
mod tests;
