//! Every target over its corpus and over seeded changes of it, for some seconds in all: what `tests/run` can afford. The
//! long runs are coverage-guided, see `tests/fuzz/README.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use simpul_fuzz::TARGETS;

/// Time for all targets together.
const BUDGET: Duration = Duration::from_secs(12);
/// Inputs never get larger than this.
const BYTES_MAX: usize = 16 << 10;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// One to four changes of the kinds that libFuzzer makes.
    fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const SPECIAL: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b'/', b'<', b'9'];
        let mut bytes = input.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.number() as u8,
                2 if at < bytes.len() => bytes[at] = SPECIAL[self.below(SPECIAL.len())],
                3 => bytes.truncate(at),
                4 => bytes.insert(at, SPECIAL[self.below(SPECIAL.len())]),
                5 => drop(bytes.drain(at..(at + 1 + self.below(8)).min(bytes.len()))),
                6 => {
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(64)).min(other.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
                _ => {
                    let end = (at + 4).min(bytes.len());
                    let number = (self.number() as u32 >> self.below(32)).to_le_bytes();
                    bytes[at..end].copy_from_slice(&number[..end - at]);
                }
            }
            bytes.truncate(BYTES_MAX);
        }
        bytes
    }
}

#[test]
fn every_target_returns_for_its_corpus_and_for_seeded_changes_of_it() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has seeds");
        for (_, input) in &corpus {
            target(input);
        }
        let (start, mut runs, mut seeded) = (Instant::now(), 0u64, Seeded(1));
        while start.elapsed() < BUDGET / TARGETS.len() as u32 {
            let input = &corpus[seeded.below(corpus.len())].1;
            let other = &corpus[seeded.below(corpus.len())].1;
            let changed = seeded.changed(input, other);
            let outcome = std::panic::catch_unwind(|| target(&changed));
            assert!(
                outcome.is_ok(),
                "{name}, run {runs}: {changed:?}\n{:?}",
                String::from_utf8_lossy(&changed)
            );
            runs += 1;
        }
        println!("{name}: {} seeds, {runs} changed inputs", corpus.len());
    }
}
