//! Rows: the depthwise 3x3 with its activation, and the filter that halves.

use crate::common::epilogue::LRELU_AGC;
use crate::common::native::Vector;

/// What lies outside the map: read again and again, a register's worth.
static ZEROS: [f32; 16] = [0.0; 16];

/// One row of a depthwise 3x3.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// Input rows above, at and below it, `[W, C]`; `None` outside the map.
    pub rows: [Option<&'a [f32]>; 3],
    pub channels: usize,
    /// `[9, C]`, then the bias `[C]`.
    pub taps: &'a [f32],
}

/// `clamp(x * sqrt 2, -256, 256)`, below 0 a fifth of it.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn activate<V: Vector>(x: V) -> V {
    let [above, below, bound] = LRELU_AGC;
    // SAFETY: the caller's promise.
    unsafe {
        let scaled = x.mul(V::splat(above)).at_least(x.mul(V::splat(below)));
        scaled.at_most(V::splat(bound)).at_least(V::splat(-bound))
    }
}

/// Convolves a row, `[W, C]`.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn depthwise<V: Vector>(line: Line<'_>, out: &mut [f32]) {
    let c = line.channels;
    let whole = |row: &Option<&[f32]>| row.is_none_or(|row| row.len() == out.len());
    assert!(line.rows.iter().all(whole) && line.taps.len() == 10 * c);
    let mut first = 0;
    // SAFETY: the caller's promise; lengths were checked, and every strip ends within the channels.
    unsafe {
        while first + V::LEN <= c {
            strip::<V>(line, first, out);
            first += V::LEN;
        }
        while first < c {
            strip::<[f32; 1]>(line, first, out);
            first += 1;
        }
    }
}

/// The channels from `first` on that fit into one register, for the whole row: weights and the window stay in registers.
///
/// # Safety
/// As [`depthwise`]; `first + V::LEN` is at most the number of channels, and lengths fit each other.
#[inline(always)]
unsafe fn strip<V: Vector>(line: Line<'_>, first: usize, out: &mut [f32]) {
    let (c, width) = (line.channels, out.len() / line.channels);
    // SAFETY: every address lies `first` to `first + LEN` floats into a pixel of a row, or in `ZEROS`, as long as any register.
    unsafe {
        let mut weights = [V::splat(0.0); 9];
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = V::load(line.taps.as_ptr().add(i * c + first));
        }
        let bias = V::load(line.taps.as_ptr().add(9 * c + first));
        let (mut from, mut step) = ([ZEROS.as_ptr(); 3], [0; 3]);
        for k in 0..3 {
            if let Some(row) = line.rows[k] {
                (from[k], step[k]) = (row.as_ptr().add(first), c);
            }
        }
        let zero = V::splat(0.0);
        let mut left = [zero; 3];
        let mut here = [V::load(from[0]), V::load(from[1]), V::load(from[2])];
        for x in 0..width {
            let mut right = [zero; 3];
            if x + 1 < width {
                for k in 0..3 {
                    from[k] = from[k].add(step[k]);
                    right[k] = V::load(from[k]);
                }
            }
            let mut sums = [bias, zero, zero];
            for k in 0..3 {
                sums[k] = left[k].mul_add(weights[3 * k], sums[k]);
                sums[k] = here[k].mul_add(weights[3 * k + 1], sums[k]);
                sums[k] = right[k].mul_add(weights[3 * k + 2], sums[k]);
            }
            let sum = sums[0].add(sums[1]).add(sums[2]);
            activate(sum).store(out.as_mut_ptr().add(x * c + first));
            (left, here) = (here, right);
        }
    }
}

/// `[2 W, C]` to `[W, C]`: `in[2 x - 1] + 3 in[2 x] + 3 in[2 x + 1] + in[2 x + 2]`, zero outside.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn halve<V: Vector>(row: &[f32], c: usize, out: &mut [f32]) {
    assert_eq!(row.len(), 2 * out.len());
    let width = out.len() / c;
    for x in 0..width {
        let pixel = 2 * x * c;
        // SAFETY: the caller's promise; the four pixels lie in the row, the outer ones where they are read.
        unsafe {
            let mut i = 0;
            while i + V::LEN <= c {
                quad::<V>(row, pixel + i, c, [x > 0, x + 1 < width])
                    .store(out.as_mut_ptr().add(x * c + i));
                i += V::LEN;
            }
            while i < c {
                quad::<[f32; 1]>(row, pixel + i, c, [x > 0, x + 1 < width])
                    .store(out.as_mut_ptr().add(x * c + i));
                i += 1;
            }
        }
    }
}

/// # Safety
/// As [`halve`]; `at` and `at + c` are inside the row for a register, and so are `at - c` and `at + 2 c` where `inside` says so.
#[inline(always)]
unsafe fn quad<V: Vector>(row: &[f32], at: usize, c: usize, inside: [bool; 2]) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let from = row.as_ptr().add(at);
        let middle = V::load(from).add(V::load(from.add(c)));
        let mut outer = V::splat(0.0);
        if inside[0] {
            outer = V::load(from.sub(c));
        }
        if inside[1] {
            outer = outer.add(V::load(from.add(2 * c)));
        }
        middle.mul_add(V::splat(3.0), outer)
    }
}

/// `(a + 3 b + 3 c + d) / 64` of four rows.
///
/// # Safety
/// The processor has the register's instruction set.
#[inline(always)]
pub(super) unsafe fn combine<V: Vector>(rows: [&[f32]; 4], out: &mut [f32]) {
    let [a, b, c, d] = rows;
    assert!(a.len() == out.len() && b.len() == out.len());
    assert!(c.len() == out.len() && d.len() == out.len());
    let mut i = 0;
    // SAFETY: the caller's promise; `i + LEN` is at most the length of all.
    unsafe {
        while i + V::LEN <= out.len() {
            let outer = V::load(a.as_ptr().add(i)).add(V::load(d.as_ptr().add(i)));
            let middle = V::load(b.as_ptr().add(i)).add(V::load(c.as_ptr().add(i)));
            let sum = middle.mul_add(V::splat(3.0), outer);
            sum.mul(V::splat(1.0 / 64.0)).store(out.as_mut_ptr().add(i));
            i += V::LEN;
        }
    }
    while i < out.len() {
        out[i] = (a[i] + d[i] + 3.0 * (b[i] + c[i])) / 64.0;
        i += 1;
    }
}
