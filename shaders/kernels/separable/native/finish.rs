//! Sums on their way out: noise, activation, skip, and the filter that doubles.

use super::super::Noise;
use super::filter::activate;
use crate::common::native::{Disjoint, TokenTile, Vector};

impl Noise {
    /// The values of row `y`; pixel x has number x modulo the length.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.values[y % self.side * self.side..][..self.side]
    }
}

/// What becomes of sums.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    /// They are stored: the doubling comes first.
    Keep,
    /// Noise, activation, and a skip like the output.
    Apply {
        /// `[N, H, W, OC]`
        skip: Option<&'a [f32]>,
    },
}

/// Where a block's results go.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The block's first pixel, counted over the batch.
    pub first: usize,
    /// Height and width of the map.
    pub size: [usize; 2],
    /// Channels of the output.
    pub channels: usize,
    pub noise: Option<&'a Noise>,
    pub finish: Finish<'a>,
    /// `[N, H, W, OC]`
    pub out: Disjoint<'a>,
}

/// Finishes a tile of the product.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn finish_tile<V: Vector>(tile: TokenTile<'_>, place: Place<'_>) {
    let [h, w] = place.size;
    let len = tile.len;
    for i in 0..tile.rows {
        let pixel = place.first + tile.token + i;
        let at = pixel * place.channels + tile.column;
        // SAFETY: every pixel and column belongs to one tile.
        let out = unsafe { place.out.slice(at, len) };
        let sums = tile.row(i);
        let skip = match place.finish {
            Finish::Keep => {
                out.copy_from_slice(sums);
                continue;
            }
            Finish::Apply { skip } => skip.map(|skip| &skip[at..][..len]),
        };
        let noise = match place.noise {
            Some(noise) => noise.row(pixel / w % h)[pixel % w % noise.side],
            None => 0.0,
        };
        // SAFETY: the caller's promise.
        unsafe { finish::<V>(sums, noise, skip, out) };
    }
}

/// `activate(sums + noise) + skip` for neighbouring channels.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
unsafe fn finish<V: Vector>(sums: &[f32], noise: f32, skip: Option<&[f32]>, out: &mut [f32]) {
    let len = out.len();
    assert!(sums.len() == len && skip.is_none_or(|skip| skip.len() == len));
    let mut i = 0;
    // SAFETY: the caller's promise; every access ends within the equal lengths.
    unsafe {
        while i + V::LEN <= len {
            let mut value = activate(V::load(sums.as_ptr().add(i)).add(V::splat(noise)));
            if let Some(skip) = skip {
                value = value.add(V::load(skip.as_ptr().add(i)));
            }
            value.store(out.as_mut_ptr().add(i));
            i += V::LEN;
        }
        while i < len {
            let [value] = activate([sums[i] + noise]);
            out[i] = value + skip.map_or(0.0, |skip| skip[i]);
            i += 1;
        }
    }
}

/// Rows that one row of twice the size is made of.
#[derive(Clone, Copy)]
pub(super) struct Enlarged<'a> {
    /// The nearest row of sums, `[W, C]`.
    pub near: &'a [f32],
    /// The next one on the side that the output row lies on; `None` outside the map.
    pub far: Option<&'a [f32]>,
    pub channels: usize,
    /// The noise of the output row.
    pub noise: Option<&'a [f32]>,
    /// Like the output row.
    pub skip: Option<&'a [f32]>,
}

/// One output row `[2 W, C]`; `mixed` has room for a row of sums.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn enlarge<V: Vector>(part: Enlarged<'_>, mixed: &mut [f32], out: &mut [f32]) {
    let (c, length) = (part.channels, part.near.len());
    let mixed = &mut mixed[..length];
    assert!(part.far.is_none_or(|far| far.len() == length) && out.len() == 2 * length);
    // SAFETY: the caller's promise, and the lengths checked above.
    unsafe { mix::<V>(part.near, part.far, mixed) };
    let width = length / c;
    for x in 0..2 * width {
        let (near, edge) = (x / 2, if x % 2 == 0 { 0 } else { width - 1 });
        let beside = if x % 2 == 0 {
            near.wrapping_sub(1)
        } else {
            near + 1
        };
        let beside = (near != edge).then(|| &mixed[beside * c..][..c]);
        let noise = match part.noise {
            Some(row) => row[x % row.len()],
            None => 0.0,
        };
        let skip = part.skip.map(|skip| &skip[x * c..][..c]);
        let (near, out) = (&mixed[near * c..][..c], &mut out[x * c..][..c]);
        // SAFETY: the caller's promise; all have `c` floats.
        unsafe { between::<V>(near, beside, noise, skip, out) };
    }
}

/// `3 near + far`.
///
/// # Safety
/// The processor has the register's instruction set; all have one length.
#[inline(always)]
unsafe fn mix<V: Vector>(near: &[f32], far: Option<&[f32]>, out: &mut [f32]) {
    let mut i = 0;
    // SAFETY: the caller's promise; every access ends within the equal lengths.
    unsafe {
        while i + V::LEN <= out.len() {
            let mut sum = V::splat(0.0);
            if let Some(far) = far {
                sum = V::load(far.as_ptr().add(i));
            }
            let value = V::load(near.as_ptr().add(i)).mul_add(V::splat(3.0), sum);
            value.store(out.as_mut_ptr().add(i));
            i += V::LEN;
        }
    }
    while i < out.len() {
        out[i] = 3.0 * near[i] + far.map_or(0.0, |far| far[i]);
        i += 1;
    }
}

/// `activate((3 near + beside) / 16 + noise) + skip` for one pixel.
///
/// # Safety
/// The processor has the register's instruction set; all have one length.
#[inline(always)]
unsafe fn between<V: Vector>(
    near: &[f32],
    beside: Option<&[f32]>,
    noise: f32,
    skip: Option<&[f32]>,
    out: &mut [f32],
) {
    let len = out.len();
    let mut i = 0;
    // SAFETY: the caller's promise; every access ends within the equal lengths.
    unsafe {
        while i + V::LEN <= len {
            let mut sum = V::splat(0.0);
            if let Some(beside) = beside {
                sum = V::load(beside.as_ptr().add(i));
            }
            let sum = V::load(near.as_ptr().add(i)).mul_add(V::splat(3.0), sum);
            let mut value = activate(sum.mul_add(V::splat(1.0 / 16.0), V::splat(noise)));
            if let Some(skip) = skip {
                value = value.add(V::load(skip.as_ptr().add(i)));
            }
            value.store(out.as_mut_ptr().add(i));
            i += V::LEN;
        }
        while i < len {
            let sum = 3.0 * near[i] + beside.map_or(0.0, |beside| beside[i]);
            let [value] = activate([sum / 16.0 + noise]);
            out[i] = value + skip.map_or(0.0, |skip| skip[i]);
            i += 1;
        }
    }
}
