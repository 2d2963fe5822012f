//! Tells which keys a run does not hold: a Bloom filter of one cache line a key, sixteen bits a key, one wrong "maybe" in
//! about six hundred. Most look-ups of a fold ask for what is not there yet, and this is all they cost.

/// Bits in one line, which is what a look-up touches.
const LINE_BITS: u64 = 512;
const BITS_PER_KEY: u64 = 16;
/// Nine bits of the hash each.
const PROBES: u32 = 7;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Filter(Vec<[u64; 8]>);

impl Filter {
    /// With room for so many keys.
    pub(crate) fn new(keys: u64) -> Self {
        let lines = (keys * BITS_PER_KEY).div_ceil(LINE_BITS).max(1);
        Self(vec![[0; 8]; lines as usize])
    }

    pub(crate) fn add(&mut self, hash: u64) {
        let line = self.line(hash);
        for bit in bits(hash) {
            self.0[line][bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False: certainly not there.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let line = &self.0[self.line(hash)];
        bits(hash).all(|bit| line[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn line(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.0.len() as u128) >> 64) as usize
    }

    /// Lines of eight little-endian words.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (lines, rest) = bytes.as_chunks::<64>();
        let words = |line: &[u8; 64]| {
            let (words, _) = line.as_chunks::<8>();
            std::array::from_fn(|at| u64::from_le_bytes(words[at]))
        };
        (rest.is_empty() && !lines.is_empty()).then(|| Self(lines.iter().map(words).collect()))
    }
}

fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let spread = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    (0..PROBES).map(move |probe| ((spread >> (probe * 9)) % LINE_BITS) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::hash::spread;

    #[test]
    fn every_key_of_a_run_is_found_and_few_others() {
        let hashes: Vec<u64> = (0..10_000_u64).map(|n| spread(&n.to_be_bytes())).collect();
        let mut filter = Filter::new(10_000);
        hashes.iter().for_each(|hash| filter.add(*hash));
        let filter = Filter::decode(&filter.encode()).unwrap();
        assert!(hashes.iter().all(|hash| filter.may_hold(*hash)));
        let wrong = (10_000..110_000_u64).filter(|n| filter.may_hold(spread(&n.to_be_bytes()))).count();
        assert!(wrong < 400, "{wrong} of 100000");
        assert!(!Filter::new(0).may_hold(7));
        assert!(Filter::decode(&[0; 63]).is_none());
    }
}
