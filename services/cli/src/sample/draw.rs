//! Draws that depend on seed, subject and index only: person 7 is the same in every file, however many are made, and
//! nothing has to be remembered between files.

/// A stream of numbers (SplitMix64). Not for secrets.
#[derive(Clone)]
pub(super) struct Draw(u64);

impl Draw {
    /// The stream of item `index` of `subject`, for example the passport of person 7.
    pub(super) fn new(seed: u64, subject: &str, index: u64) -> Self {
        let mut state = mix(seed ^ 0x53_49_4d_50_55_4c);
        for byte in subject.bytes() {
            state = mix(state ^ u64::from(byte));
        }
        Self(mix(state ^ index))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is above 0. The bias of the multiplication is far below what a sample can show.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `from..=to`.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to.abs_diff(from) + 1) as i64
    }

    /// True `parts` times out of `whole`.
    pub(super) fn share(&mut self, parts: u64, whole: u64) -> bool {
        self.below(whole) < parts
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// One of them, by weight.
    pub(super) fn weighted<T: Copy>(&mut self, of: &[(T, u64)]) -> T {
        let mut left = self.below(of.iter().map(|(_, weight)| weight).sum());
        for &(value, weight) in of {
            if left < weight {
                return value;
            }
            left -= weight;
        }
        of[of.len() - 1].0
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The `index`-th of `size` numbers in an order that looks random and repeats none. `size` has no factor in common with
/// the multiplier, a prime above it.
pub(super) fn spread(seed: u64, subject: &str, index: u64, size: u64) -> u64 {
    const PRIME: u128 = 2_305_843_009_213_693_951;
    let start = Draw::new(seed, subject, 0).below(size);
    ((u128::from(index) * (PRIME % u128::from(size)) + u128::from(start)) % u128::from(size)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_repeats_no_number() {
        let mut seen: Vec<u64> = (0..9_973).map(|index| spread(1, "nik", index, 9_973)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9_973);
    }

    #[test]
    fn a_weight_is_a_share() {
        let mut heavy = 0;
        for index in 0..10_000 {
            heavy += u64::from(Draw::new(3, "scheme", index).weighted(&[(1, 3), (0, 1)]) == 1);
        }
        assert!((7_300..7_700).contains(&heavy), "{heavy}");
    }
}
