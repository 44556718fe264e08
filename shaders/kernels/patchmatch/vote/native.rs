//! Fast CPU twin of a vote.

use rayon::prelude::*;

use crate::common::native::{Isa, by_isa};
use crate::patchmatch::votes::{Field, Rule, Votes};
use crate::patchmatch::{Texel, VOTED, site};

/// Writes `out`: the texels with the hole's voted channels replaced.
pub(super) fn run(rule: Rule, texels: &[Texel], field: Field<'_>, out: &mut [Texel]) {
    let (isa, width) = (Isa::active(), field.width);
    let rows = out.par_chunks_mut(width).zip(texels.par_chunks(width));
    rows.enumerate().with_min_len(4).for_each(|(y, (out, own))| {
        out.copy_from_slice(own);
        by_isa!(isa, row(rule: Rule, texels: &[Texel], field: Field<'_>, y: usize, out: &mut [Texel]));
    });
}

#[inline(always)]
fn row(rule: Rule, texels: &[Texel], field: Field<'_>, y: usize, out: &mut [Texel]) {
    let mut votes = Votes::new();
    for (x, texel) in out.iter_mut().enumerate() {
        if field.site[y * field.width + x] & site::HOLE == 0 {
            continue;
        }
        votes.collect(rule, field, x, y);
        let (mut sums, mut total) = ([0i32; 8], 0i32);
        for (source, weight) in votes.iter() {
            for (sum, value) in sums.iter_mut().zip(&texels[source]) {
                *sum += weight as i32 * i32::from(*value);
            }
            total += weight as i32;
        }
        for (value, sum) in texel.iter_mut().zip(sums).take(VOTED) {
            // Rounds half away from zero; a pixel that no patch covers keeps its value.
            if total > 0 {
                *value = ((sum + sum.signum() * (total / 2)) / total) as i16;
            }
        }
    }
}

/// Mean squares of a plane of distances.
pub(crate) fn means(site: &[u32], distance: &[u32], out: &mut [u32]) {
    let each = out
        .par_chunks_mut(4096)
        .zip(distance.par_chunks(4096))
        .zip(site.par_chunks(4096));
    each.for_each(|((out, distance), site)| {
        for ((out, distance), site) in out.iter_mut().zip(distance).zip(site) {
            *out = crate::patchmatch::votes::mean_square(*site, *distance);
        }
    });
}
