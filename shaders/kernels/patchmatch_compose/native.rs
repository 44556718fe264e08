//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::votes::{Field, Rule, Votes};
use crate::patchmatch::{NONE, site};

pub(super) fn run(rule: Rule, image: &[f32], field: Field<'_>, out: &mut [f32], slopes: &mut [f32]) {
    let width = field.width;
    let rows = out.par_chunks_mut(3 * width).zip(slopes.par_chunks_mut(3 * width));
    rows.enumerate().for_each(|(y, (out, slopes))| {
        out.copy_from_slice(&image[y * 3 * width..][..3 * width]);
        slopes.fill(0.0);
        let mut votes = Votes::new();
        for x in 0..width {
            if field.site[y * width + x] & site::HOLE == 0 {
                continue;
            }
            votes.collect(rule, field, x, y);
            let (mut sums, mut total) = ([0.0f32; 3], 0.0f32);
            for (source, weight) in votes.iter() {
                let weight = weight as f32;
                for c in 0..3 {
                    sums[c] += weight * image[3 * source + c];
                }
                total += weight;
            }
            if total > 0.0 {
                for c in 0..3 {
                    out[3 * x + c] = sums[c] / total;
                }
            }
            slopes[3 * x..3 * x + 3].copy_from_slice(&slope(image, field, x, y));
        }
    });
}

/// Sum over the neighbours of (own - neighbour), from the sources of both.
fn slope(image: &[f32], field: Field<'_>, x: usize, y: usize) -> [f32; 3] {
    let (w, at) = (field.width, y * field.width + x);
    let mut sum = [0.0; 3];
    let neighbours = [(y > 0, at.wrapping_sub(w)), (x > 0, at.wrapping_sub(1)), (x + 1 < w, at + 1), (y + 1 < field.height, at + w)];
    for (inside, next) in neighbours {
        if !inside || field.site[next] & (site::KNOWN | site::HOLE) == 0 {
            continue;
        }
        let (own, other) = (field.nnf[at], field.nnf[next]);
        if own == NONE || other == NONE {
            continue;
        }
        let (own, other) = (own as usize, other as usize);
        for (c, sum) in sum.iter_mut().enumerate() {
            let from_own = image[3 * own + c] - image[3 * (own + next - at) + c];
            let from_other = image[3 * (other + at - next) + c] - image[3 * other + c];
            *sum += 0.5 * (from_own + from_other);
        }
    }
    sum
}
