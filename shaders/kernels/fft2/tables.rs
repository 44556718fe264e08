//! Constant tables of transforms, computed in f64 and shared by all dispatches of one length.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::words;

/// Tables kept, oldest dropped first: an image size needs two lengths, so this serves dozens of sizes at once.
const TABLES_MAX: usize = 64;

type Key = (&'static str, usize);

static TABLES: Mutex<VecDeque<(Key, Arc<Vec<u32>>)>> = Mutex::new(VecDeque::new());

/// The table of that name and length, made by `make` unless it is still held: equal keys give one allocation, which the
/// engine uploads once.
pub(super) fn table(name: &'static str, n: usize, make: impl FnOnce() -> Vec<u32>) -> Arc<Vec<u32>> {
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
