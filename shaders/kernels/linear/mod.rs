//! Linear layer over tokens: `out[t,o] = act(bias[o] + sum_i weight[o,i] * in[t,i]) + residual[t,o]`, a GEMM with an epilogue.
//!
//! Tokens are the rows of a float tensor whose last axis is the channels: `[N, T, C]` or a map `[N, H, W, C]` (a 1x1
//! convolution in that layout). With groups, token `t` of each sample uses weight matrix `t` (SAM's hypernetworks).

#[allow(clippy::expect_used)] // test data with constant parameters
mod cases;
mod gpu;
mod native;
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

const NAME: &str = "linear";

/// A linear layer with its weights. Inputs: `[.., T, IC]`, then the residual `[.., T, OC]` if the epilogue has one.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[G, OC, IC]`, row-major; G = 1 for an ordinary layer.
    pub weight: Arc<Vec<f32>>,
    /// `[G, OC]`, zeros where the layer has none.
    pub bias: Arc<Vec<f32>>,
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Weight matrices: 1, or the number of tokens of each sample.
    pub groups: usize,
    /// Activation and residual.
    pub epilogue: Epilogue,
    packed: native::Weights,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl Linear {
    /// An ordinary layer. `weight` is `[OC, IC]` (or `[OC, IC, 1, 1]`), `bias` `[OC]`.
    pub fn new(weight: &Tensor, bias: Option<&[f32]>) -> Result<Self, KernelError> {
        let dims = weight.shape.dims();
        match dims {
            [oc, ic] | [oc, ic, 1, 1] => Linear::grouped(
                &Tensor {
                    shape: crate::Shape::new(&[1, *oc, *ic]),
                    data: weight.data.clone(),
                },
                bias,
            ),
            _ => Err(KernelError::Parameters {
                op: NAME,
                why: format!("weight is {}, wanted [OC, IC]", weight.shape),
            }),
        }
    }

    /// One matrix per token of a sample. `weight` is `[G, OC, IC]`, `bias` `[G * OC]`.
    pub fn grouped(weight: &Tensor, bias: Option<&[f32]>) -> Result<Self, KernelError> {
        let bad = |why: String| KernelError::Parameters { op: NAME, why };
        let ([groups, oc, ic], Some(data)) = (weight.shape.dims(), weight.as_f32()) else {
            return Err(bad(format!(
                "weight is {:?} {}, wanted f32 [G, OC, IC]",
                weight.dtype(),
                weight.shape
            )));
        };
        let (groups, oc, ic) = (*groups, *oc, *ic);
        if data.is_empty() || bias.is_some_and(|b| b.len() != groups * oc) {
            return Err(bad(format!(
                "weight {} with {:?} biases",
                weight.shape,
                bias.map(<[f32]>::len)
            )));
        }
        Ok(Linear {
            weight: Arc::new(data.to_vec()),
            bias: Arc::new(bias.map_or_else(|| vec![0.0; groups * oc], <[f32]>::to_vec)),
            in_channels: ic,
            out_channels: oc,
            groups,
            epilogue: Epilogue::default(),
            packed: native::Weights::default(),
            shader_words: PackCache::default(),
        })
    }

    /// This layer followed by a batch norm over its output channels, as one layer.
    pub fn then_norm(&self, norm: &Affine) -> Result<Linear, KernelError> {
        let (scale, shift) = (&norm.scale, &norm.shift);
        if scale.len() != self.out_channels || !self.epilogue.is_linear() {
            let why = format!(
                "a norm of {} channels behind {} channels, {:?}",
                scale.len(),
                self.out_channels,
                self.epilogue
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        let channel = |row: usize| row % self.out_channels;
        let rows = self.weight.chunks_exact(self.in_channels).enumerate();
        let weight = rows
            .flat_map(|(row, w)| w.iter().map(move |v| v * scale[channel(row)]))
            .collect();
        let bias = self
            .bias
            .iter()
            .enumerate()
            .map(|(row, b)| b * scale[channel(row)] + shift[channel(row)])
            .collect();
        Ok(Linear {
            weight: Arc::new(weight),
            bias: Arc::new(bias),
            ..self.clone()
        })
    }
}

impl Op for Linear {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 [.., {}, {}]{}",
                if self.groups > 1 {
                    self.groups.to_string()
                } else {
                    "T".into()
                },
                self.in_channels,
                if self.epilogue.residual {
                    " and a residual like the output"
                } else {
                    ""
                }
            ),
            got: format!("{inputs:?}"),
        };
        let x = inputs
            .first()
            .filter(|x| x.dtype == DType::F32)
            .ok_or_else(wrong)?;
        let (rest, tokens) = match x.shape.dims() {
            [rest @ .., tokens, ic] if *ic == self.in_channels && x.shape.elements() > 0 => {
                (rest, *tokens)
            }
            _ => return Err(wrong()),
        };
        let out = TensorSpec::f32(&[rest, &[tokens, self.out_channels]].concat());
        let residual_fits = match (self.epilogue.residual, inputs) {
            (false, [_]) => true,
            (true, [_, r]) => *r == out,
            _ => false,
        };
        let groups_fit = self.groups == 1 || self.groups == tokens;
        if residual_fits && groups_fit {
            Ok(vec![out])
        } else {
            Err(wrong())
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .first()
            .map_or(0, |x| 2 * (x.shape.elements() * self.out_channels) as u64)
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
        4 * (self.weight.len() + self.bias.len()) as u64
    }
    fn absorb(&self, next: &dyn Op) -> Option<Arc<dyn Op>> {
        let act = next.downcast_ref::<Activation>()?;
        let epilogue = self.epilogue.then_act(act.act())?;
        Some(Arc::new(Linear {
            epilogue,
            ..self.clone()
        }))
    }
    fn absorb_add(&self) -> Option<Arc<dyn Op>> {
        let epilogue = self.epilogue.then_add()?;
        Some(Arc::new(Linear {
            epilogue,
            ..self.clone()
        }))
    }
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "linear layer over tokens (GEMM with bias, activation, residual), or one matrix per token",
    cases: cases::cases,
    variants: gpu::variants,
};
