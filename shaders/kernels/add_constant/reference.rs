//! The meaning of [`super::AddConstant`].

use super::AddConstant;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &AddConstant, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let sum = inputs[0]
        .f32()
        .iter()
        .zip(op.constant.iter().cycle())
        .map(|(a, b)| a + b)
        .collect();
    vec![Tensor::f32(inputs[0].shape().dims(), sum)]
}
