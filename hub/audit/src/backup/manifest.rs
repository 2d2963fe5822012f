//! `backup.json`: what a backup holds. It is written last, in one step.
//!
//! A file's entry speaks of its first `bytes` bytes: a later backup into the same folder makes files longer, and where it is
//! cut off, this manifest still holds.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use simpul_log::backup::Copied;
use simpul_tlog::{checkpoint, note::NoteVerifier};
use simpul_types::Timestamp;

use super::{BackupError, at};
use crate::verify::{LogName, Violation};

const FILE: &str = "backup.json";
/// Format of the manifest and of the folder beside it.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Whether it holds the data keys, wrapped under the master key.
    pub keys: bool,
    /// The log of submissions.
    pub main: LogEntry,
    /// The access log.
    pub access: LogEntry,
}

/// One log of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Origin of its checkpoints.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Events.
    pub events: u64,
    /// Root of the tree, hex.
    pub root: String,
    /// The signed checkpoint that it stands at; empty where the log had no frame yet.
    pub checkpoint: String,
    /// Every file, below the log's folder.
    pub files: Vec<FileEntry>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the log's folder.
    pub path: String,
    /// How many of its bytes belong to the backup.
    pub bytes: u64,
    /// SHA-256 of those bytes, hex.
    pub sha256: String,
    /// Nothing can follow in it: a later backup does not read it again.
    pub sealed: bool,
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    pub(super) fn new(now: Timestamp, keys: bool, main: LogEntry, access: LogEntry) -> Self {
        Self { format: FORMAT, created_at: now.to_string(), keys, main, access }
    }

    /// One of the two logs.
    pub fn log(&self, log: LogName) -> &LogEntry {
        match log {
            LogName::Main => &self.main,
            LogName::Access => &self.access,
        }
    }

    /// The manifest of a backup.
    ///
    /// # Errors
    /// [`BackupError::Foreign`], [`BackupError::Newer`].
    pub fn load(backup: &Path) -> Result<Self, BackupError> {
        let foreign = |what: String| BackupError::Foreign { path: backup.to_owned(), what };
        let path = backup.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(foreign(format!("there is no {FILE}")));
            }
            Err(source) => return Err(BackupError::Io { path, source }),
        };
        let unread = |error: serde_json::Error| foreign(format!("{FILE}: {error}"));
        let found = serde_json::from_slice::<Format>(&bytes).map_err(unread)?.format;
        if found > FORMAT {
            return Err(BackupError::Newer { path, found, known: FORMAT });
        }
        serde_json::from_slice(&bytes).map_err(unread)
    }

    /// The manifest of an earlier backup, or `None` in a folder that is empty or not there.
    pub(super) fn load_or_empty(out: &Path) -> Result<Option<Self>, BackupError> {
        let empty = match fs::read_dir(out) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(source) => return Err(BackupError::Io { path: out.to_owned(), source }),
        };
        if empty { Ok(None) } else { Self::load(out).map(Some) }
    }

    pub(super) fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers and texts make JSON");
        bytes.push(b'\n');
        replace(&backup.join(FILE), &bytes)
    }
}

impl LogEntry {
    pub(super) fn new(
        dir: &Path,
        verifier: &NoteVerifier,
        copied: &Copied,
        keys: bool,
        before: Option<&Self>,
    ) -> Result<Self, BackupError> {
        let mut files = Vec::new();
        for segment in &copied.segments {
            let path = format!("segments/{}", segment.name);
            let earlier = before.and_then(|before| before.file(&path)).filter(|_| segment.kept);
            files.push(match earlier {
                Some(earlier) => earlier.clone(),
                None => FileEntry::of(dir, path, segment.sealed)?,
            });
        }
        files.push(FileEntry::of(dir, "tree".into(), false)?);
        if keys {
            files.push(FileEntry::of(dir, "keys".into(), false)?);
        }
        Ok(Self {
            origin: verifier.name().into(),
            size: copied.size,
            events: copied.end,
            root: HEXLOWER.encode(&copied.root),
            checkpoint: copied.checkpoint.clone(),
            files,
        })
    }

    pub(super) fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    /// What is not as this entry says.
    pub(super) fn check(
        &self,
        dir: &Path,
        verifier: &NoteVerifier,
        log: LogName,
    ) -> Result<Vec<Violation>, BackupError> {
        let mut found = Vec::new();
        let mut wrong = |file: &str, what: &str| found.push(Violation::of_file(log, file, what));
        match checkpoint::open(&self.checkpoint, verifier) {
            Err(_) if self.size == 0 && self.checkpoint.is_empty() => {}
            Ok(signed) if (signed.size, HEXLOWER.encode(&signed.root)) == (self.size, self.root.clone()) => {}
            Ok(_) => wrong(FILE, "size or root are not those of the signed checkpoint in it"),
            Err(_) => wrong(FILE, "the checkpoint in it is not signed by the log's key"),
        }
        for file in &self.files {
            match file.digest(dir) {
                Ok(Some(digest)) if digest == file.sha256 => {}
                Ok(Some(_)) => wrong(&file.path, "its bytes are not those that were copied (SHA-256)"),
                Ok(None) => wrong(&file.path, "it is missing or cut off"),
                Err(source) => return Err(BackupError::Io { path: dir.join(&file.path), source }),
            }
        }
        Ok(found)
    }
}

impl FileEntry {
    fn of(dir: &Path, path: String, sealed: bool) -> Result<Self, BackupError> {
        let full = dir.join(&path);
        let bytes = fs::metadata(&full).map_err(at(&full))?.len();
        let entry = Self { path, bytes, sha256: String::new(), sealed };
        let sha256 = entry.digest(dir).map_err(at(&full))?.unwrap_or_default();
        Ok(Self { sha256, ..entry })
    }

    pub(super) fn has_its_length(&self, dir: &Path) -> bool {
        fs::metadata(dir.join(&self.path)).is_ok_and(|file| file.len() == self.bytes)
    }

    /// SHA-256 of the file's first `bytes` bytes; `None` where it has fewer.
    fn digest(&self, dir: &Path) -> io::Result<Option<String>> {
        let mut file = match File::open(dir.join(&self.path)) {
            Ok(file) => file.take(self.bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut sha, mut buffer, mut read) = (simpul_signing::Sha256::new(), vec![0; 1 << 20], 0);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            sha.update(&buffer[..length]);
            read += length as u64;
        }
        Ok((read == self.bytes).then(|| HEXLOWER.encode(&sha.finish())))
    }
}

/// Replaces a file whole and flushed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(at(path))
}
