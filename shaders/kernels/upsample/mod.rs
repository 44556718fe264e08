//! Bilinear resize of float maps, half-pixel centres (PyTorch `interpolate(mode="bilinear", align_corners=False)`), of
//! the top left part of the input: SAM's logits, whose right or bottom is padding.

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

const NAME: &str = "upsample";

/// Input f32 `[N, C, H, W]`, of which the top left `crop` is resized; output f32 `[N, C, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upsample {
    /// Height and width in input pixels of the part that is used; `None` = all.
    pub crop: Option<[usize; 2]>,
    /// Output height in pixels.
    pub height: usize,
    /// Output width in pixels.
    pub width: usize,
}

impl Upsample {
    /// Height and width of the used part of an input.
    pub fn used(&self, h: usize, w: usize) -> [usize; 2] {
        self.crop.unwrap_or([h, w])
    }
}

impl Op for Upsample {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let dims = match inputs {
            [x] if x.dtype == DType::F32 && x.shape.elements() > 0 => x.shape.dims4(),
            _ => None,
        };
        let fits = |[_, _, h, w]: &[usize; 4]| {
            let [ch, cw] = self.used(*h, *w);
            (1..=*h).contains(&ch) && (1..=*w).contains(&cw) && self.height > 0 && self.width > 0
        };
        dims.filter(fits)
            .map(|[n, c, ..]| vec![TensorSpec::f32(&[n, c, self.height, self.width])])
            .ok_or_else(|| KernelError::Mismatch {
                op: NAME,
                expected: "one f32 [N, C, H, W], the crop inside it".into(),
                got: format!("{inputs:?} with {self:?}"),
            })
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        self.infer(inputs)
            .map_or(0, |out| 8 * out[0].shape.elements() as u64)
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
    let mut rng = Rng::new(33);
    let rows = [
        ([1, 3, 16, 16], None, [64, 64]),
        ([1, 1, 64, 64], Some([48, 64]), [30, 41]),
        ([2, 2, 5, 9], None, [7, 4]),
        ([1, 1, 1, 1], None, [3, 3]),
        ([1, 4, 9, 9], Some([9, 1]), [20, 5]),
    ];
    rows.iter()
        .map(|(d, crop, [height, width])| Case {
            name: format!("{d:?} {crop:?} to {height}x{width}"),
            op: Arc::new(Upsample {
                crop: *crop,
                height: *height,
                width: *width,
            }),
            inputs: vec![Tensor::f32(d, rng.values(d.iter().product(), 1.0))],
            tolerance: Tolerance {
                absolute: 2e-5,
                relative: 1e-5,
                why: "positions in f32: an ulp of a position of 64 times the slope",
            },
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "bilinear resize of float maps, half-pixel centres, with a crop",
    cases,
    variants: gpu::variants,
};
