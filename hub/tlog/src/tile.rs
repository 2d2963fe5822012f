//! Paths and layout of static tiles (c2sp.org/tlog-tiles): a log as files that any web server can give out.
//!
//! | path | |
//! |---|---|
//! | `tile/<L>/<N>` | 256 hashes of level 8 × L, 8,192 bytes; L is 0 to 63 |
//! | `tile/entries/<N>` | 256 entries |
//! | behind either, `.p/<W>` | a partial tile of W of them, 1 to 255 |
//!
//! N stands in groups of three digits, all but the last with an `x` before: 1234067 is `x001/x234/067`.

use std::{fmt, str::FromStr};

/// Hashes or entries of a full tile.
pub const FULL_WIDTH: u16 = 256;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of tree level 8 × this.
    Hashes(u8),
    /// Entries of the log.
    Entries,
}

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// How one level of tiles looks at some size of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// L of the path.
    pub level: u8,
    /// Full tiles.
    pub full: u64,
    /// Hashes in the partial tile behind them; 0 where there is none.
    pub partial_width: u16,
}

/// The text is no tile's path, or no tile has these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a tile")]
pub struct NotATile;

impl Tile {
    /// A tile by its numbers; `width` is 1 to 256.
    ///
    /// # Errors
    /// [`NotATile`] where level or width lie outside.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, NotATile> {
        let level = matches!(kind, TileKind::Entries | TileKind::Hashes(0..=63));
        let tile = Self { kind, index, width };
        if level && (1..=FULL_WIDTH).contains(&width) { Ok(tile) } else { Err(NotATile) }
    }

    /// The tile that holds an entry in a log of `size` entries.
    ///
    /// # Errors
    /// [`NotATile`] where the log has no such entry.
    pub fn of_entry(entry: u64, size: u64) -> Result<Self, NotATile> {
        if entry >= size {
            return Err(NotATile);
        }
        let full = u64::from(FULL_WIDTH);
        let width = (size - entry / full * full).min(full) as u16;
        Self::new(TileKind::Entries, entry / full, width)
    }

    /// What it holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// N of the path.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }
}

/// The levels of a log of `size` leaves, lowest first; none for an empty log.
pub fn layout(size: u64) -> Vec<Level> {
    let widths = (0..8).map(|level| (level, size >> (8 * u32::from(level))));
    widths
        .take_while(|&(_, hashes)| hashes > 0)
        .map(|(level, hashes)| Level { level, full: hashes >> 8, partial_width: (hashes & 0xff) as u16 })
        .collect()
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = 1;
        while self.index / 1000u64.pow(groups - 1) >= 1000 {
            groups += 1;
        }
        for group in (1..groups).rev() {
            write!(f, "x{:03}/", self.index / 1000u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < FULL_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = NotATile;

    /// Reads a path; one tile has one path only.
    fn from_str(path: &str) -> Result<Self, NotATile> {
        let (kind, rest) =
            path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(NotATile)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().map_err(|_| NotATile)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| NotATile)?),
            None => (rest, FULL_WIDTH),
        };
        let index = index.split('/').try_fold(0u64, |index, group| {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index.checked_mul(1000)?.checked_add(group)
        });
        let tile = Self::new(kind, index.ok_or(NotATile)?, width)?;
        // The canonical form decides what the lenient reading above let through: signs, zeros, missing or stray `x`.
        if tile.to_string() == path { Ok(tile) } else { Err(NotATile) }
    }
}
