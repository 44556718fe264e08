//! Fast CPU twin of [`super::Conv2d`].

mod gemm;
mod im2col;

use super::Conv2d;
use crate::native::{Cached, Isa, Packed};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Weights laid out for the processor, made at first use.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    gemm: Cached<Packed>,
}

pub(super) fn scratch(op: &Conv2d, inputs: &[TensorSpec]) -> usize {
    let dims: Vec<_> = inputs.iter().filter_map(|s| s.shape.dims4()).collect();
    let Some(plan) = gemm::Plan::new(op, Isa::active(), &dims) else { return 0 };
    plan.scratch()
}

pub(super) fn run(op: &Conv2d, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>, scratch: &mut [f32]) {
    let weights = op.packed.gemm.get_or(|| gemm::pack(op, Isa::active()));
    let dims: Vec<_> = inputs.iter().filter_map(|t| t.shape().dims4()).collect();
    let Some(plan) = gemm::Plan::new(op, weights.isa(), &dims) else { return };
    let data: Vec<&[f32]> = inputs.iter().map(TensorRef::f32).collect();
    plan.run(op, weights, &data, output.f32(), scratch);
}
