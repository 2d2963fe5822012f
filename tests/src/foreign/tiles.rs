//! A log as static files (c2sp.org/tlog-tiles): `checkpoint`, `tile/…` and `vkey`. What verifiers find in such a folder,
//! folders to try them on, and the same with one byte flipped.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use simpul_tlog::{
    checkpoint::{self, Checkpoint},
    note::{NoteSigner, NoteVerifier},
    tile::{self, FULL_WIDTH, Tile, TileKind},
};

use super::trees::Tree;
use crate::seeded::Seeded;

/// One thing that a verifier looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    /// What: `signature`, `root from entries`, `root from tiles`, `inclusion`, `consistency`.
    pub check: String,
    /// How many times.
    pub count: u64,
    /// Empty where all of them hold.
    #[serde(default)]
    pub fault: String,
}

impl Finding {
    /// A check that was made `count` times, up to the first fault.
    pub fn new(check: &str, outcome: Result<u64, String>) -> Self {
        let (count, fault) = match outcome {
            Ok(count) => (count, String::new()),
            Err(fault) => (0, fault),
        };
        Self { check: check.into(), count, fault }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, count, fault } = self;
        if fault.is_empty() { write!(f, "{check} {count}") } else { write!(f, "{check} FAILS: {fault}") }
    }
}

/// What every verifier here needs of a folder, read by our own code: they get no help with what they can read themselves.
pub struct Log {
    folder: PathBuf,
    /// What its checkpoint says. Its signature holds by our own verification.
    pub checkpoint: Checkpoint,
}

impl Log {
    /// Opens a folder.
    ///
    /// # Errors
    /// A file that is missing, or a checkpoint that does not hold.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let key = NoteVerifier::parse(read("vkey")?.trim_end())?;
        Ok(Self { folder: folder.into(), checkpoint: checkpoint::open(&read("checkpoint")?, &key)? })
    }

    /// The same checkpoint over the tiles of another folder.
    pub fn at(&self, folder: &Path) -> Self {
        Self { folder: folder.into(), checkpoint: self.checkpoint.clone() }
    }

    /// The bytes of a tile.
    ///
    /// # Errors
    /// It is missing.
    pub fn tile(&self, kind: TileKind, index: u64, width: u16) -> anyhow::Result<Vec<u8>> {
        let path = self.folder.join(Tile::new(kind, index, width)?.to_string());
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// All entries.
    ///
    /// # Errors
    /// A tile is missing, or its lengths do not fit.
    pub fn entries(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let Some(level) = tile::layout(self.checkpoint.size).into_iter().next() else {
            return Ok(Vec::new());
        };
        let partial = Some((level.full, level.partial_width)).filter(|(_, width)| *width > 0);
        let mut entries = Vec::new();
        for (index, width) in (0..level.full).map(|index| (index, FULL_WIDTH)).chain(partial) {
            let bytes = self.tile(TileKind::Entries, index, width)?;
            let mut rest = &bytes[..];
            for _ in 0..width {
                let Some((length, behind)) = rest.split_first_chunk::<2>() else {
                    bail!("entries tile {index} is short")
                };
                let length = usize::from(u16::from_be_bytes(*length));
                ensure!(behind.len() >= length, "entries tile {index} is short");
                let (entry, behind) = behind.split_at(length);
                entries.push(entry.to_vec());
                rest = behind;
            }
            ensure!(rest.is_empty(), "entries tile {index} is long");
        }
        Ok(entries)
    }
}

/// Writes a random log as such a folder, by our own code.
///
/// # Errors
/// Of the disk.
pub fn write_random(folder: &Path, size: u64, seed: u64) -> anyhow::Result<()> {
    let mut seeded = Seeded(seed);
    let tree = Tree::random(size, &mut seeded);
    let signer = NoteSigner::new("log.example/tiles", &seeded.digest())?;
    let write = |tile: Tile, bytes: Vec<u8>| -> anyhow::Result<()> {
        let path = folder.join(tile.to_string());
        fs::create_dir_all(path.parent().context("a tile lies in a folder")?)?;
        Ok(fs::write(path, bytes)?)
    };
    for level in tile::layout(size) {
        let partial = Some((level.full, level.partial_width)).filter(|(_, width)| *width > 0);
        for (index, width) in (0..level.full).map(|index| (index, FULL_WIDTH)).chain(partial) {
            let hashes = tree.tile(level.level, index, width);
            write(Tile::new(TileKind::Hashes(level.level), index, width)?, hashes)?;
            if level.level == 0 {
                let first = (index * u64::from(FULL_WIDTH)) as usize;
                let entry = |leaf: &Vec<u8>| [&(leaf.len() as u16).to_be_bytes(), &leaf[..]].concat();
                let entries = tree.leaves[first..first + usize::from(width)].iter().flat_map(entry).collect();
                write(Tile::new(TileKind::Entries, index, width)?, entries)?;
            }
        }
    }
    let checkpoint = Checkpoint { origin: signer.name().into(), size, root: tree.root(size) };
    fs::write(folder.join("checkpoint"), checkpoint.sign(&signer))?;
    fs::write(folder.join("vkey"), format!("{}\n", signer.verifier()))?;
    Ok(())
}

/// A kind of file whose flipped byte must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// A tile of entries.
    Entries,
    /// A tile of level 0.
    Hashes,
    /// The root in the checkpoint's text.
    Root,
    /// The checkpoint's signature.
    Signature,
}

impl Spoil {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Entries, Self::Hashes, Self::Root, Self::Signature];
}

/// Copies a folder and flips one byte of one file of a kind.
///
/// # Errors
/// Of the disk, or an empty log.
pub fn copy_spoiled(from: &Path, to: &Path, spoil: Spoil, seeded: &mut Seeded) -> anyhow::Result<()> {
    copy(from, to)?;
    let first = |below: &str| {
        let mut files = Vec::new();
        files_below(&to.join(below), &mut files)?;
        files.sort();
        let at = seeded.clone().below(files.len() as u64) as usize;
        files.into_iter().nth(at).with_context(|| format!("no file below {below}"))
    };
    let (path, range) = match spoil {
        Spoil::Entries => (first("tile/entries")?, None),
        Spoil::Hashes => (first("tile/0")?, None),
        Spoil::Root => (to.join("checkpoint"), Some(2)),
        Spoil::Signature => (to.join("checkpoint"), Some(4)),
    };
    let mut bytes = fs::read(&path)?;
    match range {
        None => {
            ensure!(!bytes.is_empty(), "{} is empty", path.display());
            let at = seeded.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << seeded.below(8);
        }
        Some(line) => {
            // A letter of the base64, well behind the key id, replaced by another one.
            let start: usize = bytes.split(|&byte| byte == b'\n').take(line).map(|line| line.len() + 1).sum();
            let length = bytes[start..].iter().position(|&byte| byte == b'\n').context("a line ends")?;
            let at = start + length - 12;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        }
    }
    fs::write(&path, bytes)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { files_below(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
