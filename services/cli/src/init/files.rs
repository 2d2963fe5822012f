//! Files of a realm: never over another one, secrets for their owner only, on the disk before [`super::init`] returns.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::InitError;

/// A folder that this run made.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder of the realm, or takes an empty one.
    pub(super) fn create_new(path: &Path) -> Result<Self, InitError> {
        let failed = |source| InitError::Write { path: path.into(), source };
        match path.read_dir() {
            Ok(entries) => {
                if entries.count() > 0 {
                    return Err(InitError::Occupied(path.into()));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                builder().recursive(true).create(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        path.canonicalize().map(Self).map_err(failed)
    }

    /// Makes a folder below.
    pub(super) fn folder(&self, name: &str) -> Result<Self, InitError> {
        let path = self.0.join(name);
        builder()
            .recursive(true)
            .create(&path)
            .map_err(|source| InitError::Write { path: path.clone(), source })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn public(&self, name: &str, text: &str) -> Result<(), InitError> {
        self.write(name, text.as_bytes(), 0o644)
    }

    pub(super) fn public_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), InitError> {
        self.write(name, bytes, 0o644)
    }

    pub(super) fn secret(&self, name: &str, text: &str) -> Result<(), InitError> {
        self.write(name, text.as_bytes(), 0o600)
    }

    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), InitError> {
        let path = self.0.join(name);
        let done = create(&path, mode).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        done.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => InitError::Occupied(path),
            _ => InitError::Write { path, source },
        })
    }
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _mode: u32) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Folders are for their owner: they hold secrets.
fn builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
