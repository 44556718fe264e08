//! Between channels-first maps `[N, C, H, W]` and channels-last maps `[N, H, W, C]`.

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

const NAME: &str = "permute";

/// The direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permute {
    /// `[N, C, H, W]` to `[N, H, W, C]`.
    ChannelsLast,
    /// `[N, H, W, C]` to `[N, C, H, W]`.
    ChannelsFirst,
}

impl Op for Permute {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let dims = match inputs {
            [x] if x.dtype == DType::F32 && x.shape.elements() > 0 => x.shape.dims4(),
            _ => None,
        };
        let [a, b, c, d] = dims.ok_or_else(|| KernelError::Mismatch {
            op: NAME,
            expected: "one f32 tensor of four axes".into(),
            got: format!("{inputs:?}"),
        })?;
        Ok(vec![TensorSpec::f32(&match self {
            Permute::ChannelsLast => [a, c, d, b],
            Permute::ChannelsFirst => [a, d, b, c],
        })])
    }
    fn flops(&self, _inputs: &[TensorSpec]) -> u64 {
        0
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(*self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        let _ = scratch;
        if let [output] = outputs {
            native::run(*self, inputs, output);
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(28);
    let mut case = |op: Permute, d: &[usize]| {
        let tolerance = Tolerance {
            absolute: 0.0,
            relative: 0.0,
            why: "values are only moved",
        };
        Case {
            name: format!("{op:?} {d:?}"),
            op: Arc::new(op),
            inputs: vec![Tensor::f32(d, rng.values(d.iter().product(), 1.0))],
            tolerance,
        }
    };
    let dims: [&[usize]; 4] = [
        &[1, 7, 15, 11],
        &[2, 33, 4, 9],
        &[1, 1, 1, 1],
        &[1, 64, 16, 16],
    ];
    dims.iter()
        .flat_map(|d| {
            [
                case(Permute::ChannelsLast, d),
                case(Permute::ChannelsFirst, d),
            ]
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "between channels-first and channels-last maps",
    cases,
    variants: gpu::variants,
};
