//! Exact distances to a mask, inside a bounding box.

use rayon::prelude::*;

use crate::{Mask, Rect};

/// Longest distance that can be asked for, in pixels: its square fits 16 bits.
pub const DISTANCE_PX_MAX: usize = 250;

/// Squared distances (pixel centre to pixel centre) to the nearest non-zero mask pixel, for every pixel of `rect`,
/// `[rect.height(), rect.width()]`. Distances above `max_px` are given as `u16::MAX`.
///
/// Mask pixels outside `rect` are not seen: give the mask's bounds grown by `max_px`.
pub fn squared(mask: &Mask, rect: Rect, max_px: usize) -> Vec<u16> {
    let max = max_px.min(DISTANCE_PX_MAX);
    let (width, far) = (rect.width(), max + 1);
    let mut out = vec![0u16; rect.pixels()];
    vertical(mask, rect, far as u16, &mut out);
    out.par_chunks_exact_mut(width.max(1))
        .for_each(|row| horizontal(row, max));
    out
}

/// Distance along the column, `far` where it is that or more.
fn vertical(mask: &Mask, rect: Rect, far: u16, out: &mut [u16]) {
    let width = rect.width();
    let mut above = vec![far; width];
    for (i, row) in out.chunks_exact_mut(width).enumerate() {
        let source = &mask.row(rect.y0 + i)[rect.x0..rect.x1];
        for ((d, a), &m) in row.iter_mut().zip(&mut above).zip(source) {
            *a = if m != 0 { 0 } else { (*a + 1).min(far) };
            *d = *a;
        }
    }
    let mut below = vec![far; width];
    for row in out.chunks_exact_mut(width).rev() {
        for (d, b) in row.iter_mut().zip(&mut below) {
            *b = (*b + 1).min(*d).min(far);
            *d = *b;
        }
    }
}

/// Lower envelope of the parabolas `(x - p)^2 + column(p)^2` over one row, in place: column distances in, squared distances out.
fn horizontal(row: &mut [u16], max: usize) {
    let limit = (max * max) as i64;
    // (position, squared column distance, first x where this parabola is the lowest)
    let mut hull: Vec<(i64, i64, i64)> = Vec::new();
    for (x, &d) in row.iter().enumerate() {
        if usize::from(d) > max {
            continue;
        }
        let (p, f) = (x as i64, i64::from(d) * i64::from(d));
        let mut from = 0;
        while let Some(&(q, g, start)) = hull.last() {
            // First whole x at which the parabola of p is at most as high as that of q.
            from = ((f + p * p) - (g + q * q) + 2 * (p - q) - 1).div_euclid(2 * (p - q));
            if from > start {
                break;
            }
            hull.pop();
            from = 0;
        }
        hull.push((p, f, from.max(0)));
    }
    let mut at = 0;
    for (x, d) in row.iter_mut().enumerate() {
        let x = x as i64;
        while at + 1 < hull.len() && hull[at + 1].2 <= x {
            at += 1;
        }
        *d = match hull.get(at) {
            Some(&(p, f, _)) if f + (x - p) * (x - p) <= limit => (f + (x - p) * (x - p)) as u16,
            _ => u16::MAX,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(mask: &Mask, max: usize) -> Vec<u16> {
        let on: Vec<(i64, i64)> = (0..mask.data.len())
            .filter(|&i| mask.data[i] != 0)
            .map(|i| ((i % mask.width) as i64, (i / mask.width) as i64))
            .collect();
        let at = |i: usize| ((i % mask.width) as i64, (i / mask.width) as i64);
        let nearest = |(x, y): (i64, i64)| {
            on.iter()
                .map(|&(a, b)| (a - x) * (a - x) + (b - y) * (b - y))
                .min()
        };
        (0..mask.data.len())
            .map(|i| {
                nearest(at(i))
                    .filter(|&d| d <= (max * max) as i64)
                    .map_or(u16::MAX, |d| d as u16)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn equals_the_plain_search(width in 1usize..40, height in 1usize..30, on in prop::collection::vec(any::<u16>(), 0..12), max in 0usize..20) {
            let mut mask = Mask::empty(width, height);
            for p in on {
                let i = usize::from(p) % mask.data.len();
                mask.data[i] = 255;
            }
            let all = Rect { x0: 0, y0: 0, x1: width, y1: height };
            prop_assert_eq!(squared(&mask, all, max), plain(&mask, max));
        }
    }
}
