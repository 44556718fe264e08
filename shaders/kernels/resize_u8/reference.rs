//! The meaning of [`super::ResizeU8`].

use super::ResizeU8;
use super::weights::{BITS, round, windows};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: ResizeU8, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w, c) = (d[0], d[1], d[2], d[3]);
    // An axis that keeps its size is not filtered.
    let wide = if w == op.width {
        inputs[0].u8().to_vec()
    } else {
        along(inputs[0].u8(), n * h, w, op.width, c)
    };
    let out = if h == op.height {
        wide
    } else {
        along(&wide, n, h, op.height, op.width * c)
    };
    vec![Tensor::u8(&[n, op.height, op.width, c], out)]
}

/// Resizes the middle axis of `[outer, from, inner]` to `to`.
fn along(data: &[u8], outer: usize, from: usize, to: usize, inner: usize) -> Vec<u8> {
    let windows = windows(from, to);
    let mut out = Vec::with_capacity(outer * to * inner);
    for o in 0..outer {
        for window in &windows {
            for i in 0..inner {
                let value = |k: usize| i32::from(data[(o * from + window.first + k) * inner + i]);
                let sum: i32 = window
                    .weights
                    .iter()
                    .enumerate()
                    .map(|(k, w)| w * value(k))
                    .sum();
                out.push(round(sum + (1 << (BITS - 1))));
            }
        }
    }
    out
}
