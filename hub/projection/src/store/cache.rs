//! Opened pages, so that what is asked for often is not read and opened again. Two generations: what was not asked for
//! while the younger one filled up is forgotten.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use super::hash::BuildKeyHasher;

const SHARDS: usize = 16;

/// Number of a run, and of a page in it.
type Place = (u64, u64);

pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    /// Bytes of one generation of one shard.
    room: usize,
}

#[derive(Default)]
struct Shard {
    young: HashMap<Place, Arc<[u8]>, BuildKeyHasher>,
    old: HashMap<Place, Arc<[u8]>, BuildKeyHasher>,
    young_bytes: usize,
}

impl Cache {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { shards: Default::default(), room: bytes as usize / SHARDS / 2 }
    }

    fn shard(&self, place: Place) -> &Mutex<Shard> {
        &self.shards[(place.0.wrapping_mul(7).wrapping_add(place.1)) as usize % SHARDS]
    }

    pub(crate) fn get(&self, place: Place) -> Option<Arc<[u8]>> {
        let mut shard = self.shard(place).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = shard.young.get(&place) {
            return Some(Arc::clone(page));
        }
        let page = shard.old.remove(&place)?;
        shard.put(place, Arc::clone(&page), self.room);
        Some(page)
    }

    pub(crate) fn put(&self, place: Place, page: Arc<[u8]>) {
        let mut shard = self.shard(place).lock().unwrap_or_else(PoisonError::into_inner);
        shard.put(place, page, self.room);
    }
}

impl Shard {
    fn put(&mut self, place: Place, page: Arc<[u8]>, room: usize) {
        self.young_bytes += page.len();
        self.young.insert(place, page);
        if self.young_bytes > room {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let cache = Cache::new(32 << 10);
        let page = || Arc::from(vec![0; 100]);
        for number in 0..1_000 {
            cache.put((1, number * 16), page());
            cache.get((1, 0));
        }
        let kept = (0..1_000).filter(|number| cache.get((1, number * 16)).is_some()).count();
        assert!(cache.get((1, 0)).is_some());
        assert!(kept < 40, "{kept} pages of 100 bytes in 2 KiB");
    }
}
