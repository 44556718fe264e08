//! Transposed 2x2 convolution with stride 2 in channels-last layout: every pixel becomes a 2x2 block, without overlap.
//! `out[n, 2y+ky, 2x+kx, o] = act(bias[o] + sum_i w[i,o,ky,kx] * in[n,y,x,i])`

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::activation::Activation;
use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::common::epilogue::Act;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "upscale2";

/// The convolution. Input `[N, H, W, IC]`, output `[N, 2H, 2W, OC]`.
#[derive(Debug, Clone)]
pub struct Upscale2 {
    /// `[IC, OC, 2, 2]`
    pub weight: Arc<Vec<f32>>,
    /// `[OC]`
    pub bias: Arc<Vec<f32>>,
    /// Input channels.
    pub in_channels: usize,
    /// Applied after the bias.
    pub act: Act,
    packed: native::Weights,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl Upscale2 {
    /// A transposed convolution. `weight` is `[IC, OC, 2, 2]`, `bias` `[OC]`.
    pub fn new(weight: &Tensor, bias: &[f32]) -> Result<Self, KernelError> {
        match (weight.shape.dims4(), weight.as_f32()) {
            (Some([ic, oc, 2, 2]), Some(data)) if ic * oc > 0 && bias.len() == oc => {
                let (weight, bias) = (Arc::new(data.to_vec()), Arc::new(bias.to_vec()));
                Ok(Upscale2 {
                    weight,
                    bias,
                    in_channels: ic,
                    act: Act::None,
                    packed: native::Weights::default(),
                    shader_words: PackCache::default(),
                })
            }
            _ => Err(KernelError::Parameters {
                op: NAME,
                why: format!(
                    "weight {} with {} biases, wanted [IC, OC, 2, 2] and OC",
                    weight.shape,
                    bias.len()
                ),
            }),
        }
    }
}

impl Op for Upscale2 {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let dims = match inputs {
            [x] if x.dtype == DType::F32 => x
                .shape
                .dims4()
                .filter(|d| d[3] == self.in_channels && d.iter().all(|v| *v > 0)),
            _ => None,
        };
        dims.map(|[n, h, w, _]| vec![TensorSpec::f32(&[n, 2 * h, 2 * w, self.bias.len()])])
            .ok_or_else(|| KernelError::Mismatch {
                op: NAME,
                expected: format!("f32 [N, H, W, {}]", self.in_channels),
                got: format!("{inputs:?}"),
            })
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .first()
            .map_or(0, |x| 8 * (x.shape.elements() * self.bias.len()) as u64)
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
        (self.act == Act::None).then(|| {
            Arc::new(Upscale2 {
                act: act.act(),
                ..self.clone()
            }) as Arc<dyn Op>
        })
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut rng = Rng::new(26);
    let rows = [
        ([1, 15, 11, 9], 7),
        ([2, 6, 5, 64], 32),
        ([1, 1, 1, 3], 2),
        ([1, 9, 16, 40], 65),
    ];
    let mut cases = Vec::new();
    for (dims, oc) in rows {
        let weight = Tensor::f32(&[dims[3], oc, 2, 2], rng.values(dims[3] * oc * 4, 0.2));
        let plain =
            Upscale2::new(&weight, &rng.values(oc, 0.5)).expect("case parameters are valid");
        let gelu = plain
            .absorb(&Activation::Gelu)
            .expect("takes an activation");
        let input = Tensor::f32(&dims, rng.values(dims.iter().product(), 1.0));
        let tolerance = Tolerance {
            absolute: 2e-5,
            relative: 1e-5,
            why: "f32 sums of up to 64 products",
        };
        for (name, op) in [("plain", Arc::new(plain) as Arc<dyn Op>), ("gelu", gelu)] {
            cases.push(Case {
                name: format!("{dims:?} to {oc} {name}"),
                op,
                inputs: vec![input.clone()],
                tolerance,
            });
        }
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "transposed 2x2 convolution, stride 2, channels last",
    cases,
    variants: gpu::variants,
};
