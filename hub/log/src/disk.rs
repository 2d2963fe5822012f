//! Every file operation of a log, and nothing else: the one seam behind which faults can be made. In a normal build each
//! function here is one call of the standard library; with the feature `faults` it asks `src/faults.rs` first.

#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "faults")]
pub mod trace;

use std::{
    fs::{self, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// An operation on its way to the system.
#[cfg_attr(not(feature = "faults"), allow(dead_code, reason = "only faults look at it"))]
#[derive(Clone, Copy)]
enum Op<'a> {
    /// With whether a file that is there is emptied.
    Open(&'a Path, bool),
    Size,
    Read,
    Write(&'a File, &'a [u8], u64),
    SetSize(&'a File, u64),
    Sync(&'a File),
    Rename(&'a Path, &'a Path),
    Remove(&'a Path),
    MakeDir(&'a Path),
    List,
    SyncDir(&'a Path),
}

#[cfg(feature = "faults")]
use faults::run;

#[cfg(not(feature = "faults"))]
#[inline(always)]
fn run<T>(_: Op<'_>, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    operation()
}

/// A named place at which the process can be made to crash or wait; nothing in a normal build.
macro_rules! point {
    ($name:literal) => {
        #[cfg(feature = "faults")]
        $crate::disk::faults::point($name);
    };
}

/// Whether a bug was seeded; `false` in a normal build.
macro_rules! seeded {
    ($bug:ident) => {{
        #[cfg(feature = "seeded-bugs")]
        let seeded = $crate::disk::faults::is_seeded($crate::disk::faults::Bug::$bug);
        #[cfg(not(feature = "seeded-bugs"))]
        let seeded = false;
        seeded
    }};
}
pub(crate) use {point, seeded};

/// An open file of a log; reads and writes go to offsets, so that threads may share it.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    #[cfg(feature = "faults")]
    handle: u64,
}

impl File {
    fn with(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Self::opened(options, path, false)
    }

    fn opened(options: &OpenOptions, path: &Path, emptied: bool) -> io::Result<Self> {
        run(Op::Open(path, emptied), || {
            Ok(Self {
                file: options.open(path)?,
                #[cfg(feature = "faults")]
                handle: faults::opened(),
            })
        })
    }

    /// Opens a file that is there, to read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::with(OpenOptions::new().read(true), path)
    }

    /// Opens a file that is there, to read and write.
    pub fn open_to_write(path: &Path) -> io::Result<Self> {
        Self::with(OpenOptions::new().read(true).write(true), path)
    }

    /// Opens a file to read and write, and makes it with these permission bits where it is missing.
    pub fn open_or_create(path: &Path, mode: u32) -> io::Result<Self> {
        Self::with(OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(mode), path)
    }

    /// Makes a file; one that is there is emptied.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::opened(OpenOptions::new().read(true).write(true).create(true).truncate(true), path, true)
    }

    /// Makes a file that MUST not be there yet.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        Self::with(OpenOptions::new().read(true).write(true).create_new(true), path)
    }

    /// Makes a file with these permission bits; one that is there is emptied.
    pub fn create_with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        Self::with(OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(mode), path)
    }

    /// Bytes of the file.
    pub fn size(&self) -> io::Result<u64> {
        run(Op::Size, || Ok(self.file.metadata()?.len()))
    }

    /// Fills the buffer from an offset on.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        run(Op::Read, || self.file.read_exact_at(buffer, offset))
    }

    /// Writes all bytes at an offset.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        run(Op::Write(self, bytes, offset), || self.file.write_all_at(bytes, offset))
    }

    /// Makes what was written durable, and as much of the metadata as reading it back needs.
    pub fn sync_data(&self) -> io::Result<()> {
        run(Op::Sync(self), || self.file.sync_data())
    }

    /// Makes content and metadata durable; the file's name is durable only after [`sync_dir`].
    pub fn sync_all(&self) -> io::Result<()> {
        run(Op::Sync(self), || self.file.sync_all())
    }

    /// Cuts or extends the file.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        run(Op::SetSize(self, bytes), || self.file.set_len(bytes))
    }

    /// Takes the file's advisory lock, or says at once that another holds it.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.file.try_lock()
    }
}

/// The whole content of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; file.size()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The whole content of a file, or `None` where there is none.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes or empties a file and writes it; not flushed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create(path)?.write_all_at(bytes, 0)
}

/// Gives a file another name; one that had it is gone.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    run(Op::Rename(from, to), || fs::rename(from, to))
}

/// Removes a file.
pub fn remove_file(path: &Path) -> io::Result<()> {
    run(Op::Remove(path), || fs::remove_file(path))
}

/// Makes a folder and those above it that are missing, their names durable.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        // Whoever made it may have ended before its name was flushed. Folders are made from above, so of those that are there
        // only the last can be without. One that we may not open is not ours to make.
        return sync_dir(above).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(error),
        });
    }
    create_dir_all(above)?;
    let made = run(Op::MakeDir(path), || fs::create_dir(path));
    if made.is_err() && !path.is_dir() {
        return made;
    }
    sync_dir(above)
}

/// Paths of everything in a folder, in no order.
pub fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    run(Op::List, || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect())
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if seeded!(SkipDirectorySync) {
        return Ok(());
    }
    run(Op::SyncDir(dir), || fs::File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_module_touches_files() {
        let sources = list(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))).unwrap();
        let mut looked_at = 0;
        for path in sources.iter().filter(|path| path.extension().is_some_and(|name| name == "rs")) {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let touches = ["std::fs", "fs::{", "fs::File", "fs::self", "OpenOptions", "FileExt"];
            let found = touches.iter().find(|word| code.contains(**word));
            assert!(found.is_none() || path.ends_with("disk.rs"), "{}: {found:?}", path.display());
            looked_at += 1;
        }
        assert!(looked_at > 10);
    }
}
