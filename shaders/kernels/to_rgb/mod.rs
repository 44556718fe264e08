//! One level of MI-GAN's output pyramid, channels last: `out = up(coarser) + bias + weight * x` with three output channels.
//!
//! `up` doubles the size as in [`crate::separable`]. The last level gives colours 0..1, channels first: `clamp((out + 1) / 2)`.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::common::cache::PackCache;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};
use crate::testing::Rng;

const NAME: &str = "to_rgb";

/// Inputs: x `[N, H, W, C]`, then the coarser level `[N, H / 2, W / 2, 3]` if there is one. Output `[N, H, W, 3]`, or
/// `[N, 3, H, W]` for the last level.
#[derive(Debug, Clone)]
pub struct ToRgb {
    /// `[3, C]`
    weight: Arc<Vec<f32>>,
    bias: [f32; 3],
    /// Whether there is a coarser level.
    coarser: bool,
    /// Whether this is the last level: colours 0..1, channels first.
    last: bool,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl ToRgb {
    /// `weight` is `[3, C, 1, 1]`, `bias` `[3]`.
    pub fn new(
        weight: &Tensor,
        bias: &[f32],
        coarser: bool,
        last: bool,
    ) -> Result<Self, KernelError> {
        match (weight.shape.dims(), weight.as_f32(), bias) {
            ([3, c, 1, 1], Some(values), &[r, g, b]) if *c > 0 => Ok(ToRgb {
                weight: Arc::new(values.to_vec()),
                bias: [r, g, b],
                coarser,
                last,
                shader_words: PackCache::default(),
            }),
            _ => Err(KernelError::Parameters {
                op: NAME,
                why: format!(
                    "weight is {:?} {} with {} biases, wanted f32 [3, C, 1, 1] with 3",
                    weight.dtype(),
                    weight.shape,
                    bias.len()
                ),
            }),
        }
    }

    /// Channels of x.
    fn channels(&self) -> usize {
        self.weight.len() / 3
    }
}

impl Op for ToRgb {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let c = self.channels();
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: format!(
                "f32 [N, H, W, {c}]{}",
                if self.coarser {
                    " and f32 [N, H / 2, W / 2, 3]"
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
        let fits = match (self.coarser, inputs) {
            (false, [_]) => true,
            (true, [_, coarser]) => {
                h % 2 == 0 && w % 2 == 0 && *coarser == TensorSpec::f32(&[n, h / 2, w / 2, 3])
            }
            _ => false,
        };
        if !fits {
            return Err(wrong());
        }
        let out = if self.last {
            [n, 3, h, w]
        } else {
            [n, h, w, 3]
        };
        Ok(vec![TensorSpec::f32(&out)])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |x| 6 * x.shape.elements() as u64)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(
        &self,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        _scratch: &mut [f32],
    ) {
        if let [output] = outputs {
            native::run(self, inputs, output);
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        4 * (self.weight.len() + self.bias.len()) as u64
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut rng = Rng::new(33);
    let rows: [([usize; 4], bool, bool); 6] = [
        ([1, 4, 4, 64], false, false),
        ([2, 6, 10, 7], true, false),
        ([1, 5, 3, 33], false, true),
        ([1, 16, 22, 48], true, true),
        ([1, 2, 2, 12], true, false),
        ([2, 34, 66, 8], true, true),
    ];
    let mut cases = Vec::new();
    for (dims, coarser, last) in rows {
        let [n, h, w, c] = dims;
        let weight = Tensor::f32(&[3, c, 1, 1], rng.values(3 * c, 1.0 / (c as f32).sqrt()));
        let bias = rng.values(3, 0.3);
        let mut inputs = vec![Tensor::f32(&dims, rng.values(n * h * w * c, 1.0))];
        if coarser {
            let count = n * (h / 2) * (w / 2) * 3;
            inputs.push(Tensor::f32(&[n, h / 2, w / 2, 3], rng.values(count, 1.0)));
        }
        let op = ToRgb::new(&weight, &bias, coarser, last).expect("case parameters are valid");
        cases.push(Case {
            name: format!("{dims:?}, coarser level {coarser}, last {last}"),
            op: Arc::new(op),
            inputs,
            tolerance: Tolerance {
                absolute: 5e-6,
                relative: 1e-5,
                why: "f32 sums of up to 64 products",
            },
        });
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "a level of an output pyramid: 1x1 to three channels plus the coarser level doubled",
    cases,
    variants: gpu::variants,
};
