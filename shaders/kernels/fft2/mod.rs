//! 2-D real Fourier transform of feature maps and its inverse, ortho norm, any height and width (primes included).
//!
//! The spectrum of channel `c` is stored as two channels: `2c` real, `2c + 1` imaginary parts, each `[H, W/2 + 1]`
//! (as LaMa's Fourier unit interleaves them before its 1x1 convolution).

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
mod reference;
mod tables;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const FORWARD: &str = "rfft2";
const INVERSE: &str = "irfft2";

/// `[N, C, H, W] -> [N, 2C, H, W/2 + 1]`, `X[k,l] = 1/sqrt(HW) sum x[y,x] exp(-2 pi i (ky/H + lx/W))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rfft2;

/// `[N, 2C, H, W/2 + 1] -> [N, C, H, W]`: the inverse of [`Rfft2`] along y, then real along x; the imaginary parts of
/// the DC and (even W) Nyquist columns are ignored after the pass along y, as PyTorch's `irfftn` does.
///
/// Inputs: the spectrum, then a float tensor `[N, *, H, W]` that only gives the output's height and width (a
/// spectrum alone cannot tell W from W + 1), then, when `residual` is set, `[N, C, H, W]` to add to the result.
/// The second and third may be one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Irfft2 {
    /// Whether the third input is added.
    pub residual: bool,
}

fn flops(elements: usize, h: usize, w: usize) -> u64 {
    // The usual count of a real transform: 2.5 n log2 n per line of n values, both axes.
    (2.5 * elements as f64 * ((h * w) as f64).log2().max(1.0)) as u64
}

impl Op for Rfft2 {
    fn kernel(&self) -> &'static str {
        FORWARD
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        match inputs {
            [x] if x.dtype == DType::F32 => x.shape.dims4().filter(|d| d.iter().all(|n| *n > 0)),
            _ => None,
        }
        .map(|[n, c, h, w]| vec![TensorSpec::f32(&[n, 2 * c, h, w / 2 + 1])])
        .ok_or_else(|| KernelError::Mismatch {
            op: FORWARD,
            expected: "one f32 [N, C, H, W]".into(),
            got: format!("{inputs:?}"),
        })
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .first()
            .and_then(|s| s.shape.dims4())
            .map_or(0, |[n, c, h, w]| flops(n * c * h * w, h, w))
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::forward(inputs)
    }

    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        outputs
            .iter_mut()
            .for_each(|output| native::forward(inputs, output, scratch));
    }

    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(native::size(inputs.first()))
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::forward(self, inputs, caps)
    }
}

impl Op for Irfft2 {
    fn kernel(&self) -> &'static str {
        INVERSE
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: INVERSE,
            expected: format!(
                "f32 [N, 2C, H, W/2 + 1] and [N, *, H, W]{}",
                if self.residual {
                    " and [N, C, H, W]"
                } else {
                    ""
                }
            ),
            got: format!("{inputs:?}"),
        };
        if inputs.len() != 2 + usize::from(self.residual)
            || inputs.iter().any(|s| s.dtype != DType::F32)
        {
            return Err(wrong());
        }
        let (Some([n, c2, h, half]), Some([ln, _, lh, w])) =
            (inputs[0].shape.dims4(), inputs[1].shape.dims4())
        else {
            return Err(wrong());
        };
        let out = TensorSpec::f32(&[n, c2 / 2, h, w]);
        let fits = n > 0
            && c2 > 0
            && h > 0
            && w > 0
            && c2 % 2 == 0
            && (ln, lh) == (n, h)
            && half == w / 2 + 1;
        if !fits || (self.residual && inputs[2] != out) {
            return Err(wrong());
        }
        Ok(vec![out])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let Ok(out) = self.infer(inputs) else {
            return 0;
        };
        out[0]
            .shape
            .dims4()
            .map_or(0, |[n, c, h, w]| flops(n * c * h * w, h, w))
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::inverse(*self, inputs)
    }

    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        outputs
            .iter_mut()
            .for_each(|output| native::inverse(self.residual, inputs, output, scratch));
    }

    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(native::size(inputs.get(1)))
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::inverse(self, inputs, caps)
    }
    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        (!self.residual).then(|| Arc::new(Irfft2 { residual: true }) as Arc<dyn Op>)
    }
}

/// Row of [`crate::KERNELS`].
pub static RFFT2: KernelInfo = KernelInfo {
    name: FORWARD,
    summary: "2-D real Fourier transform, ortho norm, any size",
    cases: cases::forward,
    variants: gpu::forward_variants,
};

/// Row of [`crate::KERNELS`].
pub static IRFFT2: KernelInfo = KernelInfo {
    name: INVERSE,
    summary: "inverse of rfft2, plus a residual",
    cases: cases::inverse,
    variants: gpu::inverse_variants,
};
