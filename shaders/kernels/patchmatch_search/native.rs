//! Fast CPU twin of one search pass: the target patch is gathered once, sources are compared sixteen channels at a time.

use rayon::prelude::*;

use super::{Search, scan::Candidates};
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
    let wide = wide();
    let rows = nnf.par_chunks_mut(planes.width).zip(distance.par_chunks_mut(planes.width));
    rows.enumerate().with_min_len(4).for_each(|(y, (nnf, distance))| match (op.radius, wide) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `wide` is true only if the processor has AVX2.
        (3, true) => unsafe { row_avx2::<3>(op, planes, y, nnf, distance) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (2, true) => unsafe { row_avx2::<2>(op, planes, y, nnf, distance) },
        (3, _) => row(op, planes, y, nnf, distance, portable::<3>),
        (2, _) => row(op, planes, y, nnf, distance, portable::<2>),
        _ => row(op, planes, y, nnf, distance, portable::<1>),
    });
}

fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn row_avx2<const R: usize>(op: &Search, planes: Planes<'_>, y: usize, nnf: &mut [u32], distance: &mut [u32]) {
    // SAFETY: AVX2 is enabled in this function; `row` passes in-range patches only.
    row(op, planes, y, nnf, distance, |patch, texels, width, corner, best| unsafe { avx2::<R>(patch, texels, width, corner, best) });
}

/// One row of targets. `measure(patch, texels, width, corner, best)` is the patch distance, exact if it is below `best`.
#[inline(always)]
fn row(
    op: &Search,
    planes: Planes<'_>,
    y: usize,
    nnf: &mut [u32],
    distance: &mut [u32],
    measure: impl Fn(&Patch, &[Texel], usize, usize, u32) -> u32,
) {
    let mut patch = Patch { values: [[[0; 8]; 8]; 7], factors: [[[0; 8]; 8]; 7] };
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
            best.0 = measure(&patch, planes.texels, planes.width, best.1 as usize - corner, u32::MAX);
        }
        while let Some(source) = candidates.next(best.1) {
            let found = measure(&patch, planes.texels, planes.width, source as usize - corner, best.0);
            best = best.min((found, source));
        }
        (distance[x], nnf[x]) = best;
    }
}

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

#[inline(always)]
fn portable<const R: usize>(patch: &Patch, texels: &[Texel], width: usize, corner: usize, best: u32) -> u32 {
    let mut sum = 0u32;
    for j in 0..=2 * R {
        let source = &texels[corner + j * width..][..2 * R + 1];
        let mut lanes = [0i32; 8];
        for (i, texel) in source.iter().enumerate() {
            for k in 0..8 {
                let difference = texel[k].wrapping_sub(patch.values[j][i][k]).wrapping_mul(patch.factors[j][i][k]);
                lanes[k] += i32::from(difference) * i32::from(difference);
            }
        }
        sum = sum.wrapping_add(lanes.iter().sum::<i32>() as u32);
        if sum > best {
            break;
        }
    }
    sum
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2<const R: usize>(patch: &Patch, texels: &[Texel], width: usize, corner: usize, best: u32) -> u32 {
    use std::arch::x86_64::*;
    debug_assert!(corner + 2 * R * width + 2 * R < texels.len());
    let mut wide = _mm256_setzero_si256();
    let mut narrow = _mm_setzero_si128();
    // SAFETY: the source patch lies inside the texel plane (a site is a source only then), the rows of `patch` hold 8 texels.
    unsafe {
        let source = texels.as_ptr().add(corner);
        for j in 0..=2 * R {
            let row = source.add(j * width);
            let (values, factors) = (patch.values[j].as_ptr(), patch.factors[j].as_ptr());
            for i in 0..R {
                let s = _mm256_loadu_si256(row.add(2 * i).cast());
                let t = _mm256_load_si256(values.add(2 * i).cast());
                let f = _mm256_load_si256(factors.add(2 * i).cast());
                let d = _mm256_mullo_epi16(_mm256_sub_epi16(s, t), f);
                wide = _mm256_add_epi32(wide, _mm256_madd_epi16(d, d));
            }
            let s = _mm_loadu_si128(row.add(2 * R).cast());
            let t = _mm_load_si128(values.add(2 * R).cast());
            let f = _mm_load_si128(factors.add(2 * R).cast());
            let d = _mm_mullo_epi16(_mm_sub_epi16(s, t), f);
            narrow = _mm_add_epi32(narrow, _mm_madd_epi16(d, d));
            if j % 2 == 0 && (j == 2 * R || total(wide, narrow) > best) {
                break;
            }
        }
    }
    total(wide, narrow)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn total(wide: std::arch::x86_64::__m256i, narrow: std::arch::x86_64::__m128i) -> u32 {
    use std::arch::x86_64::*;
    let four = _mm_add_epi32(narrow, _mm_add_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide)));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two))) as u32
}
