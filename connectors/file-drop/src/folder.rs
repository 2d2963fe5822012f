//! Watches a folder by polling: network drives do not tell, and a poll a few times a minute costs nothing.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use simpul_connector::{
    Intake, Mapping, Offer, RecordError, SpoolError,
    intake::{OfferError, Origin},
    map::{Record, Row},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::split::{self, Form};

/// Records that go to the spool with one flush.
const BATCH_RECORDS: usize = 1_000;
/// How long a full spool is given before the next try.
const FULL_WAIT: Duration = Duration::from_millis(200);

/// Which files, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder to watch; its sub-folders are not looked into.
    pub folder: PathBuf,
    /// Mapping file.
    pub mapping: PathBuf,
    /// File names: a text with at most one `*`.
    #[serde(default = "pattern")]
    pub pattern: String,
    /// Milliseconds between two looks.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// A last line without its end is taken once the file has not changed for so many milliseconds.
    #[serde(default = "quiet_ms")]
    pub quiet_ms: u64,
}

fn pattern() -> String {
    "*.csv".into()
}

fn poll_ms() -> u64 {
    2_000
}

fn quiet_ms() -> u64 {
    10_000
}

/// One watched folder.
pub struct FileDrop {
    config: Config,
    mapping: Arc<Mapping>,
    intake: Intake,
    seen: HashMap<PathBuf, Seen>,
}

/// The first record of a file.
struct Header {
    columns: HashMap<String, usize>,
    fields: usize,
}

/// How a file looked when it was read.
#[derive(Clone, Copy)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Since when it has looked so.
    since: Instant,
    /// Its last line waits for the file to be quiet.
    unfinished: bool,
}

/// What one look at the folder found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Files read.
    pub files: u64,
    /// Records that became events: not seen before.
    pub new: u64,
    /// Records that became events: changed.
    pub changed: u64,
    /// Records that are known, or older than what is known.
    pub known: u64,
    /// Records set aside.
    pub quarantined: u64,
    /// Files whose last line waits.
    pub unfinished: u64,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FileDropError {
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

impl FileDrop {
    /// A folder with its mapping.
    pub fn new(config: Config, mapping: Mapping, intake: Intake) -> Self {
        Self { config, mapping: Arc::new(mapping), intake, seen: HashMap::new() }
    }

    /// Looks once: reads every file that has changed since the last look.
    ///
    /// # Errors
    /// [`FileDropError`]. What was taken before stays taken.
    pub async fn scan(&mut self, stop: &CancellationToken) -> Result<Scan, FileDropError> {
        let mut scan = Scan::default();
        for path in self.files()? {
            if stop.is_cancelled() {
                break;
            }
            self.look_at(&path, stop, &mut scan).await?;
        }
        Ok(scan)
    }

    /// Looks until nothing is unfinished any more; for `--once`.
    ///
    /// # Errors
    /// [`FileDropError`].
    pub async fn drain(&mut self, stop: &CancellationToken) -> Result<Scan, FileDropError> {
        let mut sum = self.scan(stop).await?;
        while sum.unfinished > 0 && !stop.is_cancelled() {
            sleep(Duration::from_millis(self.config.quiet_ms.min(self.config.poll_ms).max(10))).await;
            let next = self.scan(stop).await?;
            sum = sum.and(next);
        }
        Ok(sum)
    }

    /// Looks again and again until stopped. A folder that cannot be read is tried again: it may be a network drive.
    pub async fn follow(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.scan(&stop).await {
                Ok(scan) if scan.new + scan.changed + scan.quarantined > 0 => {
                    tracing::info!(
                        folder = %self.config.folder.display(),
                        files = scan.files,
                        new = scan.new,
                        changed = scan.changed,
                        known = scan.known,
                        quarantined = scan.quarantined,
                        "folder read"
                    );
                }
                Ok(_) => {}
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

    fn files(&self) -> Result<Vec<PathBuf>, FileDropError> {
        let failed = |source| FileDropError::Read { path: self.config.folder.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.config.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let wanted = matches(&self.config.pattern, &entry.file_name().to_string_lossy());
            if wanted && entry.file_type().map_err(failed)?.is_file() {
                files.push(entry.path());
            }
        }
        // Export jobs put the date into the name: by name is by age.
        files.sort();
        Ok(files)
    }

    async fn look_at(
        &mut self,
        path: &Path,
        stop: &CancellationToken,
        scan: &mut Scan,
    ) -> Result<(), FileDropError> {
        let Some(now) = Seen::look(path) else { return Ok(()) };
        let mut now = now;
        let mut quiet = false;
        if let Some(before) = self.seen.get(path).filter(|before| before.looks_like(&now)) {
            if !before.unfinished {
                return Ok(());
            }
            now.since = before.since;
            quiet = now.since.elapsed() >= Duration::from_millis(self.config.quiet_ms);
            if !quiet {
                scan.unfinished += 1;
                return Ok(());
            }
        }
        let failed = |source| FileDropError::Read { path: path.to_path_buf(), source };
        let bytes = match tokio::fs::read(path).await {
            Ok(bytes) => bytes,
            // Gone between two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        scan.files += 1;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        now.unfinished = self.read(&name, &bytes, quiet, stop, scan).await?;
        scan.unfinished += u64::from(now.unfinished);
        if !stop.is_cancelled() {
            self.seen.insert(path.to_path_buf(), now);
        }
        Ok(())
    }

    /// Reads a whole file. Returns whether its last line waits.
    async fn read(
        &self,
        name: &str,
        bytes: &[u8],
        quiet: bool,
        stop: &CancellationToken,
        scan: &mut Scan,
    ) -> Result<bool, FileDropError> {
        let mut records = split::records(split::without_mark(bytes), self.mapping.delimiter()).peekable();
        let Some(first) = records.next() else { return Ok(false) };
        if first.form == Form::Unfinished && !quiet {
            return Ok(true);
        }
        let header = match self.header(first.bytes) {
            Ok(header) => header,
            Err(error) => {
                let origin = Origin { file: name, line: first.line };
                scan.quarantined += u64::from(self.intake.set_aside(origin, &error, first.bytes).await?);
                return Ok(false);
            }
        };
        while records.peek().is_some() && !stop.is_cancelled() {
            let chunk: Vec<_> = records.by_ref().take(BATCH_RECORDS).collect();
            // The flush of one batch covers all of it; a full spool means trying the same batch again.
            while !stop.is_cancelled() {
                let mut found = Scan::default();
                match self.take(name, &header, &chunk, quiet, &mut found).await {
                    Ok(unfinished) => {
                        *scan = scan.and(found);
                        if unfinished {
                            return Ok(true);
                        }
                        break;
                    }
                    Err(SpoolError::Full(_)) => sleep(FULL_WAIT).await,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(false)
    }

    async fn take(
        &self,
        name: &str,
        header: &Header,
        records: &[split::Record<'_>],
        quiet: bool,
        scan: &mut Scan,
    ) -> Result<bool, SpoolError> {
        let mut batch = self.intake.batch();
        let mut bad = Vec::new();
        let mut unfinished = false;
        for record in records {
            if record.form == Form::Unfinished && !quiet {
                unfinished = true;
                break;
            }
            let origin = Origin { file: name, line: record.line };
            let mapped = self.map(header, record);
            let offer = match mapped {
                Ok(mapped) => batch.offer(&self.mapping, mapped, origin),
                Err(error) => Err(OfferError::Record(error)),
            };
            match offer {
                Ok(Offer::New) => scan.new += 1,
                Ok(Offer::Changed) => scan.changed += 1,
                Ok(Offer::Unchanged | Offer::Stale) => scan.known += 1,
                Ok(Offer::Conflict) => {
                    let reason = "this version was taken with other content";
                    bad.push((origin, RecordError::new("version", reason), record.bytes));
                }
                Err(OfferError::Record(error)) => bad.push((origin, error, record.bytes)),
                Err(OfferError::Spool(error)) => return Err(error),
            }
        }
        batch.commit().await?;
        for (origin, error, bytes) in bad {
            scan.quarantined += u64::from(self.intake.set_aside(origin, &error, bytes).await?);
        }
        Ok(unfinished)
    }

    fn header(&self, header: &[u8]) -> Result<Header, RecordError> {
        let fields = fields(header, self.mapping.delimiter())?;
        let mut columns = HashMap::with_capacity(fields.len());
        for (place, name) in fields.iter().enumerate() {
            if columns.insert(name.trim().to_owned(), place).is_some() && !name.trim().is_empty() {
                return Err(RecordError::new(name.trim(), "the header names this column twice"));
            }
        }
        match self.mapping.required_columns().find(|name| !columns.contains_key(*name)) {
            Some(name) => Err(RecordError::new(name, "the header does not have this column")),
            None => Ok(Header { columns, fields: fields.len() }),
        }
    }

    fn map(
        &self,
        header: &Header,
        record: &split::Record<'_>,
    ) -> Result<simpul_connector::map::Mapped, RecordError> {
        if record.form == Form::OpenQuote {
            return Err(RecordError::new("row", "a quote is not closed"));
        }
        let fields = fields(record.bytes, self.mapping.delimiter())?;
        if fields.len() != header.fields {
            let reason = format!("has {} fields where the header has {}", fields.len(), header.fields);
            return Err(RecordError::new("row", reason));
        }
        let fields = fields.into_iter().map(Cow::Owned).collect();
        self.mapping.map(Record::Row(&Row { columns: &header.columns, fields }))
    }
}

/// The fields of one record as texts.
fn fields(record: &[u8], delimiter: u8) -> Result<Vec<String>, RecordError> {
    let fields = split::fields(record, delimiter).into_iter().enumerate();
    fields
        .map(|(index, field)| {
            String::from_utf8(field)
                .map_err(|_| RecordError::new(format!("column {}", index + 1), "is not UTF-8"))
        })
        .collect()
}

/// Whether a name fits a pattern with at most one `*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

impl Seen {
    fn look(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        Some(Self { bytes, modified, since: Instant::now(), unfinished: false })
    }

    fn looks_like(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.modified == other.modified
    }
}

impl Scan {
    /// Both together; what is unfinished is what the later one says.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            files: self.files + later.files,
            new: self.new + later.new,
            changed: self.changed + later.changed,
            known: self.known + later.known,
            quarantined: self.quarantined + later.quarantined,
            unfinished: later.unfinished,
        }
    }
}

#[cfg(test)]
mod tests;
