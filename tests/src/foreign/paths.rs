//! Paths of tiles, right and nearly right.

use simpul_tlog::tile::{FULL_WIDTH, Tile, TileKind};

use super::question::{Ask, List};
use crate::seeded::Seeded;

const ROUNDS: usize = 40;

/// What verifiers differ on, where a path has it; else the class it was made for.
fn class_of<'a>(made: &'a str, path: &str) -> &'a str {
    let mut parts = path.split('/').skip(1);
    let level = parts.next().and_then(|level| level.parse::<u64>().ok());
    let index: u128 = parts
        .take_while(|group| !group.is_empty())
        .filter_map(|group| group.trim_start_matches('x').trim_end_matches(".p").parse::<u128>().ok())
        .fold(0, |index, group| index.saturating_mul(1000).saturating_add(group));
    match () {
        () if path.ends_with(".p/0") => "tile path, width 0",
        () if level.is_some_and(|level| level > 63) => "tile path, level above 63",
        () if path.starts_with("tile/data/") => "tile path of other entries",
        () if !path.contains(".p/") && index > i64::MAX as u128 => "tile path, index above 2^63",
        () => made,
    }
}

pub(super) fn path(list: &mut List, class: &str, path: &str) {
    let class = class_of(class, path);
    let said = path.parse::<Tile>().ok().map(|tile| {
        let level = match tile.kind() {
            TileKind::Hashes(level) => i16::from(level),
            TileKind::Entries => -1,
        };
        format!("{level} {} {}", tile.index(), tile.width())
    });
    list.add(class, Ask::TilePath { path: path.into() }, said);
}

pub(super) fn ask(list: &mut List, seed: u64) {
    let mut seeded = Seeded(seed ^ 0x7469_6c65);
    for _ in 0..ROUNDS {
        let kind =
            if seeded.below(4) == 0 { TileKind::Entries } else { TileKind::Hashes(seeded.below(64) as u8) };
        let bits = seeded.below(63);
        let index = seeded.number() >> (64 - bits.max(1));
        let width = if seeded.below(2) == 0 { FULL_WIDTH } else { 1 + seeded.below(255) as u16 };
        let text = Tile::new(kind, index, width).expect("within its limits").to_string();
        path(list, "tile path", &text);
        let at = seeded.below(text.len() as u64) as usize;
        let (before, after) = text.split_at(at);
        path(list, "tile path with a character gone", &format!("{before}{}", &after[1..]));
        path(list, "tile path with a character more", &format!("{before}{}{after}", seeded.below(10)));
    }
    for (class, text) in [
        ("tile path, width 0", "tile/0/000.p/0"),
        ("tile path, width 256", "tile/0/000.p/256"),
        ("tile path, level above 63", "tile/64/000"),
        ("tile path with a plus sign", "tile/+1/000"),
        ("tile path, index above 2^63", "tile/0/x018/x446/x744/x073/x709/x551/615"),
        ("tile path, index above 2^63", "tile/0/x018/x446/x744/x073/x709/x551/616"),
        ("tile path of other entries", "tile/data/000"),
    ] {
        path(list, class, text);
    }
}
