//! Constant tables of transforms, computed in f64 and shared by all dispatches of one length.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};

use crate::common::cache::words;

/// Tables kept, oldest dropped first: an image size needs two lengths, so this serves dozens of sizes at once.
const TABLES_MAX: usize = 64;

type Key = (&'static str, usize);

static TABLES: Mutex<VecDeque<(Key, Arc<Vec<u32>>)>> = Mutex::new(VecDeque::new());

/// The table of that name and length, made by `make` unless it is still held: equal keys give one allocation, which the
/// engine uploads once.
pub(super) fn table(
    name: &'static str,
    n: usize,
    make: impl FnOnce() -> Vec<u32>,
) -> Arc<Vec<u32>> {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, held)) = tables.iter().find(|(key, _)| *key == (name, n)) {
        return held.clone();
    }
    let made = Arc::new(make());
    if tables.len() == TABLES_MAX {
        tables.pop_front();
    }
    tables.push_back(((name, n), made.clone()));
    made
}

/// `[n][2]`: cosine and sine of `2 pi t / n`.
pub(super) fn circle(n: usize) -> Arc<Vec<u32>> {
    table("circle", n, || {
        let angle = |t: usize| TAU * t as f64 / n as f64;
        words((0..n).flat_map(|t| [angle(t).cos() as f32, angle(t).sin() as f32]))
    })
}

/// Values of k that one block of [`folded`] holds, and its stride: one vec4 per lane, in groups of eight lanes.
const FOLDED_BINS: usize = 17;
const FOLDED_STRIDE: usize = 24;

/// Blocks of k, and pairs of j, for a line of `n`: both cover 0..=n/2.
pub(super) fn folded_size(n: usize) -> (usize, usize) {
    let bins = n / 2 + 1;
    (bins.div_ceil(FOLDED_BINS), bins.div_ceil(2))
}

/// `[blocks][pairs][24 k][2 j][2]`: cosine and sine of `2 pi jk / n`, zeros where j or k exceeds n/2 and behind 17 k.
pub(super) fn folded(n: usize) -> Arc<Vec<u32>> {
    table("folded", n, || {
        let (blocks, pairs) = folded_size(n);
        let value = |block: usize, pair: usize, k: usize, j: usize| {
            let unused = k >= FOLDED_BINS;
            let (k, j) = (block * FOLDED_BINS + k, 2 * pair + j);
            let angle = TAU * (j * k % n) as f64 / n as f64;
            // The sine of a whole or half turn is exactly zero: bins there have no odd part.
            let sin = if (2 * (j * k % n)).is_multiple_of(n) {
                0.0
            } else {
                angle.sin() as f32
            };
            if unused || 2 * k > n || 2 * j > n {
                [0.0; 2]
            } else {
                [angle.cos() as f32, sin]
            }
        };
        let mut out = Vec::with_capacity(blocks * pairs * FOLDED_STRIDE * 4);
        for block in 0..blocks {
            for pair in 0..pairs {
                out.extend(
                    (0..FOLDED_STRIDE * 2).flat_map(|at| value(block, pair, at / 2, at % 2)),
                );
            }
        }
        words(out)
    })
}
