//! Non-overlapping square patches of a channels-first map as rows: `[N, C, H, W]` to `[N, H/p, W/p, C*p*p]`, values of a
//! patch ordered channel, row, column. A convolution with kernel and stride p is this and a linear layer.

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

const NAME: &str = "patchify";

/// Input f32 `[N, C, H, W]` with H, W multiples of `side`; output f32 `[N, H/side, W/side, C*side*side]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patchify {
    /// Side of a patch in pixels.
    pub side: usize,
}

impl Op for Patchify {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let p = self.side;
        let dims = match inputs {
            [x] if x.dtype == DType::F32 && x.shape.elements() > 0 && p > 0 => x.shape.dims4(),
            _ => None,
        };
        dims.filter(|[_, _, h, w]| h % p == 0 && w % p == 0)
            .map(|[n, c, h, w]| vec![TensorSpec::f32(&[n, h / p, w / p, c * p * p])])
            .ok_or_else(|| KernelError::Mismatch {
                op: NAME,
                expected: format!("one f32 [N, C, H, W] with sides that are multiples of {p}"),
                got: format!("{inputs:?}"),
            })
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
    let mut rng = Rng::new(34);
    let rows = [
        ([1, 3, 32, 48], 16),
        ([2, 2, 6, 9], 3),
        ([1, 1, 1, 1], 1),
        ([1, 5, 4, 10], 2),
    ];
    rows.iter()
        .map(|(d, side)| Case {
            name: format!("{d:?} by {side}"),
            op: Arc::new(Patchify { side: *side }),
            inputs: vec![Tensor::f32(d, rng.values(d.iter().product(), 1.0))],
            tolerance: Tolerance {
                absolute: 0.0,
                relative: 0.0,
                why: "values are only moved",
            },
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "square patches of a map as rows",
    cases,
    variants: gpu::variants,
};
