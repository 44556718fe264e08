//! Fast CPU twin.

use rayon::prelude::*;

use crate::patchmatch::votes::{Field, Rule, Votes};
use crate::patchmatch::{NONE, site};

pub(super) fn run(
    rule: Rule,
    image: &[f32],
    field: Field<'_>,
    picks: &[u32],
    out: &mut [f32],
    slopes: &mut [f32],
) {
    let width = field.width;
    let rows = out
        .par_chunks_mut(3 * width)
        .zip(slopes.par_chunks_mut(3 * width));
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
            slopes[3 * x..3 * x + 3].copy_from_slice(&slope(image, field, picks, x, y));
        }
    });
}

/// Sum over the neighbours of (own - neighbour), from the picks of both.
fn slope(image: &[f32], field: Field<'_>, picks: &[u32], x: usize, y: usize) -> [f32; 3] {
    let (w, at) = (field.width, y * field.width + x);
    let mut sum = [0.0; 3];
    let directions = [
        (y > 0, w.wrapping_neg()),
        (x > 0, 1usize.wrapping_neg()),
        (x + 1 < w, 1),
        (y + 1 < field.height, w),
    ];
    for (inside, towards) in directions {
        let next = at.wrapping_add(towards);
        if !inside || field.site[next] & (site::KNOWN | site::HOLE) == 0 {
            continue;
        }
        let from_own = beside(field, picks[at], towards).map(|(own, beside)| [own, beside]);
        let from_other = beside(field, picks[next], towards.wrapping_neg())
            .map(|(other, beside)| [beside, other]);
        let share = if from_own.is_some() && from_other.is_some() {
            0.5
        } else {
            1.0
        };
        for [a, b] in [from_own, from_other].into_iter().flatten() {
            for (c, sum) in sum.iter_mut().enumerate() {
                *sum += share * (image[3 * a + c] - image[3 * b + c]);
            }
        }
    }
    sum
}

/// A pick and the pixel beside it, if that is a known one too.
#[inline(always)]
fn beside(field: Field<'_>, pick: u32, towards: usize) -> Option<(usize, usize)> {
    if pick == NONE {
        return None;
    }
    let (own, w) = (pick as usize, field.width);
    let next = own.wrapping_add(towards);
    let wraps = (towards == 1 && next.is_multiple_of(w))
        || (towards == 1usize.wrapping_neg() && own.is_multiple_of(w));
    (next < field.site.len() && !wraps && field.site[next] & site::KNOWN != 0)
        .then_some((own, next))
}
