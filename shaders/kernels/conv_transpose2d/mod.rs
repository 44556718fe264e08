//! Transposed 3x3 convolution, stride 2, padding 1, output padding 1: doubles height and width.
//!
//! `out[n,o,Y,X] = act(bias[o] + sum w[i,o,ky,kx] * in[n,i,y,x]) + residual` over all `Y = 2y + ky - 1`, `X = 2x + kx - 1`
//! inside the output (PyTorch `ConvTranspose2d(ic, oc, 3, stride=2, padding=1, output_padding=1)`).
//!
//! By output parity there are four phases with 1, 2, 2 and 4 taps, so strategies run four small convolutions and no
//! multiplication by inserted zeros. Several input segments are summed: LaMa's concatenation of local and global
//! channels in front of the decoder is two segments.

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
use crate::error::KernelError;
use crate::op::{KernelInfo, Op, TensorSpec};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "conv_transpose2d";

/// Taps per axis.
pub const KERNEL: usize = 3;

/// One input with its own weights.
#[derive(Debug, Clone)]
pub struct Segment {
    /// `[IC, OC, 3, 3]`, row-major.
    pub weight: Arc<Vec<f32>>,
    /// Input channels.
    pub in_channels: usize,
}

/// A transposed convolution with its weights. Inputs: one `[N, IC, H, W]` per segment, then the residual
/// `[N, OC, 2H, 2W]` if the epilogue has one. Output `[N, OC, 2H, 2W]`.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    /// Output channels.
    pub out_channels: usize,
    /// Inputs with their weights, at least one.
    pub segments: Vec<Segment>,
    /// `[OC]`, zeros where the layer has none.
    pub bias: Arc<Vec<f32>>,
    /// Activation and residual.
    pub epilogue: Epilogue,
    /// Weights as shaders read them.
    shader_words: PackCache,
    /// Weights as the processor reads them.
    packed: native::Weights,
}

/// The taps of an output position's parity on one axis: (kernel index, input offset).
/// Even positions see tap 1 of their own input; odd ones tap 2 of it and tap 0 of the next.
pub const PHASE_TAPS: [&[(usize, usize)]; 2] = [&[(1, 0)], &[(2, 0), (0, 1)]];

impl ConvTranspose2d {
    /// A plain transposed convolution. `weight` is `[IC, OC, 3, 3]`, `bias` `[OC]`.
    pub fn new(weight: &Tensor, bias: Option<&[f32]>) -> Result<Self, KernelError> {
        let bad = |why: String| KernelError::Parameters { op: NAME, why };
        let dims = weight
            .shape
            .dims4()
            .filter(|d| d[2] == KERNEL && d[3] == KERNEL && d[0] > 0 && d[1] > 0);
        let [ic, oc, _, _] =
            dims.ok_or_else(|| bad(format!("weight is {}, wanted [IC, OC, 3, 3]", weight.shape)))?;
        let data = weight
            .as_f32()
            .ok_or_else(|| bad("weight is not f32".into()))?;
        if let Some(b) = bias
            && b.len() != oc
        {
            return Err(bad(format!(
                "bias has {} values for {oc} output channels",
                b.len()
            )));
        }
        Ok(ConvTranspose2d {
            out_channels: oc,
            segments: vec![Segment {
                weight: Arc::new(data.to_vec()),
                in_channels: ic,
            }],
            bias: Arc::new(bias.map_or_else(|| vec![0.0; oc], <[f32]>::to_vec)),
            epilogue: Epilogue::default(),
            shader_words: PackCache::default(),
            packed: native::Weights::default(),
        })
    }

    /// Input channels over all segments.
    pub fn in_channels(&self) -> usize {
        self.segments.iter().map(|s| s.in_channels).sum()
    }

    /// The operation whose output is `scale[o] * self + shift[o]`.
    fn scaled(&self, scale: &[f32], shift: &[f32]) -> Self {
        let taps = KERNEL * KERNEL;
        let scale_columns = |s: &Segment| {
            let per_input = s.weight.chunks_exact(self.out_channels * taps);
            let weight = per_input
                .flat_map(|w| {
                    w.chunks_exact(taps)
                        .zip(scale)
                        .flat_map(|(t, k)| t.iter().map(move |v| v * k))
                })
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
        ConvTranspose2d {
            segments: self.segments.iter().map(scale_columns).collect(),
            bias: Arc::new(bias),
            ..self.clone()
        }
    }
}

impl Op for ConvTranspose2d {
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
        let mut out: Option<TensorSpec> = None;
        for (segment, spec) in self.segments.iter().zip(inputs) {
            let fits = spec.shape.dims4().filter(|d| {
                d[1] == segment.in_channels && d.iter().all(|n| *n > 0) && spec.dtype == DType::F32
            });
            let [n, _, h, w] = fits.ok_or_else(|| {
                mismatch(
                    format!("f32 [N, {}, H, W]", segment.in_channels),
                    format!("{spec:?}"),
                )
            })?;
            let this = TensorSpec::f32(&[n, self.out_channels, 2 * h, 2 * w]);
            match &out {
                Some(first) if *first != this => {
                    return Err(mismatch(
                        format!("segments that give {first:?}"),
                        format!("{this:?}"),
                    ));
                }
                _ => out = Some(this),
            }
        }
        let out = out.ok_or_else(|| mismatch("at least one segment".into(), "none".into()))?;
        if self.epilogue.residual && inputs[wanted - 1] != out {
            return Err(mismatch(
                format!("a residual like the output {out:?}"),
                format!("{:?}", inputs[wanted - 1]),
            ));
        }
        Ok(vec![out])
    }

    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        // Nine taps are shared by the four output phases of each input pixel.
        let Some([n, _, h, w]) = inputs.first().and_then(|s| s.shape.dims4()) else {
            return 0;
        };
        2 * (KERNEL * KERNEL * self.in_channels() * self.out_channels * n * h * w) as u64
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
        Some(Arc::new(ConvTranspose2d {
            epilogue,
            ..self.clone()
        }))
    }

    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        let epilogue = self.epilogue.then_add()?;
        Some(Arc::new(ConvTranspose2d {
            epilogue,
            ..self.clone()
        }))
    }

    fn merge_add(&self, other: &dyn Op) -> Option<Arc<dyn Op>> {
        let other = other.downcast_ref::<ConvTranspose2d>()?;
        let mergeable = self.epilogue.is_linear()
            && other.epilogue.is_linear()
            && self.out_channels == other.out_channels
            && self.segments.len() + other.segments.len() <= crate::conv2d::SEGMENTS_MAX;
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
            Arc::new(ConvTranspose2d {
                segments,
                bias: Arc::new(bias),
                ..self.clone()
            }) as Arc<dyn Op>
        })
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "transposed 3x3 convolution, stride 2, by output phase",
    cases: cases::cases,
    variants: gpu::variants,
};
