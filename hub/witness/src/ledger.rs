//! What was cosigned last, per origin, on the disk: the cosigned checkpoint itself, at the path that monitors ask for.
//!
//! ```text
//! <state>/witness.lock                              one process at a time
//! <state>/<sha256 of origin, hex>/checkpoint        the newest cosigned checkpoint, our line last
//!                                 evidence/<size>-<root>   requests refused although the log had signed them
//! ```
//!
//! A record is written beside, flushed, renamed over the old one, and the folder is flushed: after SIGKILL or a power cut
//! the old or the new one stands there, whole. A record that cannot be read is never guessed around.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use simpul_tlog::{
    checkpoint::Checkpoint,
    cosignature,
    note::{NoteVerifier, SignedNote},
};

use crate::judge;

/// Requests kept as evidence, per origin; a log that is forked is told by the first.
const EVIDENCE_FILES_MAX: usize = 64;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another witness runs on it.
    #[error("another witness has {} open", .0.display())]
    InUse(PathBuf),
    /// The disk.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record that is not what a witness wrote.
    #[error("{}: {what}; put back the newest copy, or retire this witness's key: starting without it would forget what was cosigned", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// What was cosigned last for an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The tree.
    pub checkpoint: Checkpoint,
    /// The note with the log's signature and our line.
    pub note: String,
    /// Time of that line, seconds.
    pub time_s: u64,
}

impl Record {
    /// Reads a record and verifies the log's signature on it, and ours.
    fn parse(note: String, log_keys: &[NoteVerifier], own: &NoteVerifier) -> Result<Self, String> {
        let (_, checkpoint) = judge::read(&note).map_err(|error| error.to_string())?;
        judge::signed(&note, log_keys).map_err(|error| format!("log keys: {error}"))?;
        let opened = SignedNote::open(&note, std::slice::from_ref(own));
        let opened = opened.map_err(|error| format!("the key of this witness (a new key is a new witness, with a state folder of its own): {error}"))?;
        let times = opened.signatures.iter().filter(|line| own.made(line)).filter_map(cosignature::time_of);
        Ok(Self { checkpoint, time_s: times.max().unwrap_or(0), note })
    }
}

/// A state folder that is ours until this is dropped or the process ends, however it ends.
pub struct Ledger {
    folder: PathBuf,
    _lock: File,
}

impl Ledger {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        make_folder(folder)?;
        let file = folder.join("witness.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let lock = lock.map_err(at(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => Err(LedgerError::Io { path: file, source }),
        }
    }

    /// The record of an origin, by the hex of its hash; makes the origin's folder.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn load(
        &self,
        hash: &str,
        log_keys: &[NoteVerifier],
        own: &NoteVerifier,
    ) -> Result<Option<Record>, LedgerError> {
        let folder = self.folder.join(hash);
        make_folder(&folder)?;
        let path = folder.join("checkpoint");
        let note = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LedgerError::Io { path, source }),
        };
        let note = String::from_utf8(note).map_err(|_| "not UTF-8".to_string());
        match note.and_then(|note| Record::parse(note, log_keys, own)) {
            Ok(record) => Ok(Some(record)),
            Err(what) => Err(LedgerError::Record { path, what }),
        }
    }

    /// Replaces an origin's record. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; then the old or the new one stands on the disk, and the caller MUST NOT go on with either.
    pub fn replace(&self, hash: &str, record: &Record) -> Result<(), LedgerError> {
        let folder = self.folder.join(hash);
        let (target, fresh) = (folder.join("checkpoint"), folder.join("checkpoint.new"));
        let mut file = File::create(&fresh).map_err(at(&fresh))?;
        file.write_all(record.note.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&fresh))?;
        fs::rename(&fresh, &target).map_err(at(&target))?;
        sync_folder(&folder)
    }

    /// Keeps a refused request, the first of its size and root, up to a bound. Gives the file where it is new.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn keep_evidence(
        &self,
        hash: &str,
        checkpoint: &Checkpoint,
        request: &str,
    ) -> Result<Option<PathBuf>, LedgerError> {
        let folder = self.folder.join(hash).join("evidence");
        make_folder(&folder)?;
        let root = data_encoding::HEXLOWER.encode(&checkpoint.root);
        let path = folder.join(format!("{}-{root}", checkpoint.size));
        if path.exists() || fs::read_dir(&folder).map_err(at(&folder))?.count() >= EVIDENCE_FILES_MAX {
            return Ok(None);
        }
        let mut file = File::create_new(&path).map_err(at(&path))?;
        file.write_all(request.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?;
        Ok(Some(path))
    }
}

fn make_folder(folder: &Path) -> Result<(), LedgerError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(at(folder))?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { path, source }
}
