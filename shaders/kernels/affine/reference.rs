//! The meaning of [`super::Affine`].

use super::Affine;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Affine, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let plane = d[2] * d[3];
    let map = |(at, v): (usize, &f32)| {
        let c = at / plane % d[1];
        op.scale[c] * v + op.shift[c]
    };
    vec![Tensor::f32(
        d,
        inputs[0].f32().iter().enumerate().map(map).collect(),
    )]
}
