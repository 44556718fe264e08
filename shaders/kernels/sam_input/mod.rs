//! What SAM's encoders see: normalised RGB on the 0..255 scale, zero-padded at the right and bottom to a square.
//! `out[n,c,y,x] = (in[n,y,x,c] - mean[c]) / std[c]` inside the photo, 0 outside.

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

const NAME: &str = "sam_input";

/// Input u8 `[N, H, W, 3]` with H, W at most `side`; output f32 `[N, 3, side, side]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamInput {
    /// Side of the square in pixels.
    pub side: usize,
    /// Mean of red, green and blue, 0..255.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, 0..255, above 0.
    pub std: [f32; 3],
}

impl Op for SamInput {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let dims = match inputs {
            [x] if x.dtype == DType::U8 && x.shape.elements() > 0 => x.shape.dims4(),
            _ => None,
        };
        dims.filter(|[_, h, w, c]| *c == 3 && *h <= self.side && *w <= self.side)
            .map(|[n, ..]| vec![TensorSpec::f32(&[n, 3, self.side, self.side])])
            .ok_or_else(|| KernelError::Mismatch {
                op: NAME,
                expected: format!("one u8 [N, H, W, 3] of at most {0}x{0}", self.side),
                got: format!("{inputs:?}"),
            })
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |x| 2 * x.shape.elements() as u64)
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
    let mut rng = Rng::new(32);
    let rows = [
        ([1, 24, 32, 3], 32),
        ([2, 15, 11, 3], 16),
        ([1, 1, 1, 3], 8),
        ([1, 32, 9, 3], 32),
    ];
    rows.iter()
        .map(|(d, side)| Case {
            name: format!("{d:?} in {side}"),
            op: Arc::new(SamInput {
                side: *side,
                mean: [123.675, 116.28, 103.53],
                std: [58.395, 57.12, 57.375],
            }),
            inputs: vec![Tensor::u8(d, rng.bytes(d.iter().product()))],
            tolerance: Tolerance {
                absolute: 1e-6,
                relative: 1e-6,
                why: "one subtraction and one division",
            },
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "photo bytes to SAM's normalised, zero-padded input",
    cases,
    variants: gpu::variants,
};
