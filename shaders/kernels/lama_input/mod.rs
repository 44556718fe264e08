//! What LaMa sees: the photo with the hole blanked, and the hole, padded to a multiple of 8.
//!
//! `out[n, 0..3] = (1 - m) * rgb / 255`, `out[n, 3] = m` with `m = 1` where the mask byte is at least 128.
//! Bottom and right are padded as numpy's `symmetric` does (edge pixel repeated).

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

const NAME: &str = "lama_input";

/// Sides of the network's input are multiples of this many pixels.
pub const MULTIPLE: usize = 8;

/// Mask bytes from this value on mark the hole.
pub const MASK_CUT: u8 = 128;

/// Inputs: image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]`. Output: f32 `[N, 4, Hp, Wp]`, Hp and Wp the next multiples of 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LamaInput;

/// Index of the pixel that stands at position `i` of an axis of `n` pixels after symmetric padding behind its end.
#[inline]
pub fn symmetric(i: usize, n: usize) -> usize {
    let j = i % (2 * n);
    if j < n { j } else { 2 * n - 1 - j }
}

impl Op for LamaInput {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: "u8 [N, H, W, 3] and u8 [N, H, W]".into(),
            got: format!("{inputs:?}"),
        };
        let [image, mask] = inputs else {
            return Err(wrong());
        };
        let Some([n, h, w, 3]) = image.shape.dims4() else {
            return Err(wrong());
        };
        let bytes = image.dtype == DType::U8 && mask.dtype == DType::U8;
        if !bytes || mask.shape.dims() != [n, h, w] || n * h * w == 0 {
            return Err(wrong());
        }
        Ok(vec![TensorSpec::f32(&[
            n,
            4,
            h.next_multiple_of(MULTIPLE),
            w.next_multiple_of(MULTIPLE),
        ])])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |s| 2 * s.shape.elements() as u64)
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
    let mut rng = Rng::new(8);
    let dims = [[1, 16, 24], [2, 15, 11], [1, 1, 1], [1, 3, 41], [1, 9, 2]];
    dims.iter()
        .map(|[n, h, w]| Case {
            name: format!("{n}x{h}x{w}"),
            op: Arc::new(LamaInput),
            inputs: vec![
                Tensor::u8(&[*n, *h, *w, 3], rng.bytes(n * h * w * 3)),
                Tensor::u8(&[*n, *h, *w], rng.bytes(n * h * w)),
            ],
            tolerance: Tolerance {
                absolute: 1e-6,
                relative: 0.0,
                why: "one division",
            },
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "photo and mask bytes to LaMa's padded four-channel input",
    cases,
    variants: gpu::variants,
};
