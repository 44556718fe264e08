//! Weights rearranged for a shader, kept with the operation that owns them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Packed forms of one operation's weights, made once per layout and shared by all sizes of a network.
///
/// A clone starts empty: operations are cloned to change their weights.
#[derive(Default)]
pub(crate) struct PackCache(Mutex<Vec<Packed>>);

/// Layout and words.
type Packed = (&'static str, Arc<Vec<u32>>);

impl PackCache {
    /// The packed words of `layout`, made by `pack` on first use.
    pub(crate) fn get(
        &self,
        layout: &'static str,
        pack: impl FnOnce() -> Vec<u32>,
    ) -> Arc<Vec<u32>> {
        let mut packed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, words)) = packed.iter().find(|(known, _)| *known == layout) {
            return words.clone();
        }
        let words = Arc::new(pack());
        packed.push((layout, words.clone()));
        words
    }
}

impl Clone for PackCache {
    fn clone(&self) -> Self {
        PackCache::default()
    }
}

impl fmt::Debug for PackCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PackCache")
    }
}

/// The bits of floats, as constants travel.
pub(crate) fn words(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}
