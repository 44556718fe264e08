//! The meaning of [`super::Upsample`].

use super::Upsample;
use crate::tensor::{Tensor, TensorRef};

/// The two source pixels of an output pixel and the weight of the second.
pub(super) fn taps(i: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let scale = from as f32 / to as f32;
    let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
    let first = (at as usize).min(from - 1);
    (first, (first + 1).min(from - 1), at - first as f32)
}

pub(super) fn run(op: Upsample, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, c, h, w) = (d[0], d[1], d[2], d[3]);
    let [ch, cw] = op.used(h, w);
    let mut out = Vec::with_capacity(n * c * op.height * op.width);
    for plane in inputs[0].f32().chunks_exact(h * w) {
        for y in 0..op.height {
            let (y0, y1, fy) = taps(y, ch, op.height);
            for x in 0..op.width {
                let (x0, x1, fx) = taps(x, cw, op.width);
                let row = |y: usize| plane[y * w + x0] * (1.0 - fx) + plane[y * w + x1] * fx;
                out.push(row(y0) * (1.0 - fy) + row(y1) * fy);
            }
        }
    }
    vec![Tensor::f32(&[n, c, op.height, op.width], out)]
}
