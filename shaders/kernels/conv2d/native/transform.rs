//! Winograd's transforms F(4x4, 3x3) on groups of lanes (one tile or channel per lane), one axis at a time.
//!
//! Interpolation points 0, ±1/√2, ±√2 and infinity: their transforms lose less precision in f32 than those of the
//! customary points 0, ±1, ±2.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Side of an input tile: six values give four outputs.
pub(super) const SIDE: usize = 6;
/// Side of an output tile.
pub(super) const STEP: usize = 4;
/// Values of a transformed tile.
pub(super) const POINTS: usize = SIDE * SIDE;

/// One value per lane.
pub(super) type Lanes<const L: usize> = [f32; L];

/// Six input values to six points.
#[inline(always)]
pub(super) fn input([x0, x1, x2, x3, x4, x5]: [f32; SIDE]) -> [f32; SIDE] {
    let (even_a, odd_a) = (x4 - 2.0 * x2, FRAC_1_SQRT_2 * (x3 - 2.0 * x1));
    let (even_b, odd_b) = (x4 - 0.5 * x2, SQRT_2 * (x3 - 0.5 * x1));
    [
        x0 + x4 - 2.5 * x2,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        x1 + x5 - 2.5 * x3,
    ]
}

/// Three kernel values to six points.
#[inline(always)]
pub(super) fn kernel([g0, g1, g2]: [f32; 3]) -> [f32; SIDE] {
    let (even_a, odd_a) = (
        -2.0 / 3.0 * g0 - 1.0 / 3.0 * g2,
        -2.0 / 3.0 * FRAC_1_SQRT_2 * g1,
    );
    let (even_b, odd_b) = (1.0 / 6.0 * g0 + 1.0 / 3.0 * g2, 1.0 / 6.0 * SQRT_2 * g1);
    [
        g0,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        g2,
    ]
}

/// The rows of [`kernel`] as factors of the three kernel values.
pub(super) const KERNEL_ROWS: [[f32; 3]; SIDE] = [
    [1.0, 0.0, 0.0],
    [-2.0 / 3.0, -2.0 / 3.0 * FRAC_1_SQRT_2, -1.0 / 3.0],
    [-2.0 / 3.0, 2.0 / 3.0 * FRAC_1_SQRT_2, -1.0 / 3.0],
    [1.0 / 6.0, 1.0 / 6.0 * SQRT_2, 1.0 / 3.0],
    [1.0 / 6.0, -1.0 / 6.0 * SQRT_2, 1.0 / 3.0],
    [0.0, 0.0, 1.0],
];

/// Six products to four output values.
#[inline(always)]
pub(super) fn output([m0, m1, m2, m3, m4, m5]: [f32; SIDE]) -> [f32; STEP] {
    let (sum_a, difference_a) = (m1 + m2, FRAC_1_SQRT_2 * (m1 - m2));
    let (sum_b, difference_b) = (m3 + m4, SQRT_2 * (m3 - m4));
    [
        m0 + sum_a + sum_b,
        difference_a + difference_b,
        0.5 * sum_a + 2.0 * sum_b,
        0.5 * difference_a + 2.0 * difference_b + m5,
    ]
}

/// A one-axis transform of every lane.
#[inline(always)]
pub(super) fn each_lane<const L: usize, const FROM: usize, const TO: usize>(
    values: [&Lanes<L>; FROM],
    transform: impl Fn([f32; FROM]) -> [f32; TO],
) -> [Lanes<L>; TO] {
    let mut result = [[0.0; L]; TO];
    for lane in 0..L {
        // Plain loops: library helpers for arrays are not always inlined into code for another instruction set.
        let mut one = [0.0; FROM];
        for (value, lanes) in one.iter_mut().zip(&values) {
            *value = lanes[lane];
        }
        let points = transform(one);
        for (to, point) in result.iter_mut().zip(points) {
            to[lane] = point;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_axis_convolves() {
        let (x, g) = ([0.5, -1.0, 2.0, 0.25, 3.0, -0.75], [0.3, -0.7, 1.1]);
        let products: [f32; SIDE] = std::array::from_fn(|i| input(x)[i] * kernel(g)[i]);
        for (i, value) in output(products).into_iter().enumerate() {
            let want: f32 = (0..3).map(|k| x[i + k] * g[k]).sum();
            assert!(
                (value - want).abs() < 1e-5,
                "output {i} is {value} instead of {want}"
            );
        }
    }

    #[test]
    fn kernel_rows_are_the_kernel_transform() {
        for tap in 0..3 {
            let unit = std::array::from_fn(|i| if i == tap { 1.0 } else { 0.0 });
            for (row, value) in KERNEL_ROWS.iter().zip(kernel(unit)) {
                assert!((row[tap] - value).abs() < 1e-7);
            }
        }
    }
}
