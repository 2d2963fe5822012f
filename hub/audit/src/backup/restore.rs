//! From a backup to a data folder, and the word of somebody outside before a hub starts on it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use simpul_log::backup::stored_root;
use simpul_tlog::checkpoint;
use simpul_types::Clock;

use super::{BackupError, BackupKeys, FileEntry, Manifest, at, manifest::replace, verify};
use crate::verify::{LogName, Progress, VerifyOptions, folder, key_path};

/// File in a restored data folder; while it is there, no hub starts on it.
pub const MARKER: &str = "restored.json";

/// 2020-01-01 in microseconds since 1970: seconds since then are larger than any number of starts.
const EPOCH_ZERO_US: i64 = 1_577_836_800_000_000;

/// What [`MARKER`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Whether every file was restored.
    pub finished: bool,
    /// When the backup was made.
    pub backup_created_at: String,
    /// When it was restored.
    pub restored_at: String,
    /// Leaves of the main log.
    pub size: u64,
    /// Leaves of the access log.
    pub access_size: u64,
    /// What the operator confirmed: `consistent with N leaves` or `rollback accepted`; empty while nothing was.
    #[serde(default)]
    pub confirmed: String,
}

impl Confirmation {
    fn load(data: &Path) -> Result<Self, BackupError> {
        let path = data.join(MARKER);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| BackupError::Unfinished(data.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BackupError::NothingRestored(data.to_owned()))
            }
            Err(source) => Err(BackupError::Io { path, source }),
        }
    }

    fn write(&self, path: &Path) -> Result<(), BackupError> {
        replace(path, &serde_json::to_vec_pretty(self).expect("numbers and texts make JSON"))
    }
}

/// Why no hub may start on a data folder that was restored; `None` where it was not, or is confirmed.
pub fn unconfirmed(data: &Path) -> Option<String> {
    let marker = match Confirmation::load(data) {
        Err(BackupError::NothingRestored(_)) => return None,
        Err(error) => return Some(error.to_string()),
        Ok(marker) if !marker.finished => return Some(BackupError::Unfinished(data.to_owned()).to_string()),
        Ok(marker) => marker,
    };
    Some(format!(
        "{data} was restored from a backup of {made} with {size} leaves and nobody has confirmed yet that no newer checkpoint \
         was published: run `simpul backup confirm --data {data} --newest FILE` with the newest checkpoint that an auditor or \
         a witness holds",
        data = data.display(),
        made = marker.backup_created_at,
        size = marker.size
    ))
}

/// Restores a backup into a folder that is empty or not there. The hub then starts only after [`confirm`]. Blocking.
///
/// # Errors
/// [`BackupError`]; a backup that does not verify leaves nothing behind.
pub fn restore(
    backup: &Path,
    data: &Path,
    options: &VerifyOptions,
    clock: &dyn Clock,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let empty = match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(source) => return Err(BackupError::Io { path: data.to_owned(), source }),
    };
    if !empty {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    if !Manifest::load(backup)?.keys {
        return Err(BackupError::NoKeys);
    }
    let (manifest, report) = verify(backup, options, progress)?;
    if let Some(first) = report.violations.first() {
        return Err(BackupError::Damaged(first.to_string()));
    }
    fs::create_dir_all(data).map_err(at(data))?;
    private(data).map_err(at(data))?;
    let now = clock.now();
    let mut marker = Confirmation {
        finished: false,
        backup_created_at: manifest.created_at.clone(),
        restored_at: now.to_string(),
        size: manifest.main.size,
        access_size: manifest.access.size,
        confirmed: String::new(),
    };
    let path = data.join(MARKER);
    marker.write(&path)?;
    // Nonces are made from the epoch: those of starts after the backup was made must not come again.
    let epoch = format!("{}\n", (now.as_us().saturating_sub(EPOCH_ZERO_US) / 1_000_000).max(1));
    for log in [LogName::Main, LogName::Access] {
        let (from, to) = (folder(backup, log), folder(data, log));
        fs::create_dir_all(to.join("segments")).map_err(at(&to))?;
        for file in &manifest.log(log).files {
            copy_beginning(&from, &to, file)?;
        }
        if !manifest.log(log).checkpoint.is_empty() {
            replace(&to.join("checkpoint"), manifest.log(log).checkpoint.as_bytes())?;
        }
        replace(&to.join("epoch"), epoch.as_bytes())?;
        let (key, target) = (key_path(backup, log), key_path(data, log));
        fs::copy(&key, &target).map_err(at(&target))?;
        File::open(to.join("segments")).and_then(|dir| dir.sync_all()).map_err(at(&to))?;
    }
    replace(&data.join("epoch"), epoch.as_bytes())?;
    marker.finished = true;
    marker.write(&path)?;
    Ok(manifest)
}

#[cfg(unix)]
fn private(data: &Path) -> io::Result<()> {
    fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

fn copy_beginning(from: &Path, to: &Path, file: &FileEntry) -> Result<(), BackupError> {
    let (source, target) = (from.join(&file.path), to.join(&file.path));
    let copied = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(&target)?;
        io::copy(&mut File::open(&source)?.take(file.bytes), &mut out)?;
        out.sync_all()
    };
    copied().map_err(at(&target))
}

/// Lets a hub start on a restored folder: the newest checkpoints that are known elsewhere lie in its trees, or the operator
/// takes the rollback upon himself. `known` are signed notes with the names that errors give them.
///
/// # Errors
/// [`BackupError::NothingKnown`], [`BackupError::RolledBack`], [`BackupError::Inconsistent`]; the folder is as it was.
pub fn confirm(
    data: &Path,
    known: &[(String, String)],
    accept_rollback: bool,
    given: &BackupKeys,
) -> Result<Confirmation, BackupError> {
    let mut marker = Confirmation::load(data)?;
    if !marker.finished {
        return Err(BackupError::Unfinished(data.to_owned()));
    }
    let main = given.key(data, LogName::Main)?;
    let access = given.key(data, LogName::Access)?;
    let mut newest = None;
    for (name, note) in known {
        let (log, signed, held) = if let Ok(signed) = checkpoint::open(note, &main) {
            newest = newest.max(Some(signed.size));
            (LogName::Main, signed, marker.size)
        } else if let Ok(signed) = checkpoint::open(note, &access) {
            (LogName::Access, signed, marker.access_size)
        } else {
            return Err(BackupError::Checkpoint(name.clone()));
        };
        if signed.size > held {
            if accept_rollback {
                continue;
            }
            return Err(BackupError::RolledBack { origin: signed.origin, known: signed.size, held });
        }
        let dir = folder(data, log);
        if stored_root(&dir, signed.size).map_err(at(&dir))? != signed.root {
            return Err(BackupError::Inconsistent { origin: signed.origin, size: signed.size });
        }
    }
    marker.confirmed = match newest {
        _ if accept_rollback => "rollback accepted".into(),
        Some(size) => format!("consistent with {size} leaves"),
        None => return Err(BackupError::NothingKnown(main.name().into())),
    };
    let number = marker.restored_at.replace([':', '.'], "-");
    marker.write(&data.join(format!("restored-{number}.json")))?;
    let path = data.join(MARKER);
    fs::remove_file(&path).map_err(at(&path))?;
    File::open(data).and_then(|dir| dir.sync_all()).map_err(at(data))?;
    Ok(marker)
}
