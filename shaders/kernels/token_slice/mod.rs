//! A run of tokens of every sample: `[N, T, C]` to `[N, count, C]`.

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

const NAME: &str = "token_slice";

/// Tokens `start .. start + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSlice {
    /// First token.
    pub start: usize,
    /// Number of tokens, at least 1.
    pub count: usize,
}

impl Op for TokenSlice {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 [N, T, C] with at least {} tokens",
                self.start + self.count
            ),
            got: format!("{inputs:?}"),
        };
        let [x] = inputs else { return Err(wrong()) };
        match x.shape.dims() {
            [n, t, c]
                if x.dtype == DType::F32
                    && self.count > 0
                    && self.start + self.count <= *t
                    && n * c > 0 =>
            {
                Ok(vec![TensorSpec::f32(&[*n, self.count, *c])])
            }
            _ => Err(wrong()),
        }
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
    let mut rng = Rng::new(30);
    let rows = [
        ([1, 7, 9], 0, 1),
        ([2, 9, 32], 1, 4),
        ([1, 1, 1], 0, 1),
        ([3, 5, 6], 4, 1),
    ];
    rows.iter()
        .map(|(d, start, count)| Case {
            name: format!("{d:?} {start}+{count}"),
            op: Arc::new(TokenSlice {
                start: *start,
                count: *count,
            }),
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
    summary: "a run of tokens of every sample",
    cases,
    variants: gpu::variants,
};
