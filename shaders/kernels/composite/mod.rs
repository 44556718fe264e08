//! LaMa's result as bytes: the prediction inside the hole, the photo outside.
//!
//! `out = truncate(255 * (m * prediction + (1 - m) * image / 255))` per value, cropped to the image's size. The truncation
//! is the reference implementation's; photo bytes come back unchanged.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::lama_input::MULTIPLE;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "composite";

/// Inputs: prediction f32 `[N, 3, Hp, Wp]` in 0..1, image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]`. Output: u8 `[N, H, W, 3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Composite;

impl Op for Composite {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: "f32 [N, 3, Hp, Wp], u8 [N, H, W, 3] and u8 [N, H, W]".into(),
            got: format!("{inputs:?}"),
        };
        let [prediction, image, mask] = inputs else {
            return Err(wrong());
        };
        let Some([n, h, w, 3]) = image.shape.dims4() else {
            return Err(wrong());
        };
        let padded = TensorSpec::f32(&[
            n,
            3,
            h.next_multiple_of(MULTIPLE),
            w.next_multiple_of(MULTIPLE),
        ]);
        let bytes = image.dtype == DType::U8 && mask.dtype == DType::U8;
        if !bytes || *prediction != padded || mask.shape.dims() != [n, h, w] || n * h * w == 0 {
            return Err(wrong());
        }
        Ok(vec![image.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.get(1).map_or(0, |s| 4 * s.shape.elements() as u64)
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
    let mut rng = Rng::new(9);
    let dims: [[usize; 3]; 4] = [[1, 16, 24], [2, 15, 11], [1, 1, 1], [1, 3, 41]];
    dims.iter()
        .map(|[n, h, w]| {
            let (hp, wp) = (h.next_multiple_of(MULTIPLE), w.next_multiple_of(MULTIPLE));
            let prediction: Vec<f32> = rng
                .values(n * 3 * hp * wp, 0.5)
                .iter()
                .map(|v| v + 0.5)
                .collect();
            Case {
                name: format!("{n}x{h}x{w}"),
                op: Arc::new(Composite),
                inputs: vec![
                    Tensor::f32(&[*n, 3, hp, wp], prediction),
                    Tensor::u8(&[*n, *h, *w, 3], rng.bytes(n * h * w * 3)),
                    Tensor::u8(&[*n, *h, *w], rng.bytes(n * h * w)),
                ],
                tolerance: Tolerance {
                    absolute: 1.0,
                    relative: 0.0,
                    why: "truncation turns one ulp of the product into one step",
                },
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "prediction inside the hole, photo outside, as bytes",
    cases,
    variants: gpu::variants,
};
