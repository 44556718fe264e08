//! Sum of two float tensors of equal shape. In networks it is fused into one of its producers.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "add";

/// `out = a + b`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Add;

impl Op for Add {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        match inputs {
            [a, b] if a == b && a.dtype == DType::F32 => Ok(vec![a.clone()]),
            _ => Err(KernelError::Mismatch {
                op: NAME,
                expected: "two f32 tensors of one shape".into(),
                got: format!("{inputs:?}"),
            }),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |s| s.shape.elements() as u64)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(inputs)
    }

    fn native(
        &self,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        _scratch: &mut [f32],
    ) {
        outputs
            .iter_mut()
            .for_each(|output| native::run(inputs, output));
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(5);
    let dims: [&[usize]; 3] = [&[1, 3, 15, 11], &[2, 2, 12, 20], &[1, 1, 1, 1]];
    dims.iter()
        .map(|d| {
            let n = d.iter().product();
            let inputs = vec![
                Tensor::f32(d, rng.values(n, 3.0)),
                Tensor::f32(d, rng.values(n, 3.0)),
            ];
            let tolerance = Tolerance {
                absolute: 0.0,
                relative: 1e-6,
                why: "one addition",
            };
            Case {
                name: format!("{d:?}"),
                op: Arc::new(Add),
                inputs,
                tolerance,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "sum of two tensors",
    cases,
    variants: gpu::variants,
};
