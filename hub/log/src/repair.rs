//! Mends a log whose stored bytes are damaged, from a copy or a backup that proves the same leaves.
//!
//! ```text
//! walk ours ─▶ damaged frames a..b ─▶ the copy's frames a..b ─▶ their leaves on our tree of a leaves
//!                                                                  ─▶ the root that our own log signed for b leaves
//! ```
//!
//! A copy is not believed: its frames have to lead from our tree before the damage to a root that something of ours vouches
//! for behind it (the signature in the next frame, the next segment's header, the checkpoint file, the stored hashes), and the
//! caller's check has to find headers and sealed payloads to be those that each leaf commits to. First everything is judged,
//! then the damaged bytes are put aside, then the right ones are written in place and flushed. A crash in between leaves
//! damage where damage was, and the next run mends it.
//!
//! What is derived is mended from the log itself: stored hashes, segment headers, index tables, checkpoint and epoch files.

mod apply;
mod plan;
mod source;

use std::{
    fs::TryLockError,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Serialize;
use simpul_tlog::note::NoteVerifier;

use crate::{disk::File, reader::StoredLeaf};

use plan::Plan;
use source::Source;

/// What was mended, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// File, below the log's folder.
    pub file: String,
    /// Leaves affected; empty for files that hold none.
    pub leaves: Range<u64>,
    /// Positions affected.
    pub positions: Range<u64>,
    /// What is wrong with it, or what became of it.
    pub what: String,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Mended and flushed.
    pub mended: Vec<Mend>,
    /// Damage for which the copy has nothing.
    pub unmended: Vec<Mend>,
    /// Files with the damaged bytes as they were found.
    pub quarantined: Vec<PathBuf>,
}

/// Why nothing was mended. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// A file.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A hub runs on the folder.
    #[error("{}: a hub has it open; stop the hub first", .0.display())]
    Locked(PathBuf),
    /// The copy is of another log.
    #[error("{}: not a copy of the log `{wanted}`", path.display())]
    Origin {
        /// The copy.
        path: PathBuf,
        /// Origin expected.
        wanted: String,
    },
    /// The copy does not prove the leaves.
    #[error(
        "the copy does not prove leaf {leaf}, position {position}: {what}; it was altered or is of another history, take another"
    )]
    Refused {
        /// First leaf that is not proved.
        leaf: u64,
        /// Its first position.
        position: u64,
        /// What does not hold.
        what: String,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RepairError + '_ {
    move |source| RepairError::Io { path: path.to_owned(), source }
}

/// Whether a leaf's records are those that it commits to. The error says what is not.
pub type Check<'a> = &'a dyn Fn(&StoredLeaf) -> Result<(), String>;

/// Mends the log in `dir` from the log in `from`. Damaged bytes are kept in `quarantine`. Blocking.
///
/// # Errors
/// [`RepairError`]; nothing was changed then.
pub fn repair(
    dir: &Path,
    from: &Path,
    verifier: &NoteVerifier,
    check: Check<'_>,
    quarantine: &Path,
) -> Result<Repaired, RepairError> {
    let lock = File::create(&dir.join("lock")).map_err(at(dir))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(RepairError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => return Err(RepairError::Io { path: dir.to_owned(), source }),
    }
    let source = Source::open(from, verifier)?;
    let (changes, unmended) = Plan::new(dir, verifier, check, &source)?.make()?;
    apply::apply(dir, changes, unmended, quarantine)
}

/// One change to a file of the log.
pub(super) struct Change {
    mend: Mend,
    kind: ChangeKind,
}

pub(super) enum ChangeKind {
    /// These bytes at this offset, in place of as many damaged ones.
    Write { offset: u64, bytes: Vec<u8> },
    /// A whole file, under its name in one step.
    Replace(Vec<u8>),
    /// Derived; the hub builds it again.
    Remove,
}
