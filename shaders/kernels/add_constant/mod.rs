//! Sum of a tensor and a stored one: positional encodings. `out[n, ..] = in[n, ..] + constant[..]` for every sample.

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

const NAME: &str = "add_constant";

/// Input `[N, ..]`, output alike; the constant has the shape of one sample.
#[derive(Debug, Clone)]
pub struct AddConstant {
    /// One sample's values.
    pub constant: Arc<Vec<f32>>,
    /// Weights as shaders read them.
    shader_words: PackCache,
}

impl AddConstant {
    /// Adds these values to every sample.
    pub fn new(constant: Vec<f32>) -> Result<Self, KernelError> {
        if constant.is_empty() {
            return Err(KernelError::Parameters {
                op: NAME,
                why: "an empty constant".into(),
            });
        }
        Ok(AddConstant {
            constant: Arc::new(constant),
            shader_words: PackCache::default(),
        })
    }
}

impl Op for AddConstant {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        match inputs {
            [x] if x.dtype == DType::F32
                && x.shape
                    .dims()
                    .first()
                    .is_some_and(|n| *n > 0 && x.shape.elements() / n == self.constant.len()) =>
            {
                Ok(vec![x.clone()])
            }
            _ => Err(KernelError::Mismatch {
                op: NAME,
                expected: format!(
                    "one f32 tensor with {} values a sample",
                    self.constant.len()
                ),
                got: format!("{inputs:?}"),
            }),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.first().map_or(0, |x| x.shape.elements() as u64)
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
        4 * self.constant.len() as u64
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut rng = Rng::new(29);
    let dims: [&[usize]; 3] = [&[1, 15, 11, 7], &[3, 9, 16], &[1, 1]];
    dims.iter()
        .map(|d| {
            let n: usize = d.iter().product();
            let op = AddConstant::new(rng.values(n / d[0], 1.0)).expect("not empty");
            let tolerance = Tolerance {
                absolute: 0.0,
                relative: 1e-6,
                why: "one addition",
            };
            Case {
                name: format!("{d:?}"),
                op: Arc::new(op),
                inputs: vec![Tensor::f32(d, rng.values(n, 1.0))],
                tolerance,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "sum with a stored tensor",
    cases,
    variants: gpu::variants,
};
