//! Fast CPU twin of [`super::LayerNorm`]: tokens, or runs of pixels, over threads.

use rayon::prelude::*;

use super::{Axis, LayerNorm};
use crate::common::native::{Isa, by_isa};
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

/// Partial sums of a token.
const LANES: usize = 32;

pub(super) fn run(op: &LayerNorm, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let [x] = inputs else { return };
    let (isa, c) = (Isa::active(), op.gamma.len());
    match op.axis {
        Axis::Last => {
            let piece = (PIECE / c).max(1) * c;
            let pieces = output
                .f32()
                .par_chunks_mut(piece)
                .zip(x.f32().par_chunks(piece));
            pieces.for_each(
                |(out, x)| by_isa!(isa, tokens(op: &LayerNorm, x: &[f32], out: &mut [f32])),
            );
        }
        Axis::Channels => {
            let image = c * x.shape().dims()[2..].iter().product::<usize>();
            let images = output
                .f32()
                .par_chunks_mut(image)
                .zip(x.f32().par_chunks(image));
            images.for_each(
                |(out, x)| by_isa!(isa, planes(op: &LayerNorm, x: &[f32], out: &mut [f32])),
            );
        }
    }
}

#[inline(always)]
fn tokens(op: &LayerNorm, x: &[f32], out: &mut [f32]) {
    let c = op.gamma.len();
    for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
        let mean = sum(x, |v| v) / c as f32;
        let inverse = 1.0 / (sum(x, |v| (v - mean) * (v - mean)) / c as f32 + op.eps).sqrt();
        let values = out
            .iter_mut()
            .zip(x)
            .zip(op.gamma.iter())
            .zip(op.beta.iter());
        values.for_each(|(((o, v), gamma), beta)| *o = (v - mean) * inverse * gamma + beta);
    }
}

#[inline(always)]
fn sum(x: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        (0..LANES).for_each(|i| sums[i] += value(chunk[i]));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|v| value(*v)).sum::<f32>()
}

/// One image `[C, pixels]`: statistics of a run of pixels at a time, which are the lanes.
#[inline(always)]
fn planes(op: &LayerNorm, x: &[f32], out: &mut [f32]) {
    let c = op.gamma.len();
    let pixels = x.len() / c;
    for first in (0..pixels).step_by(LANES) {
        let len = LANES.min(pixels - first);
        let (mut mean, mut inverse) = ([0.0; LANES], [0.0; LANES]);
        for plane in x.chunks_exact(pixels) {
            mean.iter_mut()
                .zip(&plane[first..first + len])
                .for_each(|(m, v)| *m += v / c as f32);
        }
        for plane in x.chunks_exact(pixels) {
            let values = inverse
                .iter_mut()
                .zip(&mean)
                .zip(&plane[first..first + len]);
            values.for_each(|((s, m), v)| *s += (v - m) * (v - m) / c as f32);
        }
        inverse
            .iter_mut()
            .for_each(|v| *v = 1.0 / (*v + op.eps).sqrt());
        for (i, (out, plane)) in out
            .chunks_exact_mut(pixels)
            .zip(x.chunks_exact(pixels))
            .enumerate()
        {
            let values = out[first..first + len]
                .iter_mut()
                .zip(&plane[first..first + len])
                .zip(mean.iter().zip(&inverse));
            values.for_each(|((o, v), (mean, inverse))| {
                *o = (v - mean) * inverse * op.gamma[i] + op.beta[i]
            });
        }
    }
}
