//! Fast CPU twin of [`super::Depthwise`]: rows of the output over threads, channels in vectors.

use super::Depthwise;
use crate::common::epilogue::Act;
use crate::common::native::{Cached, Disjoint, Isa, Store, by_isa, lanes, part, run_tasks};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Weights as `[tap, C]`, made at first use.
pub(super) type Weights = Cached<Vec<f32>>;

/// Channels whose sums are in registers at a time.
const LANES: usize = 32;

/// A row of sums for each thread.
pub(super) fn scratch(op: &Depthwise, inputs: &[TensorSpec]) -> usize {
    let dims = inputs.first().and_then(|x| x.shape.dims4());
    dims.map_or(0, |[_, _, w, c]| lanes() * w.div_ceil(op.stride) * c)
}

pub(super) fn run(
    op: &Depthwise,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
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
    let (row_len, rows) = (w.div_ceil(op.stride) * c, h.div_ceil(op.stride));
    let store = Store {
        isa,
        act: op.epilogue.act,
    };
    let direct = store.act == Act::None && residual.is_none();
    let count = output.f32().len() / row_len;
    let output = Disjoint::new(output.f32());
    run_tasks(count, scratch, row_len, |row, sums| {
        let (image, y) = (row / rows, row % rows * op.stride);
        let image = &x[image * h * w * c..][..h * w * c];
        let lines = [y.checked_sub(1), Some(y), Some(y + 1).filter(|y| *y < h)];
        let line = Line {
            lines: lines.map(|y| y.map(|y| &image[y * w * c..][..w * c])),
            width: w,
            stride: op.stride,
            weights,
            bias: &op.bias,
        };
        // SAFETY: each task writes its own row.
        let out = unsafe { output.slice(row * row_len, row_len) };
        let into = if direct { &mut *out } else { &mut *sums };
        by_isa!(isa, fill(line: Line<'_>, into: &mut [f32]));
        if !direct {
            let residual = residual.map(|r| &r[row * row_len..][..row_len]);
            store.row(sums, 0.0, false, residual, out);
        }
    });
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
        let mut sums = *part::<LANES>(bias, i * LANES);
        for (weights, values) in taps {
            let (weights, values) = (
                part::<LANES>(weights, i * LANES),
                part::<LANES>(values, i * LANES),
            );
            for j in 0..LANES {
                sums[j] += weights[j] * values[j];
            }
        }
        *out = sums;
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let mut sum = bias[done + i];
        for (weights, values) in taps {
            sum += weights[done + i] * values[done + i];
        }
        *out = sum;
    }
}
