//! The meaning of [`super::Linear`]: plain loops, f64 accumulation.

use super::Linear;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Linear, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let mut dims = inputs[0].shape().dims().to_vec();
    let (ic, oc) = (op.in_channels, op.out_channels);
    let residual = op.epilogue.residual.then(|| inputs[1].f32());
    let mut out = Vec::with_capacity(inputs[0].shape().elements() / ic * oc);
    for (t, x) in inputs[0].f32().chunks_exact(ic).enumerate() {
        for o in 0..oc {
            let row = t % op.groups * oc + o;
            let products = x
                .iter()
                .zip(&op.weight[row * ic..])
                .map(|(a, b)| f64::from(*a) * f64::from(*b));
            let acc = f64::from(op.bias[row]) + products.sum::<f64>();
            out.push(op.epilogue.act.apply(acc as f32) + residual.map_or(0.0, |r| r[t * oc + o]));
        }
    }
    if let Some(last) = dims.last_mut() {
        *last = oc;
    }
    vec![Tensor::f32(&dims, out)]
}
