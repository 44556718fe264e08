//! Fast CPU twin of one search pass: the target patch is gathered once, sources are compared a texel at a time.

use rayon::prelude::*;

use super::{Search, scan::Candidates, sums::Sums};
use crate::patchmatch::{NONE, Texel, site};

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
    let rows = nnf
        .par_chunks_mut(planes.width)
        .zip(distance.par_chunks_mut(planes.width));
    let row = match op.radius {
        1 => row::<1>,
        2 => row::<2>,
        _ => row::<3>,
    };
    // A texel is one register of 128 bits: no wider instructions would serve it.
    rows.enumerate()
        .with_min_len(4)
        .for_each(|(y, (nnf, distance))| row(op, planes, y, nnf, distance));
}

/// One row of targets.
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
        gather::<R>(op, planes, x, y, &mut patch);
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
fn gather<const R: usize>(op: &Search, planes: Planes<'_>, x: usize, y: usize, patch: &mut Patch) {
    let (w, h) = (planes.width, planes.height);
    for j in 0..=2 * R {
        for i in 0..=2 * R {
            let (tx, ty) = ((x + i).wrapping_sub(R), (y + j).wrapping_sub(R));
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
    let mut sums = Sums::zero();
    for j in 0..=2 * R {
        let source = &texels[corner + j * width..][..2 * R + 1];
        let own = patch.values[j].iter().zip(&patch.factors[j]);
        for (source, (value, factor)) in source.iter().zip(own) {
            sums.add(source, value, factor);
        }
        // Most sources are told apart by two rows.
        if j % 2 == 1 && sums.total() > best {
            break;
        }
    }
    sums.total()
}
