//! Writing what was judged: first the damaged bytes are put aside and flushed, then the right ones take their place.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Change, ChangeKind, Mend, RepairError, Repaired, at};
use crate::disk::{self, File, sync_dir};

pub(super) fn apply(
    dir: &Path,
    changes: Vec<Change>,
    unmended: Vec<Mend>,
    quarantine: &Path,
) -> Result<Repaired, RepairError> {
    let mut repaired = Repaired { unmended, ..Repaired::default() };
    if changes.is_empty() {
        return Ok(repaired);
    }
    disk::create_dir_all(quarantine).map_err(at(quarantine))?;
    for change in &changes {
        repaired.quarantined.extend(put_aside(dir, change, quarantine)?);
    }
    sync_dir(quarantine).map_err(at(quarantine))?;
    for Change { mend, kind } in changes {
        let path = dir.join(&mend.file);
        match kind {
            ChangeKind::Write { offset, bytes } => write_in_place(&path, offset, &bytes),
            ChangeKind::Replace(bytes) => replace(&path, &bytes),
            ChangeKind::Remove => disk::remove_file(&path),
        }
        .map_err(at(&path))?;
        repaired.mended.push(mend);
    }
    sync_dir(&dir.join("segments")).and_then(|()| sync_dir(dir)).map_err(at(dir))?;
    Ok(repaired)
}

/// Keeps the bytes that a change replaces, under a name that no earlier repair has.
fn put_aside(dir: &Path, change: &Change, quarantine: &Path) -> Result<Option<PathBuf>, RepairError> {
    let path = dir.join(&change.mend.file);
    let (offset, bytes) = match &change.kind {
        ChangeKind::Write { offset, bytes } => {
            let file = File::open(&path).map_err(at(&path))?;
            let held = file.size().map_err(at(&path))?.saturating_sub(*offset);
            let mut damaged = vec![0; (bytes.len() as u64).min(held) as usize];
            file.read_exact_at(&mut damaged, *offset).map_err(at(&path))?;
            (*offset, damaged)
        }
        ChangeKind::Replace(_) | ChangeKind::Remove => {
            let Some(bytes) = disk::read_if_there(&path).map_err(at(&path))? else { return Ok(None) };
            (0, bytes)
        }
    };
    let name = change.mend.file.replace('/', "-");
    for number in 0u32.. {
        let target = quarantine.join(format!("{name}@{offset}.{number}"));
        match File::create_new(&target) {
            Ok(file) => {
                file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()).map_err(at(&target))?;
                return Ok(Some(target));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(RepairError::Io { path: target, source }),
        }
    }
    Ok(None)
}

fn write_in_place(path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let file = File::open_to_write(path)?;
    file.write_all_at(bytes, offset)?;
    file.sync_all()?;
    let mut back = vec![0; bytes.len()];
    file.read_exact_at(&mut back, offset)?;
    if back == bytes {
        Ok(())
    } else {
        Err(io::Error::other("the disk gives back other bytes than were written"))
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let file = File::create(&fresh)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    disk::rename(&fresh, path)
}
