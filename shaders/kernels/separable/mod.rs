//! MI-GAN's separable convolution, channels last, as one operation:
//!
//! depthwise 3x3 (zero padding 1, bias) -> activation -> [half the size] -> 1x1 without bias -> [twice the size]
//! -> [+ noise] -> activation -> [+ skip]
//!
//! The activation is [`Act::LreluAgc`]. Halving and doubling filter with `[1, 3, 3, 1] x [1, 3, 3, 1]`: halving is that over 64
//! with stride 2 and zero padding 1; doubling is zero insertion (values at even positions), padding 2 left and top, 1 right and
//! bottom, the filter over 16. Noise is one value per pixel of the output, a square map tiled from the top left.

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
mod reference;

pub(crate) use reference::up as doubled;

use std::sync::Arc;

use crate::caps::Caps;
use crate::common::epilogue::{Act, Epilogue};
use crate::depthwise::Depthwise;
use crate::error::KernelError;
use crate::linear::Linear;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "separable";

/// Change of the size inside the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// None.
    Same,
    /// Half, between the activation and the 1x1. Sides have to be even.
    Down,
    /// Twice, after the 1x1.
    Up,
}

/// What a separable convolution is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// `[C, 1, 3, 3]`
    pub depthwise: Tensor,
    /// `[C]`
    pub bias: Vec<f32>,
    /// `[OC, C, 1, 1]`
    pub pointwise: Tensor,
    /// Change of the size.
    pub scale: Scale,
    /// `[R, R]`, already times its strength.
    pub noise: Option<Tensor>,
    /// Whether a second input like the output is added at the end.
    pub skip: bool,
}

/// The convolution. Inputs: `[N, H, W, C]`, then the skip; output `[N, H', W', OC]`.
#[derive(Debug, Clone)]
pub struct Separable {
    depthwise: Depthwise,
    /// With activation and skip where nothing stands between it and those.
    pointwise: Linear,
    scale: Scale,
    noise: Option<Noise>,
    skip: bool,
    packed: native::Weights,
}

/// A square map, and its bits for shaders.
#[derive(Debug, Clone)]
struct Noise {
    side: usize,
    values: Arc<Vec<f32>>,
    words: Arc<Vec<u32>>,
}

impl Separable {
    /// Checks the parts' shapes against each other.
    pub fn new(parts: Parts) -> Result<Self, KernelError> {
        let bad = |why: String| KernelError::Parameters { op: NAME, why };
        let mut depthwise = Depthwise::new(&parts.depthwise, Some(&parts.bias), 1)?;
        depthwise.epilogue.act = Act::LreluAgc;
        let mut pointwise = Linear::new(&parts.pointwise, None)?;
        if pointwise.in_channels != parts.bias.len() {
            return Err(bad(format!(
                "1x1 of {} channels behind {} channels",
                pointwise.in_channels,
                parts.bias.len()
            )));
        }
        let noise = parts
            .noise
            .map(|map| match (map.shape.dims(), map.as_f32()) {
                ([h, w], Some(values)) if h == w && *h > 0 => Ok(Noise {
                    side: *h,
                    values: Arc::new(values.to_vec()),
                    words: Arc::new(crate::common::cache::words(values.iter().copied())),
                }),
                _ => Err(bad(format!("noise is {}, wanted a square", map.shape))),
            });
        let noise = noise.transpose()?;
        if noise.is_none() && parts.scale != Scale::Up {
            pointwise.epilogue = Epilogue {
                act: Act::LreluAgc,
                residual: parts.skip,
            };
        }
        Ok(Separable {
            depthwise,
            pointwise,
            scale: parts.scale,
            noise,
            skip: parts.skip,
            packed: native::Weights::default(),
        })
    }

    /// Whether something stands between the 1x1 and the activation.
    fn finishes_apart(&self) -> bool {
        self.noise.is_some() || self.scale == Scale::Up
    }

    /// Height and width of the map that the 1x1 reads.
    fn inner(&self, h: usize, w: usize) -> [usize; 2] {
        match self.scale {
            Scale::Down => [h / 2, w / 2],
            Scale::Same | Scale::Up => [h, w],
        }
    }
}

impl Op for Separable {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let c = self.pointwise.in_channels;
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 [N, H, W, {c}]{}{}",
                if self.scale == Scale::Down {
                    " with even sides"
                } else {
                    ""
                },
                if self.skip {
                    " and a skip like the output"
                } else {
                    ""
                }
            ),
            got: format!("{inputs:?}"),
        };
        let [n, h, w, _] = inputs
            .first()
            .filter(|x| x.dtype == DType::F32)
            .and_then(|x| x.shape.dims4())
            .filter(|d| d[3] == c && d.iter().all(|v| *v > 0))
            .ok_or_else(wrong)?;
        let [oh, ow] = match self.scale {
            Scale::Same => [h, w],
            Scale::Down if h % 2 == 0 && w % 2 == 0 => [h / 2, w / 2],
            Scale::Down => return Err(wrong()),
            Scale::Up => [2 * h, 2 * w],
        };
        let out = TensorSpec::f32(&[n, oh, ow, self.pointwise.out_channels]);
        match (self.skip, inputs) {
            (false, [_]) => Ok(vec![out]),
            (true, [_, skip]) if *skip == out => Ok(vec![out]),
            _ => Err(wrong()),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let (Some([n, h, w, c]), Ok(out)) = (
            inputs.first().and_then(|x| x.shape.dims4()),
            self.infer(inputs),
        ) else {
            return 0;
        };
        let [ih, iw] = self.inner(h, w);
        let filter = match self.scale {
            Scale::Same => 0,
            Scale::Down => 32 * n * ih * iw * c,
            Scale::Up => 8 * out[0].shape.elements(),
        };
        (18 * n * h * w * c + 2 * n * ih * iw * c * self.pointwise.out_channels + filter) as u64
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [output] = outputs {
            native::run(self, inputs, output, scratch);
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(self, inputs)
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        let noise = self.noise.as_ref().map_or(0, |noise| noise.values.len());
        self.depthwise.weight_bytes() + self.pointwise.weight_bytes() + 4 * noise as u64
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "depthwise 3x3, activation, 1x1, activation in one; halves or doubles the size, adds noise and a skip",
    cases: cases::cases,
    variants: gpu::variants,
};
