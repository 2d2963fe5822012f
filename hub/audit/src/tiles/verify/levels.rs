//! The levels of tiles above the leaves, computed from below and compared with what is served.

use simpul_tlog::{
    root_of,
    tile::{FULL_WIDTH, Tile, TileKind},
};
use simpul_types::Digest;

use super::{Stop, TileFetch, some, violation};

/// For each level, the hashes of the tile that is being filled, and how many tiles were filled before.
#[derive(Default)]
pub(super) struct Levels(Vec<(Vec<Digest>, u64)>);

impl Levels {
    /// Adds hashes to a level; a tile that is full gives a hash to the level above. Level 0 is compared by the caller,
    /// the others here, unless an entry is under suspicion already.
    pub(super) fn push(
        &mut self,
        level: u8,
        hashes: &[Digest],
        from: &dyn TileFetch,
        suspected: bool,
    ) -> Result<(), Stop> {
        let at = usize::from(level);
        if self.0.len() <= at {
            self.0.resize_with(at + 1, Default::default);
        }
        for hash in hashes {
            self.0[at].0.push(*hash);
            if self.0[at].0.len() == usize::from(FULL_WIDTH) {
                if level > 0 && !suspected {
                    self.compare(level, from)?;
                }
                let (full, before) = &mut self.0[at];
                let root = root_of(full);
                full.clear();
                *before += 1;
                self.push(level + 1, &[root], from, suspected)?;
            }
        }
        Ok(())
    }

    /// Compares the partial tiles at the end.
    pub(super) fn finish(&self, from: &dyn TileFetch, suspected: bool) -> Result<(), Stop> {
        for level in 1..self.0.len() {
            if !suspected && !self.0[level].0.is_empty() {
                self.compare(level as u8, from)?;
            }
        }
        Ok(())
    }

    fn compare(&self, level: u8, from: &dyn TileFetch) -> Result<(), Stop> {
        let (hashes, before) = &self.0[usize::from(level)];
        let Ok(tile) = Tile::new(TileKind::Hashes(level), *before, hashes.len() as u16) else {
            return Ok(());
        };
        let served = some(from, &[tile])?.pop().unwrap_or_default();
        let differs = served.as_chunks::<32>().0.iter().zip(hashes).position(|(served, own)| served != own);
        let Some(number) = differs else { return Ok(()) };
        let leaves = 1u64 << (8 * u32::from(level));
        let first = (tile.first() + number as u64) * leaves;
        let what = format!(
            "hash {number} is not that of leaves {first} to {}, as their entries give it",
            first + leaves - 1
        );
        Err(violation(tile.to_string(), Some(first), None, what).into())
    }
}
