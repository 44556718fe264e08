//! Powers of two, 7-smooth sizes, primes, one-pixel maps, sizes on both sides of every strategy's limit.

use std::sync::Arc;

use super::{Irfft2, Rfft2};
use crate::op::{Case, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

/// (N, C, H, W)
#[rustfmt::skip]
const SIZES: &[[usize; 4]] = &[
    [1, 3, 8, 8], [2, 5, 15, 11], [1, 4, 12, 20], [1, 1, 1, 1], [1, 2, 1, 7], [1, 2, 9, 1], [1, 2, 2, 2], [1, 3, 16, 31],
    [1, 7, 32, 32], [1, 2, 64, 64], [1, 2, 60, 70], [1, 2, 37, 97], [1, 1, 128, 96], [1, 1, 127, 131], [1, 1, 210, 256], [1, 1, 1, 3080],
];

const CLOSE: Tolerance = Tolerance {
    absolute: 3e-5,
    relative: 2e-5,
    why: "f32 sums of up to 256 terms per axis, ortho norm keeps values near 1",
};

pub(super) fn forward() -> Vec<Case> {
    let mut rng = Rng::new(6);
    SIZES
        .iter()
        .map(|d| {
            let inputs = vec![Tensor::f32(d, rng.values(d.iter().product(), 1.0))];
            Case {
                name: format!("{d:?}"),
                op: Arc::new(Rfft2),
                inputs,
                tolerance: CLOSE,
            }
        })
        .collect()
}

pub(super) fn inverse() -> Vec<Case> {
    let mut rng = Rng::new(7);
    let mut case = |d: &[usize; 4], residual: bool| {
        let [n, c, h, w] = *d;
        // Random spectra are not Hermitian in the DC and Nyquist columns: their imaginary parts must be ignored.
        let spectrum = Tensor::f32(
            &[n, 2 * c, h, w / 2 + 1],
            rng.values(n * 2 * c * h * (w / 2 + 1), 1.0),
        );
        let like = Tensor::f32(d, rng.values(n * c * h * w, 1.0));
        let mut inputs = vec![spectrum, like.clone()];
        if residual {
            inputs.push(like);
        }
        Case {
            name: format!("{d:?}{}", if residual { " + residual" } else { "" }),
            op: Arc::new(Irfft2 { residual }),
            inputs,
            tolerance: CLOSE,
        }
    };
    let mut cases: Vec<Case> = SIZES.iter().map(|d| case(d, false)).collect();
    cases.extend(
        [[2, 3, 15, 11], [1, 4, 32, 32], [1, 2, 37, 97]]
            .iter()
            .map(|d| case(d, true)),
    );
    cases
}
