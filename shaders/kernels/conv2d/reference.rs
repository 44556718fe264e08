//! The meaning of [`super::Conv2d`]: plain loops, f64 accumulation.

use super::Conv2d;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Conv2d, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let specs: Vec<_> = inputs
        .iter()
        .map(|t| crate::TensorSpec::f32(t.shape().dims()))
        .collect();
    let Some([n, oc, oh, ow]) = crate::Op::infer(op, &specs)
        .ok()
        .and_then(|o| o[0].shape.dims4())
    else {
        return Vec::new();
    };
    let residual = op
        .epilogue
        .residual
        .then(|| inputs[op.segments.len()].f32());
    let mut out = vec![0.0f32; n * oc * oh * ow];
    for b in 0..n {
        for o in 0..oc {
            for y in 0..oh {
                for x in 0..ow {
                    let at = ((b * oc + o) * oh + y) * ow + x;
                    let acc = f64::from(op.bias[o]) + sum(op, inputs, b, o, y, x);
                    let value = op.epilogue.act.apply(acc as f32);
                    out[at] = value + residual.map_or(0.0, |r| r[at]);
                }
            }
        }
    }
    vec![Tensor::f32(&[n, oc, oh, ow], out)]
}

/// The accumulator of one output value, over all segments.
fn sum(op: &Conv2d, inputs: &[TensorRef<'_>], b: usize, o: usize, y: usize, x: usize) -> f64 {
    let mut acc = 0.0;
    for (s, input) in op.segments.iter().zip(inputs) {
        let d = input.shape().dims();
        let (h, w, k, p) = (d[2], d[3], s.kernel, s.padding.amount() as isize);
        let data = input.f32();
        for i in 0..s.in_channels {
            for ky in 0..k {
                let Some(iy) = s.padding.source((y * op.stride + ky) as isize - p, h) else {
                    continue;
                };
                for kx in 0..k {
                    let Some(ix) = s.padding.source((x * op.stride + kx) as isize - p, w) else {
                        continue;
                    };
                    let weight = s.weight[((o * s.in_channels + i) * k + ky) * k + kx];
                    acc += f64::from(weight)
                        * f64::from(data[((b * s.in_channels + i) * h + iy) * w + ix]);
                }
            }
        }
    }
    acc
}
