//! The meaning of [`super::Permute`]: a transposition of `[rows][columns]` per sample.

use super::Permute;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: Permute, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (rows, columns, dims) = match op {
        Permute::ChannelsLast => (d[1], d[2] * d[3], [d[0], d[2], d[3], d[1]]),
        Permute::ChannelsFirst => (d[1] * d[2], d[3], [d[0], d[3], d[1], d[2]]),
    };
    let samples = inputs[0].f32().chunks_exact(rows * columns);
    let out = samples
        .flat_map(|s| (0..columns).flat_map(move |c| (0..rows).map(move |r| s[r * columns + c])))
        .collect();
    vec![Tensor::f32(&dims, out)]
}
