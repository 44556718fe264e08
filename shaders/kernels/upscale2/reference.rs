//! The meaning of [`super::Upscale2`], f64 accumulation.

use super::Upscale2;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Upscale2, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w, ic, oc) = (d[0], d[1], d[2], d[3], op.bias.len());
    let mut out = Vec::with_capacity(n * h * w * 4 * oc);
    for at in 0..n * 4 * h * w * oc {
        let (o, x, y, b) = (
            at % oc,
            at / oc % (2 * w),
            at / (oc * 2 * w) % (2 * h),
            at / (oc * 4 * w * h),
        );
        let pixel = &inputs[0].f32()[((b * h + y / 2) * w + x / 2) * ic..][..ic];
        let tap = |i: usize| ((i * oc + o) * 2 + y % 2) * 2 + x % 2;
        let sum: f64 = pixel
            .iter()
            .enumerate()
            .map(|(i, v)| f64::from(*v) * f64::from(op.weight[tap(i)]))
            .sum();
        out.push(op.act.apply((sum + f64::from(op.bias[o])) as f32));
    }
    vec![Tensor::f32(&[n, 2 * h, 2 * w, oc], out)]
}
