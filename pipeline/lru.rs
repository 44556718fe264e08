//! Least-recently-used values, bounded in number and in bytes.

use std::sync::{Mutex, MutexGuard};

use cleanplate_basics::lock;

/// Values by key. The youngest is always kept, whatever it weighs.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    count_max: usize,
    bytes_max: u64,
    /// What a value weighs now.
    weigh: fn(&V) -> u64,
    /// Oldest first.
    kept: Mutex<Vec<(K, V)>>,
}

impl<K: PartialEq, V: Clone> Lru<K, V> {
    /// Nothing kept yet.
    pub const fn new(count_max: usize, bytes_max: u64, weigh: fn(&V) -> u64) -> Self {
        Lru {
            count_max,
            bytes_max,
            weigh,
            kept: Mutex::new(Vec::new()),
        }
    }

    /// The value of `key`, if it is kept; it becomes the youngest.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut kept = self.lock();
        let at = kept.iter().position(|(other, _)| other == key)?;
        kept[at..].rotate_left(1);
        kept.last().map(|(_, value)| value.clone())
    }

    /// Keeps a value in place of the least used ones.
    pub fn put(&self, key: K, value: V) {
        let mut kept = self.lock();
        kept.retain(|(other, _)| *other != key);
        kept.push((key, value));
        while kept.len() > self.count_max || (kept.len() > 1 && self.weight(&kept) > self.bytes_max)
        {
            kept.remove(0);
        }
    }

    /// Drops the values of such keys. Returns how many there were.
    pub fn forget(&self, which: impl Fn(&K) -> bool) -> usize {
        let mut kept = self.lock();
        let before = kept.len();
        kept.retain(|(key, _)| !which(key));
        before - kept.len()
    }

    /// Bytes of all that are kept.
    pub fn bytes(&self) -> u64 {
        self.weight(&self.lock())
    }

    fn weight(&self, kept: &[(K, V)]) -> u64 {
        kept.iter().map(|(_, value)| (self.weigh)(value)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, V)>> {
        // A panic elsewhere cannot leave the list half-changed: every step above is complete before the lock is given up.
        lock(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_goes_first_and_both_bounds_hold() {
        let lru = Lru::new(3, 80, |bytes: &u64| *bytes);
        lru.put("a", 40);
        lru.put("b", 40);
        assert_eq!(lru.get(&"a"), Some(40));
        lru.put("c", 40);
        assert_eq!((lru.get(&"b"), lru.bytes()), (None, 80));
        lru.put("a", 1);
        lru.put("d", 1);
        lru.put("e", 1);
        assert_eq!((lru.get(&"c"), lru.bytes()), (None, 3), "by number");
        lru.put("huge", 1000);
        assert_eq!((lru.forget(|_| true), lru.bytes()), (1, 0));
    }
}
