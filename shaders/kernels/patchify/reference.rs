//! The meaning of [`super::Patchify`].

use super::Patchify;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: Patchify, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (d, p) = (inputs[0].shape().dims(), op.side);
    let (n, c, h, w) = (d[0], d[1], d[2], d[3]);
    let (rows, columns, length) = (h / p, w / p, c * p * p);
    let value = |at: usize| {
        let (i, x, y, b) = (
            at % length,
            at / length % columns,
            at / (length * columns) % rows,
            at / (length * columns * rows),
        );
        let (kx, ky, channel) = (i % p, i / p % p, i / (p * p));
        inputs[0].f32()[((b * c + channel) * h + y * p + ky) * w + x * p + kx]
    };
    vec![Tensor::f32(
        &[n, rows, columns, length],
        (0..n * c * h * w).map(value).collect(),
    )]
}
