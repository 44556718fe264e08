//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::{Texel, VOTED, site};
use crate::tensor::TensorRef;

/// Steps of the sixteen directions.
pub(super) const DIRECTIONS: [(i32, i32); 16] = [
    (1, 0),
    (2, 1),
    (1, 1),
    (1, 2),
    (0, 1),
    (-1, 2),
    (-1, 1),
    (-2, 1),
    (-1, 0),
    (-2, -1),
    (-1, -1),
    (-1, -2),
    (0, -1),
    (1, -2),
    (1, -1),
    (2, -1),
];
/// Weight of a known pixel at distance 1; divided by the squared distance.
pub(super) const ONE: i32 = 1 << 14;

pub(super) fn run(inputs: &[TensorRef<'_>], out: &mut [Texel]) {
    let (texels, sites, width) = super::planes(inputs);
    let height = (sites.len() / width) as i32;
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, texel) in row.iter_mut().enumerate() {
            let at = y * width + x;
            *texel = texels[at];
            if sites[at] & site::HOLE == 0 {
                continue;
            }
            let (mut sums, mut total) = ([0i32; 8], 0);
            for (dx, dy) in DIRECTIONS {
                let (mut px, mut py, mut n) = (x as i32 + dx, y as i32 + dy, 1);
                while px >= 0 && px < width as i32 && py >= 0 && py < height {
                    let met = py as usize * width + px as usize;
                    if sites[met] & site::KNOWN != 0 {
                        let weight = (ONE / (n * n * (dx * dx + dy * dy))).max(1);
                        total += weight;
                        for k in 0..8 {
                            sums[k] += weight * i32::from(texels[met][k]);
                        }
                        break;
                    }
                    (px, py, n) = (px + dx, py + dy, n + 1);
                }
            }
            if total > 0 {
                for k in 0..VOTED {
                    texel[k] = ((sums[k] + sums[k].signum() * (total / 2)) / total) as i16;
                }
            }
        }
    });
}
