//! Backups of a hub's data folder, made beside the running hub, and what a restored folder has to show before it starts.
//!
//! ```text
//! create    access log, then main log, each at its newest signed checkpoint ─▶ backup.json (last)
//! verify    every file against backup.json, then everything that `verify_data` proves; no hub and no secret is needed
//! restore   verify ─▶ an empty folder ─▶ marker `restored.json`: the hub does not start
//! confirm   the newest checkpoint that anybody holds lies in the restored tree ─▶ the marker goes
//! ```
//!
//! A folder that went back in time would sign a second history under a key whose first history was published (LOG-3).
//! Nothing in the folder itself can tell, so somebody outside has to: the newest checkpoint kept by an auditor or a witness.
//! The access log is copied first: what its entries speak of is then in the main log.
//!
//! In a backup: frames with sealed payloads, stored hashes, data keys wrapped under the master key. Not in it: the master key,
//! signing keys, configuration, read models, index tables. So a backup alone opens nothing, and a backup with the master key
//! opens what was erased after it was made: backups MUST be destroyed within the time that an erasure may take.

mod manifest;
mod restore;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use simpul_log::backup::{CopyError, copy};
use simpul_tlog::note::NoteVerifier;
use simpul_types::Clock;

pub use manifest::{FileEntry, LogEntry, Manifest};
pub use restore::{Confirmation, MARKER, confirm, restore, unconfirmed};

use crate::verify::{
    LogName, VerifyError, VerifyOptions, VerifyReport, folder, key_path, verifier_key_of, verify_data_with,
};

/// Why a backup was not made, verified, restored or confirmed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data folder could not be copied.
    #[error("{log} log")]
    Copy {
        /// Which log.
        log: LogName,
        /// Why.
        #[source]
        source: CopyError,
    },
    /// A log's public key.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Not a folder that `simpul backup create` made.
    #[error("{}: not a backup: {what}", path.display())]
    Foreign {
        /// Which folder.
        path: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// It is a backup of another log.
    #[error("{}: the backup is of `{found}`, not of `{wanted}`; name another folder", path.display())]
    Origin {
        /// The backup.
        path: PathBuf,
        /// Origin in it.
        found: String,
        /// Origin expected.
        wanted: String,
    },
    /// A newer version wrote it.
    #[error("{}: written by a newer version (format {found}, this one knows {known}); use that version", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// The backup does not verify.
    #[error("the backup does not verify: {0}; nothing was restored, take another backup")]
    Damaged(String),
    /// The backup was made without data keys.
    #[error(
        "the backup holds no data keys: it proves the log, but a hub restored from it could open no payload"
    )]
    NoKeys,
    /// The target is not empty.
    #[error("{} is not empty; restore into a new folder, and keep the old one until the hub runs", .0.display())]
    NotEmpty(PathBuf),
    /// There is nothing to confirm.
    #[error("{}: nothing to confirm: it was not restored from a backup, or was confirmed before", .0.display())]
    NothingRestored(PathBuf),
    /// The restore was cut off.
    #[error("{}: the restore was not finished; empty the folder and restore again", .0.display())]
    Unfinished(PathBuf),
    /// No checkpoint of the main log was given.
    #[error(
        "give the newest checkpoint of `{0}` that an auditor, a witness or an agency holds (--newest FILE)"
    )]
    NothingKnown(String),
    /// A note that is no checkpoint of either log.
    #[error("{0} is no checkpoint that the log or the access log signed")]
    Checkpoint(String),
    /// Leaves that were published are not in the backup.
    #[error(
        "`{origin}` has published {known} leaves, the restored folder has {held}: the last {} are lost. Restore a newer \
         backup; where there is none, go on under a new origin and key, or with --accept-rollback, which every auditor will see",
        known - held
    )]
    RolledBack {
        /// Which log.
        origin: String,
        /// Leaves of the newest known checkpoint.
        known: u64,
        /// Leaves restored.
        held: u64,
    },
    /// The restored tree is not the one that was published.
    #[error(
        "the restored `{origin}` is another history than its published checkpoint of {size} leaves; do not start it"
    )]
    Inconsistent {
        /// Which log.
        origin: String,
        /// Size of the checkpoint.
        size: u64,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |source| BackupError::Io { path: path.to_owned(), source }
}

/// Public keys that a backup is held against. Absent: those in the folder itself.
#[derive(Clone, Debug, Default)]
pub struct BackupKeys {
    /// The main log's.
    pub log: Option<NoteVerifier>,
    /// The access log's.
    pub access: Option<NoteVerifier>,
}

impl BackupKeys {
    /// The key of a log: the one given, or that in the folder.
    pub(crate) fn key(&self, folder: &Path, log: LogName) -> Result<NoteVerifier, VerifyError> {
        let given = match log {
            LogName::Main => self.log.as_ref(),
            LogName::Access => self.access.as_ref(),
        };
        verifier_key_of(folder, log, given).map(|(key, _)| key)
    }
}

/// What `create` did.
#[derive(Clone, Debug)]
pub struct Created {
    /// What is in the backup now.
    pub manifest: Manifest,
    /// Bytes that were copied now.
    pub bytes_copied: u64,
    /// Sealed segments that were there already.
    pub segments_kept: usize,
}

/// Makes a backup of a hub's data folder in `out`, or brings the one there up to date. The hub may be running. Blocking.
///
/// # Errors
/// [`BackupError`]; a backup that was in `out` is as good as before.
pub fn create(
    data: &Path,
    out: &Path,
    given: &BackupKeys,
    with_keys: bool,
    clock: &dyn Clock,
    progress: &mut dyn FnMut(LogName, u64),
) -> Result<Created, BackupError> {
    let earlier = Manifest::load_or_empty(out)?;
    let mut entries = Vec::new();
    let (mut bytes_copied, mut segments_kept) = (0, 0);
    for log in [LogName::Access, LogName::Main] {
        let verifier = given.key(data, log)?;
        let before = earlier.as_ref().map(|manifest| manifest.log(log));
        if let Some(before) = before
            && before.origin != verifier.name()
        {
            let (found, wanted) = (before.origin.clone(), verifier.name().to_owned());
            return Err(BackupError::Origin { path: out.to_owned(), found, wanted });
        }
        let to = folder(out, log);
        let kept = |name: &str| {
            let entry = before.and_then(|before| before.file(&format!("segments/{name}")));
            entry.is_some_and(|entry| entry.sealed && entry.has_its_length(&to))
        };
        let copied =
            copy(&folder(data, log), &to, &verifier, with_keys, &kept, &mut |bytes| progress(log, bytes))
                .map_err(|source| BackupError::Copy { log, source })?;
        bytes_copied += copied.bytes;
        segments_kept += copied.segments.iter().filter(|segment| segment.kept).count();
        entries.push(LogEntry::new(&to, &verifier, &copied, with_keys, before)?);
        let path = key_path(out, log);
        fs::write(&path, format!("{verifier}\n")).map_err(at(&path))?;
    }
    let main = entries.pop().expect("both logs were copied");
    let access = entries.pop().expect("both logs were copied");
    let manifest = Manifest::new(clock.now(), with_keys, main, access);
    manifest.write(out)?;
    // Behind the manifest: until then the older one holds, whose checkpoint the older file is.
    for log in [LogName::Access, LogName::Main] {
        if !manifest.log(log).checkpoint.is_empty() {
            manifest::replace(&folder(out, log).join("checkpoint"), manifest.log(log).checkpoint.as_bytes())?;
        }
    }
    Ok(Created { manifest, bytes_copied, segments_kept })
}

/// Verifies a backup: every file is what `backup.json` says, and the logs in it prove what they hold. Blocking.
///
/// # Errors
/// [`BackupError`] where it is no backup or cannot be read; what is read and wrong is in the report.
pub fn verify(
    backup: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(crate::verify::Progress),
) -> Result<(Manifest, VerifyReport), BackupError> {
    let manifest = Manifest::load(backup)?;
    let given = BackupKeys { log: options.log.clone(), access: options.access.clone() };
    for log in [LogName::Main, LogName::Access] {
        let verifier = given.key(backup, log)?;
        if manifest.log(log).origin != verifier.name() {
            let (found, wanted) = (manifest.log(log).origin.clone(), verifier.name().to_owned());
            return Err(BackupError::Origin { path: backup.to_owned(), found, wanted });
        }
    }
    let mut found = Vec::new();
    for log in [LogName::Main, LogName::Access] {
        found.extend(manifest.log(log).check(&folder(backup, log), &given.key(backup, log)?, log)?);
    }
    let mut report = verify_data_with(backup, options, found, progress)?;
    if !manifest.keys {
        let before = report.violations.len();
        report.violations.retain(|violation| violation.file.as_deref() != Some("keys"));
        report.violations_total -= (before - report.violations.len()) as u64;
        report.ok = report.violations_total == 0;
    }
    Ok((manifest, report))
}
