//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::{Texel, VOTED, site};
use crate::tensor::TensorRef;

pub(super) fn run(inputs: &[TensorRef<'_>], out: &mut [Texel]) {
    let (texels, sites, [height, width]) = super::fine(inputs);
    out.par_chunks_mut(width.div_ceil(2))
        .enumerate()
        .for_each(|(y, row)| {
            for (x, texel) in row.iter_mut().enumerate() {
                *texel = pixel(texels, sites, height, width, x, y);
            }
        });
}

fn pixel(
    texels: &[Texel],
    sites: &[u32],
    height: usize,
    width: usize,
    x: usize,
    y: usize,
) -> Texel {
    const TAPS: [i32; 4] = [1, 3, 3, 1];
    let (mut known, mut all) = ([0i32; 8], [0i32; 8]);
    let (mut known_weight, mut all_weight) = (0, 0);
    for (j, vertical) in TAPS.iter().enumerate() {
        let fy = (2 * y + j).wrapping_sub(1);
        for (i, horizontal) in TAPS.iter().enumerate() {
            let fx = (2 * x + i).wrapping_sub(1);
            if fx >= width || fy >= height {
                continue;
            }
            let at = fy * width + fx;
            let weight = vertical * horizontal;
            all_weight += weight;
            let counted = if sites[at] & site::KNOWN != 0 {
                weight
            } else {
                0
            };
            known_weight += counted;
            for k in 0..8 {
                known[k] += counted * i32::from(texels[at][k]);
                all[k] += weight * i32::from(texels[at][k]);
            }
        }
    }
    let mut out = [0; 8];
    for k in 0..8 {
        let (sum, weight) = if k < VOTED {
            (known[k], known_weight)
        } else {
            (all[k], all_weight)
        };
        if weight > 0 {
            out[k] = ((sum + sum.signum() * (weight / 2)) / weight) as i16;
        }
    }
    out
}
