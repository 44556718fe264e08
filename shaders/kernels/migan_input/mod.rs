//! What MI-GAN sees: whether a pixel is known, and the photo with the hole blanked, channels last.
//!
//! `out[n, .., 0] = known - 0.5`, `out[n, .., 1..4] = known * (rgb / 127.5 - 1)`, with `known = 0` where the mask byte is at least
//! 128 and 1 elsewhere. Bottom and right are padded as numpy's `symmetric` does (edge pixel repeated), the mask too.

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

const NAME: &str = "migan_input";

/// Inputs: image u8 `[N, H, W, 3]`, mask u8 `[N, H, W]`. Output: f32 `[N, Hp, Wp, 4]`, sides the next multiples of `multiple`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MiganInput {
    /// Sides of the output are multiples of this many pixels.
    pub multiple: usize,
}

/// The four values of a pixel.
#[inline]
fn values(rgb: &[u8], mask: u8) -> [f32; 4] {
    if mask >= crate::lama_input::MASK_CUT {
        return [-0.5, 0.0, 0.0, 0.0];
    }
    let colour = |i: usize| f32::from(rgb[i]) / 127.5 - 1.0;
    [0.5, colour(0), colour(1), colour(2)]
}

impl Op for MiganInput {
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
        if !bytes || mask.shape.dims() != [n, h, w] || n * h * w * self.multiple == 0 {
            return Err(wrong());
        }
        let side = |px: usize| px.next_multiple_of(self.multiple);
        Ok(vec![TensorSpec::f32(&[n, side(h), side(w), 4])])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |s| 2 * s.shape.elements() as u64)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(*self, inputs)
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
    let mut rng = Rng::new(32);
    let rows = [
        ([1, 16, 24], 8),
        ([2, 15, 11], 16),
        ([1, 1, 1], 4),
        ([1, 3, 41], 1),
        ([1, 9, 2], 32),
    ];
    let case = |([n, h, w], multiple): ([usize; 3], usize)| Case {
        name: format!("{n}x{h}x{w} to multiples of {multiple}"),
        op: Arc::new(MiganInput { multiple }),
        inputs: vec![
            Tensor::u8(&[n, h, w, 3], rng.bytes(n * h * w * 3)),
            Tensor::u8(&[n, h, w], rng.bytes(n * h * w)),
        ],
        tolerance: Tolerance {
            absolute: 1e-6,
            relative: 0.0,
            why: "one division",
        },
    };
    rows.map(case).into()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "photo and mask bytes to MI-GAN's padded four-channel input",
    cases,
    variants: gpu::variants,
};
