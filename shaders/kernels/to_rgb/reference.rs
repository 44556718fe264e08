//! The meaning of [`super::ToRgb`], f64 accumulation.

use super::ToRgb;
use crate::separable::doubled;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &ToRgb, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let [n, h, w, c] = inputs[0].shape().dims4().unwrap_or_default();
    let x = inputs[0].f32();
    let coarser = inputs.get(1).map(|coarser| doubled(&coarser.to_tensor()));
    let coarser = coarser.as_ref().and_then(Tensor::as_f32);
    let level = |pixel: usize, o: usize| {
        let products = (0..c)
            .map(|i| f64::from(op.weight[o * c + i]) * f64::from(x[pixel * c + i]))
            .sum::<f64>();
        let below = coarser.map_or(0.0, |coarser| coarser[pixel * 3 + o]);
        (products + f64::from(op.bias[o]) + f64::from(below)) as f32
    };
    if !op.last {
        let values = (0..n * h * w * 3).map(|at| level(at / 3, at % 3));
        return vec![Tensor::f32(&[n, h, w, 3], values.collect())];
    }
    let plane = h * w;
    let values = (0..n * 3 * plane).map(|at| {
        let (pixel, o, b) = (at % plane, at / plane % 3, at / (3 * plane));
        ((level(b * plane + pixel, o) + 1.0) / 2.0).clamp(0.0, 1.0)
    });
    vec![Tensor::f32(&[n, 3, h, w], values.collect())]
}
