//! The meaning of [`super::TokenSlice`].

use super::TokenSlice;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: TokenSlice, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, t, c) = (d[0], d[1], d[2]);
    let samples = inputs[0].f32().chunks_exact(t * c);
    let out = samples
        .flat_map(|s| s[op.start * c..(op.start + op.count) * c].iter().copied())
        .collect();
    vec![Tensor::f32(&[n, op.count, c], out)]
}
