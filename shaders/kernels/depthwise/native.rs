//! Fast CPU twin of [`super::Depthwise`]: rows of the output over threads, channels in vectors.

use rayon::prelude::*;

use super::Depthwise;
use crate::common::epilogue::Act;
use crate::common::native::{Cached, Isa, Store, by_isa};
use crate::tensor::{TensorMut, TensorRef};

/// Weights as `[tap, C]`, made at first use.
pub(super) type Weights = Cached<Vec<f32>>;

/// Channels whose sums are in registers at a time.
const LANES: usize = 32;

pub(super) fn run(op: &Depthwise, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((x, [_, h, w, c])) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let isa = Isa::active();
    let weights = op.packed.get_or(isa, || {
        (0..9 * c)
            .map(|at| op.weight[at % c * 9 + at / c])
            .collect()
    });
    let residual = if op.epilogue.residual {
        inputs.last().map(TensorRef::f32)
    } else {
        None
    };
    let row_len = w.div_ceil(op.stride) * c;
    let store = Store {
        isa,
        act: op.epilogue.act,
    };
    output
        .f32()
        .par_chunks_exact_mut(row_len)
        .enumerate()
        .for_each_init(
            || vec![0.0; row_len],
            |sums, (row, out)| {
                let (image, y) = (
                    row / h.div_ceil(op.stride),
                    row % h.div_ceil(op.stride) * op.stride,
                );
                let image = &x[image * h * w * c..][..h * w * c];
                let lines = [y.checked_sub(1), Some(y), Some(y + 1).filter(|y| *y < h)];
                let lines = lines.map(|y| y.map(|y| &image[y * w * c..][..w * c]));
                let line = Line {
                    lines,
                    width: w,
                    stride: op.stride,
                    weights,
                    bias: &op.bias,
                };
                let residual = residual.map(|r| &r[row * row_len..][..row_len]);
                if store.act == Act::None && residual.is_none() {
                    by_isa!(isa, fill(line: Line<'_>, out: &mut [f32]));
                } else {
                    let into = &mut sums[..];
                    by_isa!(isa, fill(line: Line<'_>, into: &mut [f32]));
                    store.row(sums, 0.0, false, residual, out);
                }
            },
        );
}

/// One row of the output.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Input rows above, at and below it; `None` outside the map.
    lines: [Option<&'a [f32]>; 3],
    /// Pixels of an input row.
    width: usize,
    stride: usize,
    /// `[9, C]`
    weights: &'a [f32],
    bias: &'a [f32],
}

#[inline(always)]
fn fill(line: Line<'_>, out: &mut [f32]) {
    let c = line.bias.len();
    for (x, out) in out.chunks_exact_mut(c).enumerate() {
        let x = x * line.stride;
        // Taps inside the map: their weights and pixels.
        let mut taps: [(&[f32], &[f32]); 9] = [(&[], &[]); 9];
        let mut count = 0;
        for (ky, row) in line.lines.iter().enumerate() {
            let Some(row) = row else { continue };
            for kx in 0..3 {
                if (1..=line.width).contains(&(x + kx)) {
                    taps[count] = (
                        &line.weights[(ky * 3 + kx) * c..][..c],
                        &row[(x + kx - 1) * c..][..c],
                    );
                    count += 1;
                }
            }
        }
        if count == 9 {
            pixel(line.bias, &taps, out)
        } else {
            pixel(line.bias, &taps[..count], out)
        }
    }
}

#[inline(always)]
fn pixel(bias: &[f32], taps: &[(&[f32], &[f32])], out: &mut [f32]) {
    let (chunks, rest) = out.as_chunks_mut::<LANES>();
    let done = chunks.len() * LANES;
    for (i, out) in chunks.iter_mut().enumerate() {
        let part = |values: &[f32]| {
            values[i * LANES..]
                .first_chunk::<LANES>()
                .copied()
                .unwrap_or([0.0; LANES])
        };
        let mut sums = part(bias);
        for (weights, values) in taps {
            let (weights, values) = (part(weights), part(values));
            (0..LANES).for_each(|j| sums[j] += weights[j] * values[j]);
        }
        *out = sums;
    }
    for (i, out) in rest.iter_mut().enumerate() {
        *out = bias[done + i]
            + taps
                .iter()
                .map(|(weights, values)| weights[done + i] * values[done + i])
                .sum::<f32>();
    }
}
