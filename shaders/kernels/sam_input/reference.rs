//! The meaning of [`super::SamInput`].

use super::SamInput;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: SamInput, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w, side) = (d[0], d[1], d[2], op.side);
    let mut out = vec![0.0f32; n * 3 * side * side];
    for (at, byte) in inputs[0].u8().iter().enumerate() {
        let (c, x, y, b) = (at % 3, at / 3 % w, at / (3 * w) % h, at / (3 * w * h));
        out[((b * 3 + c) * side + y) * side + x] = (f32::from(*byte) - op.mean[c]) / op.std[c];
    }
    vec![Tensor::f32(&[n, 3, side, side], out)]
}
