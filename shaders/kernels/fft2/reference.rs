//! The meaning of [`super::Rfft2`] and [`super::Irfft2`]: direct sums along each axis, in f64.

use std::f64::consts::TAU;

use super::Irfft2;
use crate::tensor::{Tensor, TensorRef};

/// `out[k] = sum in[j] exp(sign 2 pi i jk / n)` for the first `bins` values of k.
fn dft(input: &[(f64, f64)], sign: f64, bins: usize) -> Vec<(f64, f64)> {
    let n = input.len();
    let term = |k: usize| {
        let mut sum = (0.0, 0.0);
        for (j, (re, im)) in input.iter().enumerate() {
            let (sin, cos) = (sign * TAU * (j * k % n) as f64 / n as f64).sin_cos();
            sum = (sum.0 + re * cos - im * sin, sum.1 + re * sin + im * cos);
        }
        sum
    };
    (0..bins).map(term).collect()
}

/// Transforms every column of a `[h][w]` map in place.
fn columns(map: &mut [(f64, f64)], w: usize, sign: f64) {
    let h = map.len() / w;
    for x in 0..w {
        let column: Vec<_> = (0..h).map(|y| map[y * w + x]).collect();
        for (y, v) in dft(&column, sign, h).into_iter().enumerate() {
            map[y * w + x] = v;
        }
    }
}

pub(super) fn forward(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, c, h, w) = (d[0], d[1], d[2], d[3]);
    let (half, norm) = (w / 2 + 1, 1.0 / ((h * w) as f64).sqrt());
    let mut out = Vec::with_capacity(n * 2 * c * h * half);
    for plane in inputs[0].f32().chunks_exact(h * w) {
        let mut map: Vec<(f64, f64)> = Vec::with_capacity(h * half);
        for row in plane.chunks_exact(w) {
            let row: Vec<_> = row.iter().map(|v| (f64::from(*v), 0.0)).collect();
            map.extend(dft(&row, -1.0, half));
        }
        columns(&mut map, half, -1.0);
        out.extend(map.iter().map(|(re, _)| (re * norm) as f32));
        out.extend(map.iter().map(|(_, im)| (im * norm) as f32));
    }
    vec![Tensor::f32(&[n, 2 * c, h, half], out)]
}

pub(super) fn inverse(op: Irfft2, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (d, w) = (inputs[0].shape().dims(), inputs[1].shape().dims()[3]);
    let (n, c, h, half) = (d[0], d[1] / 2, d[2], d[3]);
    let norm = 1.0 / ((h * w) as f64).sqrt();
    let mut out = Vec::with_capacity(n * c * h * w);
    for pair in inputs[0].f32().chunks_exact(2 * h * half) {
        let (re, im) = pair.split_at(h * half);
        let mut map: Vec<_> = re
            .iter()
            .zip(im)
            .map(|(re, im)| (f64::from(*re), f64::from(*im)))
            .collect();
        columns(&mut map, half, 1.0);
        for row in map.chunks_exact(half) {
            // Hermitian completion: bins above W/2 are the conjugates of those below; DC and Nyquist are real.
            let full: Vec<_> = (0..w)
                .map(|l| {
                    let (re, im) = row[l.min(w - l)];
                    let im = if l == 0 || 2 * l == w { 0.0 } else { im };
                    (re, if 2 * l > w { -im } else { im })
                })
                .collect();
            out.extend(dft(&full, 1.0, w).iter().map(|(re, _)| (re * norm) as f32));
        }
    }
    if op.residual {
        out.iter_mut()
            .zip(inputs[2].f32())
            .for_each(|(o, r)| *o += r);
    }
    vec![Tensor::f32(&[n, c, h, w], out)]
}
