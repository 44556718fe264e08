//! A derived value (packed weights) that belongs to one operation.

use std::fmt;
use std::sync::OnceLock;

/// Computed at first use. A clone starts empty: fusion clones an operation in order to change its weights.
pub struct Cached<T>(OnceLock<T>);

impl<T> Cached<T> {
    /// The value, computed by `make` the first time.
    pub fn get_or(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Cached(OnceLock::new())
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Cached::default()
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "Cached(filled)" } else { "Cached(empty)" })
    }
}
