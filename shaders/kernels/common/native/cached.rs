//! A derived value (packed weights) that belongs to one operation.

use std::fmt;
use std::sync::OnceLock;

use super::Isa;

/// Computed at first use, for each instruction set that asks. A clone starts empty: fusion clones an operation in order
/// to change its weights.
pub struct Cached<T>([OnceLock<T>; Isa::ALL.len()]);

impl<T> Cached<T> {
    /// The value for an instruction set, computed by `make` the first time.
    pub fn get_or(&self, isa: Isa, make: impl FnOnce() -> T) -> &T {
        self.0[isa as usize].get_or_init(make)
    }
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Cached([const { OnceLock::new() }; Isa::ALL.len()])
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Cached::default()
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.iter().any(|v| v.get().is_some()) {
            "Cached(filled)"
        } else {
            "Cached(empty)"
        })
    }
}
