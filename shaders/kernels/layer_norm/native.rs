//! Fast CPU twin of [`super::LayerNorm`]: tokens, or runs of pixels, over threads.

use super::{Axis, LayerNorm};
use crate::common::native::{Isa, by_isa, part, run_pieces};
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

/// Partial sums of a token.
const LANES: usize = 32;

pub(super) fn run(op: &LayerNorm, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let [x] = inputs else { return };
    let (isa, c) = (Isa::active(), op.gamma.len());
    let image = c * x.shape().dims().iter().skip(2).product::<usize>();
    let x = x.f32();
    match op.axis {
        Axis::Last => {
            let piece = (PIECE / c).max(1) * c;
            run_pieces(output.f32(), piece, |index, out| {
                let x = &x[index * piece..][..out.len()];
                by_isa!(isa, tokens(op: &LayerNorm, x: &[f32], out: &mut [f32]));
            });
        }
        Axis::Channels => {
            run_pieces(output.f32(), image, |index, out| {
                let x = &x[index * image..][..image];
                by_isa!(isa, planes(op: &LayerNorm, x: &[f32], out: &mut [f32]));
            });
        }
    }
}

#[inline(always)]
fn tokens(op: &LayerNorm, x: &[f32], out: &mut [f32]) {
    let c = op.gamma.len();
    for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
        let mean = moment::<1>(x, 0.0) / c as f32;
        let inverse = 1.0 / (moment::<2>(x, mean) / c as f32 + op.eps).sqrt();
        let weights = op.gamma.iter().zip(op.beta.iter());
        for ((o, v), (gamma, beta)) in out.iter_mut().zip(x).zip(weights) {
            *o = (v - mean) * inverse * gamma + beta;
        }
    }
}

/// Sum of `(x - centre)^POWER`, for a power of 1 or 2.
#[inline(always)]
fn moment<const POWER: usize>(x: &[f32], centre: f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (mut lanes, mut sum) = ([0.0; LANES], 0.0);
    for chunk in chunks {
        for i in 0..LANES {
            let v = chunk[i] - centre;
            lanes[i] += if POWER == 2 { v * v } else { v };
        }
    }
    for v in rest {
        let v = v - centre;
        sum += if POWER == 2 { v * v } else { v };
    }
    for lane in lanes {
        sum += lane;
    }
    sum
}

/// One image `[C, pixels]`: statistics of a run of pixels at a time, which are the lanes.
#[inline(always)]
fn planes(op: &LayerNorm, x: &[f32], out: &mut [f32]) {
    let pixels = x.len() / op.gamma.len();
    let whole = pixels / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        run_of::<LANES>(op, x, out, first);
    }
    for first in whole..pixels {
        run_of::<1>(op, x, out, first);
    }
}

/// `L` pixels from `first` on.
#[inline(always)]
fn run_of<const L: usize>(op: &LayerNorm, x: &[f32], out: &mut [f32], first: usize) {
    let c = op.gamma.len();
    let pixels = x.len() / c;
    let (mut mean, mut inverse) = ([0.0; L], [0.0; L]);
    for plane in x.chunks_exact(pixels) {
        let values = part::<L>(plane, first);
        for i in 0..L {
            mean[i] += values[i];
        }
    }
    for v in &mut mean {
        *v /= c as f32;
    }
    for plane in x.chunks_exact(pixels) {
        let values = part::<L>(plane, first);
        for i in 0..L {
            inverse[i] += (values[i] - mean[i]) * (values[i] - mean[i]);
        }
    }
    for v in &mut inverse {
        *v = 1.0 / (*v / c as f32 + op.eps).sqrt();
    }
    let planes = out.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels));
    let weights = op.gamma.iter().zip(op.beta.iter());
    for ((out, plane), (gamma, beta)) in planes.zip(weights) {
        let mut values = *part::<L>(plane, first);
        for i in 0..L {
            values[i] = (values[i] - mean[i]) * inverse[i] * gamma + beta;
        }
        out[first..first + L].copy_from_slice(&values);
    }
}
