//! Layer normalisation over channels: `(x - mean) / sqrt(var + eps) * gamma + beta`, biased variance.
//!
//! [`Axis::Last`] normalises the rows of `[.., C]` (tokens), [`Axis::Channels`] the channels of every pixel of
//! `[N, C, H, W]` (SAM's LayerNorm2d).

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "layer_norm";

/// Where the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Last axis: tokens `[.., C]`.
    Last,
    /// Second axis of `[N, C, H, W]`.
    Channels,
}

/// The normalisation. Input and output have the same shape.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// `[C]`
    pub gamma: Arc<Vec<f32>>,
    /// `[C]`
    pub beta: Arc<Vec<f32>>,
    /// Added to the variance.
    pub eps: f32,
    /// Where the channels are.
    pub axis: Axis,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl LayerNorm {
    /// A normalisation from its factors and offsets, both `[C]`.
    pub fn new(gamma: &[f32], beta: &[f32], eps: f32, axis: Axis) -> Result<Self, KernelError> {
        if gamma.is_empty() || gamma.len() != beta.len() || eps.is_nan() || eps <= 0.0 {
            let why = format!(
                "{} factors, {} offsets, eps {eps}: wanted equal numbers, at least one, and a positive eps",
                gamma.len(),
                beta.len()
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        Ok(LayerNorm {
            gamma: Arc::new(gamma.to_vec()),
            beta: Arc::new(beta.to_vec()),
            eps,
            axis,
            shader_words: PackCache::default(),
        })
    }
}

impl Op for LayerNorm {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let channels = |x: &TensorSpec| match self.axis {
            Axis::Last => x.shape.dims().last().copied(),
            Axis::Channels => x.shape.dims4().map(|d| d[1]),
        };
        match inputs {
            [x] if x.dtype == DType::F32
                && x.shape.elements() > 0
                && channels(x) == Some(self.gamma.len()) =>
            {
                Ok(vec![x.clone()])
            }
            _ => Err(KernelError::Mismatch {
                op: NAME,
                expected: format!("f32 with {} channels ({:?})", self.gamma.len(), self.axis),
                got: format!("{inputs:?}"),
            }),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.iter().map(|x| 8 * x.shape.elements() as u64).sum()
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        let _ = scratch;
        if let [output] = outputs {
            native::run(self, inputs, output);
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        8 * self.gamma.len() as u64
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "layer normalisation over channels, last or second axis",
    cases: cases::cases,
    variants: gpu::variants,
};
