//! SHA-256 over parts, payload commitments and random bytes.

use std::cell::RefCell;

use ring::{
    digest::{Context, SHA256},
    rand::{SecureRandom, SystemRandom},
};
use simpul_types::Digest;
use zeroize::{Zeroize, Zeroizing};

/// SHA-256 of the parts one after the other. Parts are not framed: fix all lengths but one, or frame them yourself.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// SHA-256 of what comes in pieces.
#[derive(Clone)]
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// What a header says of its payload: SHA-256(salt ‖ payload). The salt has a fixed length, so this is unambiguous.
pub fn commitment(salt: &[u8], payload: &[u8]) -> Digest {
    sha256(&[salt, payload])
}

/// Random bytes fetched at once: a system call for each salt took a seventh of a sender's time.
const POOL_BYTES: usize = 1_024;

/// Bytes of the operating system's generator that were not given out yet; each is overwritten as it is.
struct Pool {
    bytes: Zeroizing<[u8; POOL_BYTES]>,
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> =
        RefCell::new(Pool { bytes: Zeroizing::new([0; POOL_BYTES]), used: POOL_BYTES });
}

/// `N` bytes of the operating system's generator, given out once.
///
/// # Panics
/// Where the operating system has no random bytes; nothing secret can be made then.
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL_BYTES, "ask for less") };
    POOL.with_borrow_mut(|pool| {
        if POOL_BYTES - pool.used < N {
            SystemRandom::new().fill(&mut pool.bytes[..]).expect("the operating system gives random bytes");
            pool.used = 0;
        }
        let mut bytes = [0; N];
        let taken = &mut pool.bytes[pool.used..pool.used + N];
        bytes.copy_from_slice(taken);
        taken.zeroize();
        pool.used += N;
        bytes
    })
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn digests_are_sha256_over_the_parts_in_order() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(HEXLOWER.encode(&sha256(&[b"abc"])), abc);
        assert_eq!(HEXLOWER.encode(&sha256(&[b"a", b"", b"bc"])), abc);
        assert_eq!(HEXLOWER.encode(&commitment(b"ab", b"c")), abc);
        assert_ne!(commitment(&[0; 32], b"x"), commitment(&[1; 32], b"x"));
    }

    #[test]
    fn random_bytes_differ() {
        let all: std::collections::HashSet<_> = (0..1_000).map(|_| random::<32>()).collect();
        assert_eq!(all.len(), 1_000);
        assert!(!all.contains(&[0; 32]));
    }
}
