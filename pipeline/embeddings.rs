//! Embeddings of photos, kept between requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cleanplate_engine::Tensor;
use sha2::{Digest, Sha256};

use crate::lru::Lru;

/// What an encoder makes of a photo.
pub type Maps = Vec<Tensor>;

/// Identity of an embedding: hash of the weights' hash and of what the network sees of the photo.
pub type Key = [u8; 32];

/// The key of a resized photo for a network with these weights. A strong hash: a photo that happened to have another
/// one's key would be cut out by the other's shape.
pub fn key(weights_sha256: &str, resized: &Tensor) -> Key {
    let mut hash = Sha256::new();
    hash.update(weights_sha256);
    resized
        .shape
        .dims()
        .iter()
        .for_each(|side| hash.update(side.to_le_bytes()));
    hash.update(resized.as_u8().unwrap_or_default());
    hash.finalize().into()
}

/// Least-recently-used embeddings, bounded in bytes.
#[derive(Debug)]
pub struct Embeddings {
    bytes_max: u64,
    kept: Lru<Key, Arc<Maps>>,
    found: AtomicU64,
    missed: AtomicU64,
}

impl Embeddings {
    /// An empty cache.
    pub fn new(bytes_max: u64) -> Self {
        Embeddings {
            bytes_max,
            kept: Lru::new(usize::MAX, bytes_max, |maps| size(maps)),
            found: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// The embedding of this key, if it is kept; it becomes the youngest.
    pub fn get(&self, key: &Key) -> Option<Arc<Maps>> {
        let found = self.kept.get(key);
        let count = match found {
            Some(_) => &self.found,
            None => &self.missed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps an embedding in place of the least used ones. One larger than the bound is not kept.
    pub fn put(&self, key: Key, maps: Arc<Maps>) {
        if size(&maps) <= self.bytes_max {
            self.kept.put(key, maps);
        }
    }

    /// Drops all embeddings.
    pub fn clear(&self) {
        self.kept.forget(|_| true);
    }

    /// How often a photo's embedding was there, and how often it was not.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.found.load(Ordering::Relaxed),
            self.missed.load(Ordering::Relaxed),
        )
    }

    /// Bytes of all that are kept.
    pub fn bytes(&self) -> u64 {
        self.kept.bytes()
    }
}

fn size(maps: &Maps) -> u64 {
    maps.iter()
        .map(|map| (map.shape.elements() * map.dtype().bytes()) as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(floats: usize) -> Arc<Maps> {
        Arc::new(vec![Tensor::f32(&[floats], vec![0.5; floats])])
    }

    #[test]
    fn the_least_used_goes_first_and_bytes_are_bounded() {
        let cache = Embeddings::new(80);
        (0..2).for_each(|i| cache.put([i; 32], embedding(10)));
        assert!(cache.get(&[0; 32]).is_some());
        cache.put([2; 32], embedding(10));
        assert!(
            cache.get(&[1; 32]).is_none() && cache.get(&[0; 32]).is_some() && cache.bytes() == 80
        );
        cache.put([3; 32], embedding(21));
        assert!(cache.bytes() == 80 && cache.get(&[3; 32]).is_none());
    }

    #[test]
    fn keys_tell_weights_sizes_and_pixels_apart() {
        let photo = |dims: &[usize], first: u8| {
            Tensor::u8(dims, std::iter::once(first).chain([0; 23]).collect())
        };
        let keys = [
            key("a", &photo(&[1, 2, 4, 3], 1)),
            key("b", &photo(&[1, 2, 4, 3], 1)),
            key("a", &photo(&[1, 4, 2, 3], 1)),
            key("a", &photo(&[1, 2, 4, 3], 2)),
        ];
        assert!((0..4).all(|i| (0..i).all(|j| keys[i] != keys[j])));
    }
}
