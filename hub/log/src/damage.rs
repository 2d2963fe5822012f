//! What is known to be damaged, and what that means for those who read and those who write.
//!
//! A damaged record is never guessed, cut or skipped: reading it is an error with its place, everything else is served. New
//! events go on as long as tree, head, ids and connector sequences are known; where those of a damaged stretch are not (its
//! index tables are lost too), the log is read-only until it is repaired, because a duplicate could not be told from news
//! (LOG-4). See `hub/decisions/2026-11-22-damage-and-appends.md`.

use std::{collections::BTreeMap, fmt, ops::Range};

use serde::Serialize;

use crate::metrics;

/// A stretch of a log whose stored bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// File name of the segment, or `keys`.
    pub file: String,
    /// Leaves that may be affected; empty where none is, as with a segment's header.
    pub leaves: Range<u64>,
    /// Positions that may be affected.
    pub positions: Range<u64>,
    /// First leaf known to be affected.
    pub leaf: u64,
    /// First position known to be affected.
    pub position: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, leaf, position, what, .. } = self;
        write!(f, "{file}, leaf {leaf}, position {position}: {what}")
    }
}

/// How a log is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What is damaged, in the order of the log.
    pub damages: Vec<Damage>,
    /// Why nothing is appended, where that is so because of damage.
    pub read_only: Option<String>,
    /// How far the background scrub is.
    pub scrub: ScrubProgress,
}

/// How far the background scrub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScrubProgress {
    /// Passes through all sealed segments that ended since the start.
    pub passes: u64,
    /// Bytes read in the present pass.
    pub bytes: u64,
    /// Bytes of sealed segments when the pass began.
    pub bytes_total: u64,
}

/// The damage that is known, by file and first leaf.
#[derive(Default)]
pub(crate) struct Damages {
    known: BTreeMap<(u64, u64, String), Damage>,
    pub(crate) read_only: Option<String>,
    pub(crate) scrub: ScrubProgress,
}

impl Damages {
    /// Takes note of damage; says so once.
    pub(crate) fn add(&mut self, damage: Damage) {
        let key = (damage.leaf, damage.position, damage.file.clone());
        // A read names the record, the scrub its frame: one of the two is enough.
        if self.known.contains_key(&key) || self.known.values().any(|known| known.covers(&damage)) {
            return;
        }
        tracing::error!(
            file = damage.file,
            leaf = damage.leaf,
            position = damage.position,
            what = damage.what,
            "stored bytes are damaged; the rest is served, `simpul audit repair` mends it"
        );
        metrics::get().damages.inc();
        self.known.insert(key, damage);
    }

    /// The damage that a leaf or a position lies in.
    pub(crate) fn at(&self, number: u64, range: impl Fn(&Damage) -> &Range<u64>) -> Option<&Damage> {
        self.known.values().find(|damage| range(damage).contains(&number))
    }

    pub(crate) fn condition(&self) -> Condition {
        Condition {
            damages: self.known.values().cloned().collect(),
            read_only: self.read_only.clone(),
            scrub: self.scrub,
        }
    }
}

impl Damage {
    fn covers(&self, other: &Self) -> bool {
        self.file == other.file
            && !other.positions.is_empty()
            && self.positions.start <= other.positions.start
            && other.positions.end <= self.positions.end
    }
}
