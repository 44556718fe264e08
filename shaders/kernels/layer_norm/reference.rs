//! The meaning of [`super::LayerNorm`], in f64.

use super::{Axis, LayerNorm};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &LayerNorm, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (dims, data, c) = (inputs[0].shape().dims(), inputs[0].f32(), op.gamma.len());
    let plane = match op.axis {
        Axis::Last => 1,
        Axis::Channels => dims[2] * dims[3],
    };
    let mut out = vec![0.0f32; data.len()];
    for group in 0..data.len() / (c * plane) {
        for pixel in 0..plane {
            let at = |i: usize| (group * c + i) * plane + pixel;
            let mean = (0..c).map(|i| f64::from(data[at(i)])).sum::<f64>() / c as f64;
            let var = (0..c)
                .map(|i| (f64::from(data[at(i)]) - mean).powi(2))
                .sum::<f64>()
                / c as f64;
            for i in 0..c {
                let unit = (f64::from(data[at(i)]) - mean) / (var + f64::from(op.eps)).sqrt();
                out[at(i)] = (unit * f64::from(op.gamma[i]) + f64::from(op.beta[i])) as f32;
            }
        }
    }
    vec![Tensor::f32(dims, out)]
}
