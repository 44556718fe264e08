//! Fast CPU twin of one search pass: the target patch is gathered once, sources are compared sixteen channels at a time.

use rayon::prelude::*;

use super::{Search, scan::Candidates};
use crate::common::native::{Isa, by_isa};
use crate::patchmatch::{CHANNELS, NONE, Texel, site};

/// A target patch, its rows padded to eight texels, and the factor of each of its differences.
#[repr(align(32))]
struct Patch {
    values: [[Texel; 8]; 7],
    factors: [[Texel; 8]; 7],
}

/// What a pass reads.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) texels: &'a [Texel],
    pub(super) site: &'a [u32],
    pub(super) nnf: &'a [u32],
    pub(super) distance: &'a [u32],
    pub(super) height: usize,
    pub(super) width: usize,
}

pub(super) fn run(op: &Search, planes: Planes<'_>, nnf: &mut [u32], distance: &mut [u32]) {
    let isa = Isa::active();
    let rows = nnf
        .par_chunks_mut(planes.width)
        .zip(distance.par_chunks_mut(planes.width));
    rows.enumerate().with_min_len(4).for_each(|(y, (nnf, distance))| match op.radius {
        1 => by_isa!(isa, row::<1>(op: &Search, planes: Planes<'_>, y: usize, nnf: &mut [u32], distance: &mut [u32])),
        2 => by_isa!(isa, row::<2>(op: &Search, planes: Planes<'_>, y: usize, nnf: &mut [u32], distance: &mut [u32])),
        _ => by_isa!(isa, row::<3>(op: &Search, planes: Planes<'_>, y: usize, nnf: &mut [u32], distance: &mut [u32])),
    });
}

/// One row of targets.
#[inline(always)]
fn row<const R: usize>(
    op: &Search,
    planes: Planes<'_>,
    y: usize,
    nnf: &mut [u32],
    distance: &mut [u32],
) {
    let mut patch = Patch {
        values: [[[0; 8]; 8]; 7],
        factors: [[[0; 8]; 8]; 7],
    };
    let corner = op.radius * planes.width + op.radius;
    for x in 0..planes.width {
        let at = y * planes.width + x;
        if planes.site[at] & site::TARGET == 0 {
            (nnf[x], distance[x]) = (NONE, 0);
            continue;
        }
        gather(op, planes, x, y, &mut patch);
        let mut candidates = Candidates::new(op, planes, x, y);
        let mut best = (planes.distance[at], planes.nnf[at]);
        if op.fresh {
            best.0 = measure::<R>(
                &patch,
                planes.texels,
                planes.width,
                best.1 as usize - corner,
                u32::MAX,
            );
        }
        while let Some(source) = candidates.next(best.1) {
            let found = measure::<R>(
                &patch,
                planes.texels,
                planes.width,
                source as usize - corner,
                best.0,
            );
            best = best.min((found, source));
        }
        (distance[x], nnf[x]) = best;
    }
}

#[inline(always)]
fn gather(op: &Search, planes: Planes<'_>, x: usize, y: usize, patch: &mut Patch) {
    let (r, w, h) = (op.radius, planes.width, planes.height);
    for j in 0..=2 * r {
        for i in 0..=2 * r {
            let (tx, ty) = ((x + i).wrapping_sub(r), (y + j).wrapping_sub(r));
            if tx < w && ty < h {
                let at = ty * w + tx;
                patch.values[j][i] = planes.texels[at];
                patch.factors[j][i] = [site::tap(planes.site[at], op.known_factor); 8];
            } else {
                patch.factors[j][i] = [0; 8];
            }
        }
    }
}

/// Distance of the patch whose first pixel is `corner`; exact if it is at most `best`.
#[inline(always)]
fn measure<const R: usize>(
    patch: &Patch,
    texels: &[Texel],
    width: usize,
    corner: usize,
    best: u32,
) -> u32 {
    let mut sum = 0u32;
    for j in 0..=2 * R {
        let source = texels[corner + j * width..][..2 * R + 1].as_flattened();
        let (values, factors) = (
            patch.values[j].as_flattened(),
            patch.factors[j].as_flattened(),
        );
        // Two texels fill a vector; a row holds an odd number of them.
        let mut lanes = [0i32; 2 * CHANNELS];
        for i in 0..R {
            squares(source, values, factors, 2 * CHANNELS * i, &mut lanes);
        }
        let mut last = [0i32; CHANNELS];
        squares(source, values, factors, 2 * CHANNELS * R, &mut last);
        for lane in lanes {
            sum = sum.wrapping_add(lane as u32);
        }
        for lane in last {
            sum = sum.wrapping_add(lane as u32);
        }
        if sum > best {
            break;
        }
    }
    sum
}

/// Adds the squares of the weighted differences of `N` channels from `at` on.
#[inline(always)]
fn squares<const N: usize>(
    source: &[i16],
    values: &[i16],
    factors: &[i16],
    at: usize,
    lanes: &mut [i32; N],
) {
    let (source, values, factors) = (&source[at..][..N], &values[at..][..N], &factors[at..][..N]);
    for k in 0..N {
        let difference = source[k].wrapping_sub(values[k]).wrapping_mul(factors[k]);
        lanes[k] += i32::from(difference) * i32::from(difference);
    }
}
