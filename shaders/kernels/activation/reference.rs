//! The meaning of [`super::Activation`].

use super::Activation;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: Activation, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let act = op.act();
    vec![Tensor::f32(
        inputs[0].shape().dims(),
        inputs[0].f32().iter().map(|v| act.apply(*v)).collect(),
    )]
}
