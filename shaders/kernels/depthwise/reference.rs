//! The meaning of [`super::Depthwise`], f64 accumulation.

use super::Depthwise;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Depthwise, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w, c) = (d[0], d[1], d[2], d[3]);
    let (oh, ow, data) = (
        h.div_ceil(op.stride),
        w.div_ceil(op.stride),
        inputs[0].f32(),
    );
    let residual = op.epilogue.residual.then(|| inputs[1].f32());
    let mut out = Vec::with_capacity(n * oh * ow * c);
    for at in 0..n * oh * ow * c {
        let (i, x, y, b) = (at % c, at / c % ow, at / (c * ow) % oh, at / (c * ow * oh));
        let mut acc = f64::from(op.bias[i]);
        for tap in 0..9 {
            let (sy, sx) = (y * op.stride + tap / 3, x * op.stride + tap % 3);
            if (1..=h).contains(&sy) && (1..=w).contains(&sx) {
                acc += f64::from(op.weight[i * 9 + tap])
                    * f64::from(data[((b * h + sy - 1) * w + sx - 1) * c + i]);
            }
        }
        out.push(op.epilogue.act.apply(acc as f32) + residual.map_or(0.0, |r| r[at]));
    }
    vec![Tensor::f32(&[n, oh, ow, c], out)]
}
