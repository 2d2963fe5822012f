//! Mending a data folder from a copy or a backup: `simpul audit repair --data DIR --from DIR`.
//!
//! `simpul_log::repair` holds the copy's frames against our tree; this adds what a leaf commits to beside itself, so that a
//! copy whose leaves are right and whose records are not is refused too.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use serde::Serialize;
use simpul_log::{
    StoredLeaf,
    repair::{RepairError, Repaired, repair},
};
use simpul_types::Leaf;

use crate::{
    access::stream_text,
    backup::BackupKeys,
    entries,
    verify::{LogName, VerifyError, folder, sealed_root},
};

/// Folder below the data folder where damaged bytes are kept.
pub const QUARANTINE: &str = "quarantine";

/// What was mended in a data folder.
#[derive(Clone, Debug, Serialize)]
pub struct DataRepaired {
    /// The log of submissions.
    pub main: Repaired,
    /// The access log.
    pub access: Repaired,
}

/// Why nothing more was mended.
#[derive(Debug, thiserror::Error)]
pub enum DataRepairError {
    /// A log's public key.
    #[error(transparent)]
    Key(#[from] VerifyError),
    /// A hub runs on the folder.
    #[error("{0}: a hub is running on it; stop the hub first")]
    Live(String),
    /// The lock could not be tried.
    #[error("{path}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One of the logs. Nothing of it was changed.
    #[error("{log} log")]
    Log {
        /// Which.
        log: LogName,
        /// Why.
        #[source]
        source: RepairError,
    },
}

/// Mends both logs of a data folder from a copy: another data folder or a backup. No hub may run on `data`. Blocking.
///
/// # Errors
/// [`DataRepairError`]; of the log that it names nothing was changed.
pub fn repair_data(data: &Path, from: &Path, given: &BackupKeys) -> Result<DataRepaired, DataRepairError> {
    let _lock = lock(data)?;
    let quarantine = data.join(QUARANTINE);
    let mend = |log: LogName, check: &dyn Fn(&StoredLeaf) -> Result<(), String>| {
        let verifier = given.key(data, log)?;
        let kept = quarantine.join(log.to_string());
        repair(&folder(data, log), &folder(from, log), &verifier, check, &kept)
            .map_err(|source| DataRepairError::Log { log, source })
    };
    let main = mend(LogName::Main, &submission)?;
    let access = mend(LogName::Access, &entry)?;
    Ok(DataRepaired { main, access })
}

/// The lock that a running hub holds.
fn lock(data: &Path) -> Result<Option<File>, DataRepairError> {
    let path = data.join("hub.lock");
    let io = |source| DataRepairError::Io { path: path.display().to_string(), source };
    let file = match File::options().write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(DataRepairError::Live(data.display().to_string())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn submission(stored: &StoredLeaf) -> Result<(), String> {
    let leaf = Leaf::decode(&stored.bytes).map_err(|error| format!("the leaf does not decode: {error}"))?;
    if stored.events.len() != leaf.statement.event_count as usize
        || stored.first_position != leaf.first_position
    {
        return Err("its events are not those of the statement".into());
    }
    let headers = simpul_tlog::tree_hash(stored.events.iter().map(|event| &event.header[..]));
    if headers != leaf.statement.events_root {
        return Err("the headers do not match the signed events root".into());
    }
    if sealed_root(&stored.events) != leaf.sealed_root {
        return Err("the sealed payloads do not match the leaf's sealed root".into());
    }
    Ok(())
}

fn entry(stored: &StoredLeaf) -> Result<(), String> {
    let entry = entries::decode(&stored.bytes).ok_or("not an access entry of version 1")?;
    let [event] = &stored.events[..] else { return Err("an access entry has one record".into()) };
    if event.header[..] != *stream_text(&entry.agency).as_bytes() {
        return Err("the parameters are sealed for another agency's stream".into());
    }
    if entry.sealed_digest[..] != sealed_root(&stored.events) {
        return Err("the sealed parameters do not match the entry's digest".into());
    }
    Ok(())
}
