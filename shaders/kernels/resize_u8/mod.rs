//! Antialiased bilinear resize of photo bytes, as Pillow does it: a triangle filter widened by the scale when shrinking,
//! first along x, rounded to 8 bits, then along y, rounded to 8 bits, with weights in 22-bit fixed point.
//!
//! SAM's published preprocessing goes through this function, so its rounding is part of the contract.

mod gpu;
mod native;
mod reference;
pub mod weights;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "resize_u8";

/// Input u8 `[N, H, W, C]`, output u8 `[N, height, width, C]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResizeU8 {
    /// Output height in pixels.
    pub height: usize,
    /// Output width in pixels.
    pub width: usize,
}

impl Op for ResizeU8 {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let dims = match inputs {
            [x] if x.dtype == DType::U8 && x.shape.elements() > 0 => x.shape.dims4(),
            _ => None,
        };
        dims.filter(|_| self.height > 0 && self.width > 0)
            .map(|[n, _, _, c]| vec![TensorSpec::u8(&[n, self.height, self.width, c])])
            .ok_or_else(|| KernelError::Mismatch {
                op: NAME,
                expected: "one u8 [N, H, W, C] and a size of at least 1x1".into(),
                got: format!("{inputs:?} to {self:?}"),
            })
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |x| 4 * x.shape.elements() as u64)
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
    let mut rng = Rng::new(31);
    let rows = [
        ([1, 30, 41, 3], [12, 16]),
        ([1, 9, 7, 3], [31, 24]),
        ([2, 16, 16, 3], [16, 16]),
        ([1, 5, 64, 1], [5, 9]),
        ([1, 1, 1, 3], [4, 3]),
        ([1, 200, 3, 3], [7, 3]),
    ];
    rows.iter()
        .map(|(d, [height, width])| Case {
            name: format!("{d:?} to {height}x{width}"),
            op: Arc::new(ResizeU8 {
                height: *height,
                width: *width,
            }),
            inputs: vec![Tensor::u8(d, rng.bytes(d.iter().product()))],
            tolerance: Tolerance {
                absolute: 0.0,
                relative: 0.0,
                why: "integer arithmetic",
            },
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "antialiased bilinear resize of bytes, rounded as Pillow rounds",
    cases,
    variants: gpu::variants,
};
