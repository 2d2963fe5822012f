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

use bytes::Bytes;

use crate::stored::stored_index;

/// Hashes or entries of a full tile.
pub const FULL_WIDTH: u16 = 256;
/// Bytes of one entry: its length stands in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

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

    /// How many hashes or entries of this tile's level a log of `size` leaves has.
    fn level_size(&self, size: u64) -> u64 {
        match self.kind {
            TileKind::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
            TileKind::Entries => size,
        }
    }

    /// Whether a log of `size` leaves has all that this tile holds. Partial tiles of earlier sizes stay true for ever.
    pub fn exists_at(&self, size: u64) -> bool {
        let end = u128::from(self.index) * u128::from(FULL_WIDTH) + u128::from(self.width);
        end <= u128::from(self.level_size(size))
    }

    /// Whether all 256 are there.
    pub fn is_full(&self) -> bool {
        self.width == FULL_WIDTH
    }

    /// First hash or entry of the tile within its level.
    pub fn first(&self) -> u64 {
        self.index.saturating_mul(u64::from(FULL_WIDTH))
    }

    /// Where its hashes stand among the stored ones ([`crate::stored`]); none for entries.
    pub fn stored_indexes(&self) -> Vec<u64> {
        let TileKind::Hashes(level) = self.kind else { return Vec::new() };
        let at = |number| stored_index(8 * level, self.first().saturating_add(number));
        if level > 7 { Vec::new() } else { (0..u64::from(self.width)).map(at).collect() }
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

/// Tiles and bundles that a log of `to` leaves has and one of `from` had not, entries before hashes, each level in order:
/// what has to be written before a checkpoint of `to` may be shown.
pub fn added(from: u64, to: u64) -> impl Iterator<Item = Tile> {
    let kinds = std::iter::once(TileKind::Entries).chain((0..8).map(TileKind::Hashes));
    kinds.flat_map(move |kind| {
        let whole = Tile { kind, index: 0, width: FULL_WIDTH };
        let (old, new) = (whole.level_size(from), whole.level_size(to));
        let full = (old >> 8..new >> 8).map(move |index| Tile { kind, index, width: FULL_WIDTH });
        let width = (new & 0xff) as u16;
        let partial = (width > 0 && new > old).then_some(Tile { kind, index: new >> 8, width });
        full.chain(partial)
    })
}

/// A bundle of entries: each with its length, 16 bits big-endian, before it. The error is the number of an entry that is
/// larger than [`ENTRY_BYTES_MAX`].
pub fn encode_entries(entries: &[Bytes]) -> Result<Vec<u8>, usize> {
    let mut bundle = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.len()).sum());
    for (number, entry) in entries.iter().enumerate() {
        let length = u16::try_from(entry.len()).map_err(|_| number)?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle. The error is the number of the first one that is cut off.
pub fn decode_entries(bundle: &Bytes) -> Result<Vec<Bytes>, usize> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while at < bundle.len() {
        let number = entries.len();
        let length = bundle.get(at..at + 2).ok_or(number)?;
        let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if end > bundle.len() {
            return Err(number);
        }
        entries.push(bundle.slice(at + 2..end));
        at = end;
    }
    Ok(entries)
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
