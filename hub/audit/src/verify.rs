//! Offline verification of a hub's data folder: `simpul audit verify --data DIR`.
//!
//! `simpul_log::verify` proves the bytes: every frame, CRC and segment, the tree, the signature of every checkpoint. This
//! adds what the bytes must mean, to whoever holds no account at the hub:
//!
//! ```text
//! access log   every entry decodes, its sealed digest is right, it names its agency's stream
//!    │  digests of the main log's checkpoints, furthest position
//!    ▼
//! main log     every leaf decodes, signed by a registered key, headers under the signed root, sealed root,
//!              positions and sequences gapless, payloads as committed; has every checkpoint the entries speak of
//! ```
//!
//! The access log is walked first, so that a hub that goes on writing meanwhile gives no false alarm: what the entries
//! speak of is by then in the main log.

mod accesses;
mod anchored;
pub(crate) mod chain;
mod epochs;
mod erased;
pub(crate) mod keyring;
mod report;
mod submissions;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use bytes::Bytes;
use simpul_log::{Opened, ReadError, Reader, Schema, StoredEvent, StoredLeaf, verify as bytes_of};
use simpul_signing::{MasterKey, seal::WrapKey};
use simpul_tlog::{checkpoint, note::NoteVerifier};
use simpul_types::Position;

pub use anchored::ANCHORS;
pub use epochs::EPOCHS;
pub use report::{ErasureNote, LogName, LogReport, Payloads, VIOLATIONS_LISTED_MAX, VerifyReport, Violation};

use accesses::Accesses;
use keyring::KeyRing;
use report::{Finding, Findings};
use submissions::Submissions;
pub(crate) use submissions::sealed_root;

/// Leaves judged together, so that all cores have work.
const BATCH_LEAVES_MAX: usize = 1_024;
/// Bytes of events judged together; leaves may hold up to 4 MiB each.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// What the verifier is given beside the folder. With nothing it proves the bytes and the tree.
#[derive(Default)]
pub struct VerifyOptions {
    /// Verifier key of the main log. Without it `log.vkey` in the folder is taken, and the report says so.
    pub log: Option<NoteVerifier>,
    /// Verifier key of the access log. Without it `access.vkey` in the folder is taken, and the report says so.
    pub access: Option<NoteVerifier>,
    /// Public key of the directory authority.
    pub authority: Option<[u8; 32]>,
    /// The bootstrap submission, encoded: its keys are taken where the master key is not given.
    pub bootstrap: Option<Bytes>,
    /// Public keys of connectors, for whom nothing else tells them.
    pub public_keys: Vec<[u8; 32]>,
    /// Opens payloads: every commitment is checked, and the keys come from the directory events themselves.
    pub master: Option<MasterKey>,
}

/// How far a verification has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The log being walked.
    pub log: LogName,
    /// Leaves read of it.
    pub leaves: u64,
    /// Events read of it.
    pub events: u64,
    /// Bytes of frames read of it.
    pub bytes: u64,
    /// Bytes of its files; frames fill less than that.
    pub bytes_total: u64,
}

/// Why nothing could be verified. What is read and wrong is a violation in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file or folder could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The public key of a log is neither given nor in the folder.
    #[error("the verifier key of the {0} log is neither given nor in the data folder")]
    NoKey(LogName),
    /// A verifier key in the folder does not parse.
    #[error("{}: not a verifier key", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
    },
    /// The bootstrap file is not what it should be.
    #[error("bootstrap file: {0}")]
    Bootstrap(String),
}

/// Leaves both logs' verifier keys in the data folder, where [`verify_data`] finds them. The hub calls it at start.
///
/// # Errors
/// Where a file cannot be written.
pub fn leave_verifier_keys(data: &Path, log: &NoteVerifier, access: &NoteVerifier) -> io::Result<()> {
    for (name, verifier) in [(LogName::Main, log), (LogName::Access, access)] {
        let text = format!("{verifier}\n");
        let path = key_path(data, name);
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Verifies the folders `log/` and `access/` of a hub's data folder. Blocking; changes nothing; may run beside the hub.
///
/// # Errors
/// [`VerifyError`] where something could not be read at all; what is wrong with what was read is in the report.
pub fn verify_data(
    data: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, VerifyError> {
    verify_data_with(data, options, Vec::new(), progress)
}

/// The same with what was found before.
pub(crate) fn verify_data_with(
    data: &Path,
    options: &VerifyOptions,
    found: Vec<Violation>,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, VerifyError> {
    let started = Instant::now();
    let mut findings = Findings::default();
    found.into_iter().for_each(|violation| findings.violation(violation));

    let mut accesses = Accesses::default();
    let access_dir = folder(data, LogName::Access);
    let access = if access_dir.is_dir() {
        let verifier = verifier_key(data, LogName::Access, options.access.as_ref(), &mut findings)?;
        let log = Walked::new(LogName::Access, access_dir, verifier, options, &mut findings)?;
        let bytes = log.walk(&mut accesses, &mut findings, progress)?;
        note_backward(&mut findings, LogName::Access, accesses.backward);
        Some(LogReport { bytes, ..accesses.report.clone() })
    } else {
        findings.notes.push("there is no access log in this folder".into());
        None
    };

    let verifier = verifier_key(data, LogName::Main, options.log.as_ref(), &mut findings)?;
    let log = Walked::new(LogName::Main, folder(data, LogName::Main), verifier, options, &mut findings)?;
    let mut ring = KeyRing::new(options.authority, &options.public_keys, log.opener.is_some());
    if let (Some(bootstrap), None) = (&options.bootstrap, &log.opener) {
        ring.apply_bootstrap(bootstrap)?;
    }
    let mut submissions = Submissions::new(ring);
    let mut both = MainJudge { submissions: &mut submissions, accesses: &mut accesses };
    let bytes = log.walk(&mut both, &mut findings, progress)?;
    let mut main = LogReport { bytes, ..submissions.report.clone() };
    if let Some(reader) = &log.opener {
        main.erasures = erased::executed(reader, &mut findings);
        // Opened now, so that it has every entry that the log speaks of also where the hub goes on.
        let dir = folder(data, LogName::Access);
        let access_key = verifier_key_of(data, LogName::Access, options.access.as_ref());
        if let (true, Ok((key, _)), Some(master)) = (dir.is_dir(), access_key, &options.master)
            && let Some(access) = opener(LogName::Access, &dir, &key, master.wrap_key(), &mut findings)
        {
            main.access_checkpoints = anchored::compare(reader, &access, &mut findings);
            main.key_epoch = epochs::compare(reader, &access, &mut findings);
        }
    }
    note_backward(&mut findings, LogName::Main, submissions.backward());
    note_unchecked(&mut findings, &main);
    // Behind a violation the main log was not read, so nothing can be said about what the entries speak of.
    if main.bytes.violation.is_none() {
        cross_check(&accesses, &main, &mut findings);
    }

    let seconds = started.elapsed().as_secs_f64();
    let events = main.bytes.events + access.as_ref().map_or(0, |access| access.bytes.events);
    Ok(VerifyReport {
        ok: findings.violations_total == 0,
        main,
        access,
        violations: findings.violations,
        violations_total: findings.violations_total,
        notes: findings.notes,
        seconds,
        events_per_second: if seconds > 0.0 { events as f64 / seconds } else { 0.0 },
    })
}

/// What the access entries say about the main log.
fn cross_check(accesses: &Accesses, main: &LogReport, findings: &mut Findings) {
    let about = |findings: &mut Findings, entry: u64, what: String| {
        let (leaf, position) = (Some(entry), Some(entry));
        findings.violation(Violation {
            log: LogName::Access,
            file: None,
            segment: None,
            leaf,
            position,
            what,
        });
    };
    let (furthest, entry) = accesses.furthest;
    if furthest > main.bytes.events {
        let end = main.bytes.events;
        about(
            findings,
            entry,
            format!("LOG-3: answered at position {furthest}, but the main log ends at {end}"),
        );
    }
    let Some(entry) = accesses.checkpoints.values().min() else { return };
    // After a crash the newest checkpoint stands nowhere until the next frame keeps its signature.
    let newest_unknown = main.bytes.checkpoint_size.is_none_or(|size| size < main.bytes.leaves);
    if accesses.checkpoints.len() == 1 && newest_unknown {
        findings.notes.push(format!("the newest checkpoint, of access entry {entry}, could not be compared"));
    } else {
        about(findings, *entry, "LOG-3: answered under a checkpoint that the main log does not have".into());
    }
}

fn note_backward(findings: &mut Findings, log: LogName, (count, first): (u64, Option<u64>)) {
    if let Some(first) = first {
        let what = format!("{log} log: the time goes backward {count} times, first at leaf {first}");
        findings.notes.push(what);
    }
}

fn note_unchecked(findings: &mut Findings, main: &LogReport) {
    if main.signatures_not_checked > 0 {
        findings.notes.push(format!(
            "{} statement signatures were not checked: their public keys were not given",
            main.signatures_not_checked
        ));
    }
}

pub(crate) fn folder(data: &Path, log: LogName) -> PathBuf {
    data.join(match log {
        LogName::Main => "log",
        LogName::Access => "access",
    })
}

pub(crate) fn key_path(data: &Path, log: LogName) -> PathBuf {
    folder(data, log).with_extension("vkey")
}

fn verifier_key(
    data: &Path,
    log: LogName,
    given: Option<&NoteVerifier>,
    findings: &mut Findings,
) -> Result<NoteVerifier, VerifyError> {
    let (key, from_folder) = verifier_key_of(data, log, given)?;
    if from_folder {
        findings.notes.push(format!(
            "{log} log: the public key was read from the data folder itself; whoever wrote the folder could have put another there"
        ));
    }
    Ok(key)
}

/// The key given, or that in the folder; the second member tells which.
pub(crate) fn verifier_key_of(
    data: &Path,
    log: LogName,
    given: Option<&NoteVerifier>,
) -> Result<(NoteVerifier, bool), VerifyError> {
    if let Some(given) = given {
        return Ok((given.clone(), false));
    }
    let path = key_path(data, log);
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).unwrap_or_default();
            let key = NoteVerifier::parse(text.trim()).map_err(|_| VerifyError::Key { path })?;
            Ok((key, true))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(VerifyError::NoKey(log)),
        Err(source) => Err(VerifyError::Read { path, source }),
    }
}

/// Unseals an event. Implemented by a log's reader; the check of a folder without keys has none.
pub(super) trait Open: Sync {
    fn open(&self, event: &StoredEvent) -> Result<Opened, ReadError>;

    /// Position of the execution in this log that made the event's key dead.
    fn erased_by(&self, event: &StoredEvent) -> Option<Position>;
}

impl Open for Reader {
    fn open(&self, event: &StoredEvent) -> Result<Opened, ReadError> {
        self.open_payload(event)
    }

    fn erased_by(&self, event: &StoredEvent) -> Option<Position> {
        Reader::erased_by(self, event)
    }
}

/// Judges what a walk comes by.
trait Judge {
    /// The leaves that come next, in order.
    fn leaves(&mut self, leaves: &[StoredLeaf], open: Option<&dyn Open>) -> Vec<Finding>;

    /// A checkpoint of the log whose signature was verified.
    fn checkpoint(&mut self, _note: &str) {}
}

impl Judge for Accesses {
    fn leaves(&mut self, leaves: &[StoredLeaf], open: Option<&dyn Open>) -> Vec<Finding> {
        self.check(leaves, open)
    }
}

/// The main log's leaves for themselves, its checkpoints for what the access entries speak of.
struct MainJudge<'a> {
    submissions: &'a mut Submissions,
    accesses: &'a mut Accesses,
}

impl Judge for MainJudge<'_> {
    fn leaves(&mut self, leaves: &[StoredLeaf], open: Option<&dyn Open>) -> Vec<Finding> {
        self.submissions.check(leaves, open)
    }

    fn checkpoint(&mut self, note: &str) {
        self.accesses.settle(note);
    }
}

/// One log and what its walk needs.
struct Walked {
    log: LogName,
    dir: PathBuf,
    verifier: NoteVerifier,
    opener: Option<Reader>,
    segments: Vec<String>,
    bytes_total: u64,
}

impl Walked {
    fn new(
        log: LogName,
        dir: PathBuf,
        verifier: NoteVerifier,
        options: &VerifyOptions,
        findings: &mut Findings,
    ) -> Result<Self, VerifyError> {
        let (segments, bytes_total) =
            segments(&dir).map_err(|source| VerifyError::Read { path: dir.clone(), source })?;
        let wrap = options.master.as_ref().map(MasterKey::wrap_key);
        let opener = wrap.and_then(|wrap| opener(log, &dir, &verifier, wrap, findings));
        Ok(Self { log, dir, verifier, opener, segments, bytes_total })
    }

    fn walk(
        &self,
        judge: &mut dyn Judge,
        findings: &mut Findings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bytes_of::Report, VerifyError> {
        let mut batch = Batch::default();
        let mut frames = 0;
        let outcome = bytes_of::walk(&self.dir, &self.verifier, &mut |leaf, report| {
            if report.frames != frames {
                frames = report.frames;
                if let Some(note) = &report.checkpoint {
                    judge.checkpoint(note);
                }
            }
            let segment = report.segments.saturating_sub(1) as usize;
            if batch.is_full() || batch.segment != segment {
                self.judge(&mut batch, judge, findings);
            }
            if batch.leaves.is_empty() {
                batch.segment = segment;
                progress(self.progress(report));
            }
            batch.push(leaf);
            Ok(())
        });
        let report = outcome.map_err(|source| VerifyError::Read { path: self.dir.clone(), source })?;
        self.judge(&mut batch, judge, findings);
        // Frames keep the signature of the checkpoint before them; the newest one stands in a file of its own.
        let newest = fs::read_to_string(self.dir.join("checkpoint")).unwrap_or_default();
        let signed = checkpoint::open(&newest, &self.verifier).map(|_| &newest).ok();
        for note in report.checkpoint.iter().chain(signed) {
            judge.checkpoint(note);
        }
        if let Some(bytes_of::Violation { segment, leaf, position, what }) = report.violation.clone() {
            let (leaf, position) = (Some(leaf), Some(position));
            let (log, segment) = (self.log, Some(segment));
            findings.violation(Violation { log, file: None, segment, leaf, position, what });
        }
        for fault in &report.files {
            let leaf = fault.leaf;
            findings.violation(Violation { leaf, ..Violation::of_file(self.log, &fault.file, &fault.what) });
        }
        progress(self.progress(&report));
        Ok(report)
    }

    fn judge(&self, batch: &mut Batch, judge: &mut dyn Judge, findings: &mut Findings) {
        let segment = self.segments.get(batch.segment).map_or("", String::as_str);
        let open = self.opener.as_ref().map(|reader| reader as &dyn Open);
        for finding in judge.leaves(&batch.leaves, open) {
            findings.violation(finding.in_log(self.log, segment));
        }
        batch.clear();
    }

    fn progress(&self, report: &bytes_of::Report) -> Progress {
        Progress {
            log: self.log,
            leaves: report.leaves,
            events: report.events,
            bytes: report.bytes,
            bytes_total: self.bytes_total,
        }
    }
}

/// Leaves of one segment that wait to be judged together.
#[derive(Default)]
struct Batch {
    leaves: Vec<StoredLeaf>,
    bytes: usize,
    segment: usize,
}

impl Batch {
    fn push(&mut self, leaf: &StoredLeaf) {
        self.bytes += leaf.events.iter().map(|event| event.header.len() + event.sealed.len()).sum::<usize>();
        self.leaves.push(leaf.clone());
    }

    fn is_full(&self) -> bool {
        self.leaves.len() >= BATCH_LEAVES_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn clear(&mut self) {
        self.leaves.clear();
        self.bytes = 0;
    }
}

/// File names of a log's segments in order, and the bytes of all of them.
fn segments(dir: &Path) -> io::Result<(Vec<String>, u64)> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for entry in fs::read_dir(dir.join("segments"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".seg") {
            bytes += entry.metadata()?.len();
            names.push(name);
        }
    }
    names.sort();
    Ok((names, bytes))
}

/// A reader that opens payloads. Where the log does not even open, the walk will say why, and this leaves a note.
fn opener(
    log: LogName,
    dir: &Path,
    verifier: &NoteVerifier,
    wrap: WrapKey,
    findings: &mut Findings,
) -> Option<Reader> {
    let schema = match log {
        LogName::Main => Schema::Submissions,
        LogName::Access => Schema::Access,
    };
    match simpul_log::open_reader(dir, schema, verifier, wrap) {
        Ok(reader) => Some(reader),
        Err(error) => {
            findings.notes.push(format!("{log} log: payloads were not opened: {error}"));
            None
        }
    }
}
