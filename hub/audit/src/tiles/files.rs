//! Tiles as files that any web server can give out: `simpul audit tiles --data DIR --out DIR`.
//!
//! | file | |
//! |---|---|
//! | `vkey` | verifier key of the log, a line |
//! | `tile/…` | tiles and bundles of entries |
//! | `checkpoint` | written last: what it speaks of is there already |
//!
//! A second run on the same folder adds what the log has grown by. Files are replaced by renames and never deleted, so
//! that a web server may give them out meanwhile.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use simpul_log::Reader;
use simpul_tlog::{
    checkpoint::{self, CheckpointError},
    note::NoteVerifier,
    tile::{self, TileKind},
};
use simpul_types::LeafIndex;

use super::{TileError, read_tile};

/// What a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Origin of the log.
    pub origin: String,
    /// Leaves that were there before.
    pub from: u64,
    /// Leaves that are there now.
    pub size: u64,
    /// Tiles of hashes written.
    pub tiles: u64,
    /// Bundles of entries written.
    pub bundles: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// Why tiles were not written. The checkpoint in the folder is then still the one before.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or folder.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another run is at work.
    #[error("{}: another run writes tiles there", .0.display())]
    Locked(PathBuf),
    /// The checkpoint does not hold under the log's key.
    #[error("the log's checkpoint does not hold")]
    Checkpoint(#[from] CheckpointError),
    /// The log does not have the tree that it signed.
    #[error(
        "the checkpoint of {0} leaves does not have the root that the log's hashes give; run `simpul audit verify --data`"
    )]
    Root(u64),
    /// The folder holds something else.
    #[error("{} holds the tiles of another log; give an empty folder", .0.display())]
    Foreign(PathBuf),
    /// The folder holds more than the log.
    #[error(
        "the tiles there are of {there} leaves, this log has signed {here}: it is an older copy, and nothing was changed"
    )]
    Ahead {
        /// Leaves in the folder.
        there: u64,
        /// Leaves of the checkpoint.
        here: u64,
    },
    /// The folder holds another history.
    #[error("LOG-3: the tiles there are of another tree of {0} leaves than this log's; nothing was changed")]
    Forked(u64),
    /// A tile.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// The newest checkpoint for strangers in a hub's data folder: the published one, else the newest signed one.
///
/// # Errors
/// Where neither can be read.
pub fn checkpoint_of(data: &Path) -> Result<String, FilesError> {
    let published = data.join("published").join("checkpoint");
    match fs::read_to_string(&published) {
        Ok(note) => Ok(note),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = data.join("log").join("checkpoint");
            fs::read_to_string(&path).map_err(at(&path))
        }
        Err(error) => Err(at(&published)(error)),
    }
}

/// Writes what a log's checkpoint speaks of and `out` does not hold yet. Blocking; `progress` is told tiles and bundles.
///
/// # Errors
/// [`FilesError`].
pub fn write_files(
    reader: &Reader,
    note: &str,
    out: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Written, FilesError> {
    let verifier = reader.verifier();
    let signed = checkpoint::open(note, &verifier)?;
    let size = LeafIndex::new(signed.size);
    if reader.root_at(size).map_err(TileError::from)? != signed.root {
        return Err(FilesError::Root(signed.size));
    }
    fs::create_dir_all(out).map_err(at(out))?;
    let _lock = lock(out)?;
    let from = present(reader, &verifier, out)?;
    if from > signed.size {
        return Err(FilesError::Ahead { there: from, here: signed.size });
    }
    let mut written = Written { origin: signed.origin, from, size: signed.size, ..Default::default() };
    for tile in tile::added(from, signed.size) {
        let bytes = read_tile(reader, &tile, signed.size)?;
        replace(&out.join(tile.to_string()), &bytes)?;
        match tile.kind() {
            TileKind::Entries => written.bundles += 1,
            TileKind::Hashes(_) => written.tiles += 1,
        }
        written.bytes += bytes.len() as u64;
        progress(written.tiles + written.bundles);
    }
    replace(&out.join("vkey"), format!("{verifier}\n").as_bytes())?;
    replace(&out.join("checkpoint"), note.as_bytes())?;
    Ok(written)
}

/// Leaves of the tiles that are there, of which the log has to be the continuation.
fn present(reader: &Reader, verifier: &NoteVerifier, out: &Path) -> Result<u64, FilesError> {
    let path = out.join("checkpoint");
    let note = match fs::read_to_string(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(at(&path)(error)),
    };
    let there = checkpoint::open(&note, verifier).map_err(|_| FilesError::Foreign(out.into()))?;
    match reader.root_at(LeafIndex::new(there.size)) {
        Ok(root) if root == there.root => Ok(there.size),
        Ok(_) => Err(FilesError::Forked(there.size)),
        // Said with both numbers by the caller.
        Err(simpul_log::ReadError::Beyond { .. }) => Ok(there.size),
        Err(error) => Err(TileError::from(error).into()),
    }
}

fn lock(out: &Path) -> Result<File, FilesError> {
    let path = out.join(".lock");
    let file = File::create(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FilesError::Locked(out.into())),
        Err(TryLockError::Error(source)) => Err(FilesError::Io { path, source }),
    }
}

/// Replaces a file whole, and on the disk before it has its name: after a power cut a name never stands for half a tile.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&fresh, path)
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).map_err(at(folder))?;
            write().map_err(at(path))
        }
        done => done.map_err(at(path)),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> FilesError {
    let path = path.to_owned();
    move |source| FilesError::Io { path: path.clone(), source }
}
