//! The meaning of [`super::ConvTranspose2d`]: scatter every input value over its 3x3 outputs, f64 accumulation.

use super::{ConvTranspose2d, KERNEL};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &ConvTranspose2d, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w, oc) = (d[0], d[2], d[3], op.out_channels);
    let (oh, ow) = (2 * h, 2 * w);
    let mut acc = vec![0.0f64; n * oc * oh * ow];
    for (segment, input) in op.segments.iter().zip(inputs) {
        let data = input.f32();
        for (at, value) in data.iter().enumerate() {
            let (x, y, i, b) = (
                at % w,
                at / w % h,
                at / (w * h) % segment.in_channels,
                at / (w * h * segment.in_channels),
            );
            for o in 0..oc {
                for ky in 0..KERNEL {
                    for kx in 0..KERNEL {
                        let (oy, ox) = (2 * y + ky, 2 * x + kx);
                        if oy < 1 || ox < 1 || oy > oh || ox > ow {
                            continue;
                        }
                        let weight = segment.weight[((i * oc + o) * KERNEL + ky) * KERNEL + kx];
                        acc[((b * oc + o) * oh + oy - 1) * ow + ox - 1] +=
                            f64::from(*value) * f64::from(weight);
                    }
                }
            }
        }
    }
    let residual = op
        .epilogue
        .residual
        .then(|| inputs[op.segments.len()].f32());
    let out = acc.iter().enumerate().map(|(at, a)| {
        let o = at / (oh * ow) % oc;
        op.epilogue.act.apply((a + f64::from(op.bias[o])) as f32) + residual.map_or(0.0, |r| r[at])
    });
    vec![Tensor::f32(&[n, oc, oh, ow], out.collect())]
}
