//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::{NONE, hash, site};
use crate::tensor::TensorRef;

/// Farthest valid source that stands in for an invalid one, in pixels a side.
pub(super) const NEAR: i32 = 4;
/// Third key of the hash that picks a spare source.
pub(super) const SPARE: u32 = 0x7570;

pub(super) fn run(seed: u32, inputs: &[TensorRef<'_>], out: &mut [u32]) {
    let (coarse, sites, sources) = (inputs[0].u32(), inputs[1].u32(), inputs[2].u32());
    let width = inputs[1].shape().dims()[1];
    let (height, coarse_width) = (sites.len() / width, width.div_ceil(2));
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, out) in row.iter_mut().enumerate() {
            let at = y * width + x;
            if sites[at] & site::TARGET == 0 {
                *out = NONE;
                continue;
            }
            let parent = coarse[y / 2 * coarse_width + x / 2];
            let doubled = (parent != NONE).then(|| {
                let (px, py) = (
                    parent as usize % coarse_width,
                    parent as usize / coarse_width,
                );
                ((2 * px + x % 2) as i32, (2 * py + y % 2) as i32)
            });
            let found = doubled.and_then(|(px, py)| nearest(sites, height, width, px, py));
            *out = found
                .unwrap_or_else(|| sources[hash(seed, at as u32, SPARE) as usize % sources.len()]);
        }
    });
}

fn nearest(sites: &[u32], height: usize, width: usize, px: i32, py: i32) -> Option<u32> {
    let valid = |x: i32, y: i32| {
        let inside = x >= 0 && y >= 0 && x < width as i32 && y < height as i32;
        (inside && sites[y as usize * width + x as usize] & site::SOURCE != 0)
            .then(|| y as u32 * width as u32 + x as u32)
    };
    if let Some(found) = valid(px, py) {
        return Some(found);
    }
    let mut best = (i32::MAX, None);
    for dy in -NEAR..=NEAR {
        for dx in -NEAR..=NEAR {
            let far = dx * dx + dy * dy;
            if far < best.0
                && let Some(found) = valid(px + dx, py + dy)
            {
                best = (far, Some(found));
            }
        }
    }
    best.1
}
