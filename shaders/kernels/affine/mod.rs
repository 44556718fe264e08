//! Per-channel affine map: `out[n,c,y,x] = scale[c] * in[n,c,y,x] + shift[c]`. Batch normalisation at inference is one;
//! in networks it is folded into the convolution before it.

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

const NAME: &str = "affine";

/// The map. Input and output `[N, C, H, W]`.
#[derive(Debug, Clone)]
pub struct Affine {
    /// `[C]`
    pub scale: Arc<Vec<f32>>,
    /// `[C]`
    pub shift: Arc<Vec<f32>>,
    /// Factors and offsets as shaders read them.
    shader_words: PackCache,
}

impl Affine {
    /// A map from its factors and offsets, both `[C]`.
    pub fn new(scale: Vec<f32>, shift: Vec<f32>) -> Result<Self, KernelError> {
        if scale.is_empty() || scale.len() != shift.len() {
            let why = format!(
                "{} factors and {} offsets, wanted the same number, at least one",
                scale.len(),
                shift.len()
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        Ok(Affine {
            scale: Arc::new(scale),
            shift: Arc::new(shift),
            shader_words: PackCache::default(),
        })
    }

    /// Batch normalisation with running statistics: `gamma * (x - mean) / sqrt(var + eps) + beta`, all `[C]`.
    pub fn batch_norm(
        gamma: &[f32],
        beta: &[f32],
        mean: &[f32],
        var: &[f32],
        eps: f32,
    ) -> Result<Self, KernelError> {
        if [beta.len(), mean.len(), var.len()] != [gamma.len(); 3] {
            let why = format!(
                "batch norm of {} gammas, {} betas, {} means, {} variances",
                gamma.len(),
                beta.len(),
                mean.len(),
                var.len()
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        // f64 for the quotient: folded weights then round once.
        let scale: Vec<f64> = gamma
            .iter()
            .zip(var)
            .map(|(g, v)| f64::from(*g) / (f64::from(*v) + f64::from(eps)).sqrt())
            .collect();
        let shift = beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((b, m), s)| (f64::from(*b) - f64::from(*m) * s) as f32)
            .collect();
        Affine::new(scale.iter().map(|s| *s as f32).collect(), shift)
    }
}

impl Op for Affine {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        match inputs {
            [x] if x.dtype == DType::F32
                && x.shape.dims4().is_some_and(|d| d[1] == self.scale.len()) =>
            {
                Ok(vec![x.clone()])
            }
            _ => Err(KernelError::Mismatch {
                op: NAME,
                expected: format!("one f32 [N, {}, H, W]", self.scale.len()),
                got: format!("{inputs:?}"),
            }),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.iter().map(|s| 2 * s.shape.elements() as u64).sum()
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
        outputs
            .iter_mut()
            .for_each(|output| native::run(self, &inputs[0], output));
    }

    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
    fn weight_bytes(&self) -> u64 {
        8 * self.scale.len() as u64
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut rng = Rng::new(3);
    let dims = [[1, 3, 15, 11], [2, 5, 1, 1], [1, 7, 12, 20]];
    dims.iter()
        .map(|d| {
            let op =
                Affine::new(rng.values(d[1], 2.0), rng.values(d[1], 2.0)).expect("equal lengths");
            let inputs = vec![Tensor::f32(d, rng.values(d.iter().product(), 3.0))];
            let tolerance = Tolerance {
                absolute: 1e-6,
                relative: 1e-6,
                why: "one multiply and one add",
            };
            Case {
                name: format!("{d:?}"),
                op: Arc::new(op),
                inputs,
                tolerance,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "per-channel scale and shift",
    cases,
    variants: gpu::variants,
};
