//! The data folder: one hub at a time, the start epoch, and the file that tells where the hub listens.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// Layout of the data folder, as the file `format` says. A folder without that file has layout 1.
const FORMAT: u32 = 1;

/// Where a hub listens; `<data_dir>/listen.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// gRPC over mutual TLS.
    pub grpc: SocketAddr,
    /// Tiles over HTTPS, for anyone.
    pub tiles: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

/// A data folder that is ours until this is dropped or the process ends, however it ends.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, and locks it. One that a newer version wrote, or that was restored from a backup
    /// and not confirmed, is left as it is.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let file = path.join("hub.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let lock = lock.with_context(|| format!("cannot open {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another hub has {} open; stop it first, or name another data_dir", path.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", file.display()));
            }
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.check_format()?;
        match simpul_audit::backup::unconfirmed(path) {
            Some(reason) => bail!(reason),
            None => Ok(folder),
        }
    }

    fn check_format(&self) -> anyhow::Result<()> {
        let file = self.path.join("format");
        match fs::read_to_string(&file) {
            Ok(text) => {
                let found: u32 =
                    text.trim().parse().with_context(|| format!("{} is not a number", file.display()))?;
                ensure!(
                    found <= FORMAT,
                    "{} was written by a newer version (format {found}, this one knows {FORMAT}); use that version",
                    self.path.display()
                );
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.replace("format", format!("{FORMAT}\n").as_bytes())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// A number that no earlier start of this folder had; on the disk before it is given, because nonces are made from it.
    pub(crate) fn next_epoch(&self) -> anyhow::Result<u32> {
        let file = self.path.join("epoch");
        let last = match fs::read_to_string(&file) {
            Ok(text) => {
                text.trim().parse::<u32>().with_context(|| format!("{} is not a number", file.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let next = last.checked_add(1).context("the folder has been started too often")?;
        self.replace("epoch", format!("{next}\n").as_bytes())?;
        Ok(next)
    }

    /// Says where the hub listens.
    pub(crate) fn announce(&self, addresses: Addresses) -> anyhow::Result<()> {
        let mut json = serde_json::to_vec(&addresses).context("addresses as JSON")?;
        json.push(b'\n');
        self.replace("listen.json", &json)
    }

    /// Nobody is listening any more.
    pub(crate) fn retract(&self) {
        let _ = fs::remove_file(self.path.join("listen.json"));
    }

    /// Replaces a file whole: a reader sees the old or the new one, and after a power cut too.
    fn replace(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (target, fresh) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let replaced = || {
            let mut file = File::create(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &target)?;
            File::open(&self.path)?.sync_all()
        };
        replaced().with_context(|| format!("cannot write {}", target.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hub_at_a_time_and_every_start_has_its_own_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path()).unwrap();
        assert_eq!(first.next_epoch().unwrap(), 1);
        let refused = Folder::open(dir.path()).err().expect("locked").to_string();
        assert!(refused.starts_with("another hub has "), "{refused}");
        drop(first);
        let second = Folder::open(dir.path()).unwrap();
        assert_eq!((second.next_epoch().unwrap(), second.next_epoch().unwrap()), (2, 3));
        fs::write(dir.path().join("epoch"), "x").unwrap();
        assert!(second.next_epoch().is_err(), "an epoch that cannot be read is never guessed");
    }

    #[test]
    fn a_folder_of_a_newer_version_or_an_unconfirmed_restore_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |dir: &Path| Folder::open(dir).err().expect("refused").to_string();
        fs::write(dir.path().join("format"), "2\n").unwrap();
        assert!(refused(dir.path()).contains("newer version (format 2"), "{}", refused(dir.path()));
        fs::write(dir.path().join("format"), "1\n").unwrap();
        fs::write(dir.path().join(simpul_audit::backup::MARKER), "{").unwrap();
        assert!(refused(dir.path()).contains("restore again"), "{}", refused(dir.path()));
        fs::remove_file(dir.path().join(simpul_audit::backup::MARKER)).unwrap();
        Folder::open(dir.path()).unwrap();
    }
}
