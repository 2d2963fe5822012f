//! Tiles of whole trees: shapes, what they hold, and what is added when a log grows.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::collections::BTreeSet;

use bytes::Bytes;
use simpul_tlog::{
    leaf_hash, root_of,
    stored::Frontier,
    tile::{self, Tile, TileKind},
};

type Digest = [u8; 32];

fn tree(size: u64) -> (Vec<Digest>, Vec<Digest>) {
    let leaves: Vec<_> = (0..size).map(|number| leaf_hash(format!("record {number}").as_bytes())).collect();
    let (mut frontier, mut stored) = (Frontier::empty(), Vec::new());
    leaves.iter().for_each(|leaf| frontier.push(*leaf, &mut stored));
    (leaves, stored)
}

fn hashes(stored: &[Digest], tile: &Tile) -> Vec<Digest> {
    tile.stored_indexes().iter().map(|index| stored[*index as usize]).collect()
}

#[test]
fn a_log_of_70_000_leaves_has_the_tiles_of_the_specification_s_example() {
    let (leaves, stored) = tree(70_000);
    let tiles: Vec<_> = tile::added(0, 70_000).collect();
    let of = |kind: TileKind| tiles.iter().filter(move |tile| tile.kind() == kind);
    let shape =
        |kind| (of(kind).filter(|tile| tile.is_full()).count(), of(kind).next_back().unwrap().to_string());
    assert_eq!(shape(TileKind::Entries), (273, "tile/entries/273.p/112".into()));
    assert_eq!(shape(TileKind::Hashes(0)), (273, "tile/0/273.p/112".into()));
    assert_eq!(shape(TileKind::Hashes(1)), (1, "tile/1/001.p/17".into()));
    assert_eq!(shape(TileKind::Hashes(2)), (0, "tile/2/000.p/1".into()));
    assert_eq!(of(TileKind::Hashes(3)).count(), 0);
    for tile in &tiles {
        let TileKind::Hashes(level) = tile.kind() else { continue };
        let span = 256usize.pow(level.into());
        let held = hashes(&stored, tile);
        assert_eq!(held.len(), usize::from(tile.width()));
        // The first and last hash of each, and every hash of the upper levels, are the subtrees that the text says.
        for number in 0..held.len() {
            if level == 0 && number > 0 && number + 1 < held.len() {
                continue;
            }
            let from = (tile.first() as usize + number) * span;
            assert_eq!(held[number], root_of(&leaves[from..from + span]), "{tile} hash {number}");
        }
    }
}

#[test]
fn a_growing_log_adds_exactly_the_tiles_that_it_had_not() {
    let sizes = [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000];
    for pair in sizes.windows(2) {
        let (old, new) = (pair[0], pair[1]);
        let present: BTreeSet<_> = tile::added(0, old).map(|tile| tile.to_string()).collect();
        let wanted: BTreeSet<_> = tile::added(0, new).map(|tile| tile.to_string()).collect();
        let added: BTreeSet<_> = tile::added(old, new).map(|tile| tile.to_string()).collect();
        assert_eq!(added, wanted.difference(&present).cloned().collect(), "{old} to {new}");
        assert!(tile::added(old, new).all(|tile| tile.exists_at(new) && !tile.exists_at(old)));
    }
    assert_eq!(tile::added(9, 9).count(), 0);
    assert_eq!(tile::added(9, 3).count(), 0);
}

#[test]
fn a_tile_exists_when_all_it_holds_is_there_and_stays() {
    let exists = |path: &str, size| path.parse::<Tile>().unwrap().exists_at(size);
    for (path, first_size) in [
        ("tile/0/000.p/1", 1),
        ("tile/0/000", 256),
        ("tile/0/273.p/112", 70_000),
        ("tile/1/000.p/1", 256),
        ("tile/1/001.p/17", 69_888),
        ("tile/2/000.p/1", 65_536),
        ("tile/entries/000.p/255", 255),
        ("tile/7/000.p/255", 255 << 56),
    ] {
        assert!(!exists(path, first_size - 1), "{path}");
        assert!(exists(path, first_size) && exists(path, u64::MAX), "{path}");
    }
    assert!(!exists("tile/8/000.p/1", u64::MAX) && !exists("tile/63/000", u64::MAX));
    assert!(!exists("tile/0/x018/x446/x744/x073/x709/x551/615", u64::MAX));
    assert!("tile/8/000".parse::<Tile>().unwrap().stored_indexes().is_empty());
}

#[test]
fn bundles_of_entries_make_the_round_trip_and_a_cut_one_is_named() {
    let entries = [Bytes::new(), Bytes::from_static(b"entry"), Bytes::from(vec![7; tile::ENTRY_BYTES_MAX])];
    let bundle = Bytes::from(tile::encode_entries(&entries).unwrap());
    assert_eq!(bundle[..9], *b"\0\0\0\x05entry");
    assert_eq!(tile::decode_entries(&bundle).unwrap(), entries);
    assert_eq!(tile::decode_entries(&bundle.slice(..bundle.len() - 1)), Err(2));
    assert_eq!(tile::decode_entries(&bundle.slice(..3)), Err(1));
    let large = [Bytes::new(), Bytes::from(vec![7; tile::ENTRY_BYTES_MAX + 1])];
    assert_eq!(tile::encode_entries(&large), Err(1));
}
