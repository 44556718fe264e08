//! 2-D convolution as an implicit GEMM, with several input segments summed into one output.
//!
//! `out[n,o,y,x] = act(bias[o] + sum_seg sum_{i,ky,kx} w[o,i,ky,kx] * in[n,i,y*stride+ky-p,x*stride+kx-p]) + residual[n,o,y,x]`
//!
//! Segments may differ in channels, kernel size and padding as long as their outputs agree in size: LaMa's
//! `l2l(x_l) + g2l(x_g)` is one operation with two 3x3 segments, `l2g(x_l) + conv2(s)` one with a 3x3 and a 1x1 segment.

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
mod pack;
mod reference;

use std::sync::Arc;

use crate::activation::Activation;
use crate::affine::Affine;
use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::common::epilogue::Epilogue;
pub use crate::common::padding::Padding;
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "conv2d";

/// One input of a convolution with its own weights.
#[derive(Debug, Clone)]
pub struct Segment {
    /// `[OC, IC, K, K]`, row-major.
    pub weight: Arc<Vec<f32>>,
    /// Input channels.
    pub in_channels: usize,
    /// Kernel side K (odd).
    pub kernel: usize,
    /// Padding of this input.
    pub padding: Padding,
}

impl Segment {
    /// Length of this segment's part of the GEMM's inner dimension.
    pub fn inner(&self) -> usize {
        self.in_channels * self.kernel * self.kernel
    }
}

/// A convolution with its weights. Inputs: one `[N, IC, H, W]` per segment, then the residual `[N, OC, OH, OW]` if
/// the epilogue has one. Output `[N, OC, OH, OW]`.
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// Output channels.
    pub out_channels: usize,
    /// Step in pixels, both axes.
    pub stride: usize,
    /// Inputs with their weights, at least one.
    pub segments: Vec<Segment>,
    /// `[OC]`, zeros where the layer has none.
    pub bias: Arc<Vec<f32>>,
    /// Activation and residual.
    pub epilogue: Epilogue,
    /// Weights as the processor reads them.
    packed: native::Weights,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl Conv2d {
    /// A plain convolution. `weight` is `[OC, IC, K, K]`, `bias` `[OC]`.
    pub fn new(
        weight: &Tensor,
        bias: Option<&[f32]>,
        stride: usize,
        padding: Padding,
    ) -> Result<Self, KernelError> {
        let bad = |why: String| KernelError::Parameters { op: NAME, why };
        let [oc, ic, kh, kw] = weight
            .shape
            .dims4()
            .ok_or_else(|| bad(format!("weight is {}, wanted [OC, IC, K, K]", weight.shape)))?;
        let data = weight
            .as_f32()
            .ok_or_else(|| bad("weight is not f32".into()))?;
        if kh != kw || kh % 2 == 0 || oc == 0 || ic == 0 || stride == 0 || stride > 2 {
            return Err(bad(format!(
                "weight {} with stride {stride}: wanted a square odd kernel and stride 1 or 2",
                weight.shape
            )));
        }
        if padding.amount() > kh {
            return Err(bad(format!(
                "padding {} is wider than the {kh}x{kh} kernel",
                padding.amount()
            )));
        }
        if let Some(b) = bias
            && b.len() != oc
        {
            return Err(bad(format!(
                "bias has {} values for {oc} output channels",
                b.len()
            )));
        }
        Ok(Conv2d {
            out_channels: oc,
            stride,
            segments: vec![Segment {
                weight: Arc::new(data.to_vec()),
                in_channels: ic,
                kernel: kh,
                padding,
            }],
            bias: Arc::new(bias.map_or_else(|| vec![0.0; oc], <[f32]>::to_vec)),
            epilogue: Epilogue::default(),
            packed: native::Weights::default(),
            shader_words: PackCache::default(),
        })
    }

    /// Length of the GEMM's inner dimension over all segments.
    pub fn inner(&self) -> usize {
        self.segments.iter().map(Segment::inner).sum()
    }

    /// Output height and width for a segment's input height and width; `None` if the input is too small.
    fn out_size(&self, segment: &Segment, h: usize, w: usize) -> Option<[usize; 2]> {
        let p = segment.padding.amount();
        let reflectable = !matches!(segment.padding, Padding::Reflect(_)) || (h > p && w > p);
        let side = |n: usize| {
            (n + 2 * p)
                .checked_sub(segment.kernel)
                .map(|r| r / self.stride + 1)
        };
        if !reflectable {
            return None;
        }
        Some([side(h)?, side(w)?])
    }

    /// The convolution whose output is `scale[o] * self + shift[o]`.
    fn scaled(&self, scale: &[f32], shift: &[f32]) -> Conv2d {
        let scale_rows = |s: &Segment| {
            let row = s.inner();
            let weight = s
                .weight
                .chunks_exact(row)
                .zip(scale)
                .flat_map(|(w, k)| w.iter().map(move |v| v * k))
                .collect();
            Segment {
                weight: Arc::new(weight),
                ..s.clone()
            }
        };
        let bias = self
            .bias
            .iter()
            .zip(scale)
            .zip(shift)
            .map(|((b, k), t)| b * k + t)
            .collect();
        Conv2d {
            segments: self.segments.iter().map(scale_rows).collect(),
            bias: Arc::new(bias),
            ..self.clone()
        }
    }
}

impl Op for Conv2d {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let mismatch = |expected: String, got: String| KernelError::Mismatch {
            op: NAME,
            expected,
            got,
        };
        let wanted = self.segments.len() + usize::from(self.epilogue.residual);
        if inputs.len() != wanted {
            return Err(mismatch(
                format!("{wanted} inputs"),
                format!("{}", inputs.len()),
            ));
        }
        let mut out: Option<[usize; 4]> = None;
        for (segment, spec) in self.segments.iter().zip(inputs) {
            let fits = spec
                .shape
                .dims4()
                .filter(|d| d[1] == segment.in_channels && d[0] > 0 && spec.dtype == DType::F32);
            let [n, _, h, w] = fits.ok_or_else(|| {
                mismatch(
                    format!("f32 [N, {}, H, W]", segment.in_channels),
                    format!("{spec:?}"),
                )
            })?;
            let [oh, ow] = self.out_size(segment, h, w).ok_or_else(|| {
                mismatch(
                    format!("an input larger than its padding {:?}", segment.padding),
                    format!("{h}x{w}"),
                )
            })?;
            let this = [n, self.out_channels, oh, ow];
            match out {
                Some(first) if first != this => {
                    return Err(mismatch(
                        format!("segments that give {first:?}"),
                        format!("{this:?}"),
                    ));
                }
                _ => out = Some(this),
            }
        }
        let out = TensorSpec::f32(
            &out.ok_or_else(|| mismatch("at least one segment".into(), "none".into()))?,
        );
        if self.epilogue.residual && inputs[wanted - 1] != out {
            return Err(mismatch(
                format!("a residual like the output {out:?}"),
                format!("{:?}", inputs[wanted - 1]),
            ));
        }
        Ok(vec![out])
    }

    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let Ok(out) = self.infer(inputs) else {
            return 0;
        };
        2 * self.inner() as u64 * out[0].shape.elements() as u64
    }

    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }

    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        outputs
            .iter_mut()
            .for_each(|output| native::run(self, inputs, output, scratch));
    }

    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        native::scratch(self, inputs)
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }

    fn weight_bytes(&self) -> u64 {
        let weights: usize = self.segments.iter().map(|s| s.weight.len()).sum();
        4 * (weights + self.bias.len()) as u64
    }

    fn absorb(&self, next: &dyn Op) -> Option<Arc<dyn Op>> {
        if let Some(affine) = next.downcast_ref::<Affine>() {
            let fits = self.epilogue.is_linear() && affine.scale.len() == self.out_channels;
            return fits
                .then(|| Arc::new(self.scaled(&affine.scale, &affine.shift)) as Arc<dyn Op>);
        }
        let act = next.downcast_ref::<Activation>()?;
        let epilogue = self.epilogue.then_act(act.act())?;
        Some(Arc::new(Conv2d {
            epilogue,
            ..self.clone()
        }))
    }

    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        let epilogue = self.epilogue.then_add()?;
        Some(Arc::new(Conv2d {
            epilogue,
            ..self.clone()
        }))
    }

    fn merge_add(&self, other: &dyn Op) -> Option<Arc<dyn Op>> {
        let other = other.downcast_ref::<Conv2d>()?;
        let mergeable = self.epilogue.is_linear()
            && other.epilogue.is_linear()
            && self.out_channels == other.out_channels
            && self.stride == other.stride
            && self.segments.len() + other.segments.len() <= SEGMENTS_MAX;
        mergeable.then(|| {
            let segments = self
                .segments
                .iter()
                .chain(&other.segments)
                .cloned()
                .collect();
            let bias = self
                .bias
                .iter()
                .zip(other.bias.iter())
                .map(|(a, b)| a + b)
                .collect();
            Arc::new(Conv2d {
                segments,
                bias: Arc::new(bias),
                ..self.clone()
            }) as Arc<dyn Op>
        })
    }
}

/// Most input segments of one convolution: two inputs, a residual, weights, bias, output and parameters stay within
/// the eight storage bindings that every adapter has.
pub const SEGMENTS_MAX: usize = 2;

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "2-D convolution (1x1, 3x3, 7x7; stride 1, 2; zero or reflect padding; several summed inputs) as implicit GEMM",
    cases: cases::cases,
    variants: gpu::variants,
};
