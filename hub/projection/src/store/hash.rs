//! A fast hash of keys. Most of a key is a keyed hash already, so nobody outside can choose keys that collide.

use std::hash::{BuildHasherDefault, Hasher};

/// Spreads the bytes of a key over 64 bits; part of the layout of filters on disk.
pub(crate) fn spread(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = bytes.len() as u64;
    for chunk in &mut chunks {
        hash = mix(hash ^ u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(last))
}

fn mix(word: u64) -> u64 {
    let product = u128::from(word ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ (product >> 64) as u64
}

/// For maps by key.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0 ^ spread(bytes));
    }

    fn write_usize(&mut self, _: usize) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type BuildKeyHasher = BuildHasherDefault<KeyHasher>;
