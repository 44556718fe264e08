//! Gradient-domain blend: the fill that has given gradients and meets the photo at the rim.
//!
//! Solves `sum over neighbours (u(p) - u(n)) = slopes(p)` in the hole with `u = image` outside; the photo's border and void
//! pixels count as no neighbours.

mod gpu;
mod levels;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::patchmatch::scene::Scene;
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "poisson";

/// Inputs: image f32 `[H, W, 3]` with a first fill, slopes f32 `[H, W, 3]`, sites u32 `[H, W]`. Output: f32 `[H, W, 3]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisson {
    soft: Option<f32>,
}

impl Poisson {
    /// With `soft`, a pixel's change `delta` is damped to `delta / (1 + (greatest channel / soft)^2)`: structure of the first
    /// fill stays where the rim disagrees strongly with it.
    pub fn new(soft: Option<f32>) -> Result<Self, KernelError> {
        if soft.is_some_and(|s| !(s > 0.0 && s.is_finite())) {
            return Err(KernelError::Parameters {
                op: NAME,
                why: format!("soft limit {soft:?} is not positive"),
            });
        }
        Ok(Poisson { soft })
    }
}

impl Op for Poisson {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let wrong = || KernelError::Mismatch {
            op: NAME,
            expected: "f32 [H, W, 3] twice and u32 [H, W]".into(),
            got: format!("{inputs:?}"),
        };
        let [image, slopes, sites] = inputs else {
            return Err(wrong());
        };
        let &[h, w] = sites.shape.dims() else {
            return Err(wrong());
        };
        if h * w == 0
            || *sites != TensorSpec::u32(&[h, w])
            || *image != TensorSpec::f32(&[h, w, 3])
            || slopes != image
        {
            return Err(wrong());
        }
        Ok(vec![image.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .first()
            .map_or(0, |s| s.shape.elements() as u64 * 100)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self.soft, inputs)
    }
    fn native(
        &self,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        _scratch: &mut [f32],
    ) {
        if let [out] = outputs {
            native::run(self.soft, inputs, out.f32());
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

/// How much of a pixel's change stays.
fn damping(soft: Option<f32>, delta: [f32; 3]) -> f32 {
    let greatest = delta.iter().fold(0.0f32, |m, d| m.max(d.abs()));
    soft.map_or(1.0, |soft| {
        1.0 / (1.0 + (greatest / soft) * (greatest / soft))
    })
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (h, w, edge, soft) in [
        (16, 24, false, None),
        (37, 45, true, None),
        (33, 50, true, Some(0.1)),
        (2, 3, true, None),
    ] {
        let mut scene = Scene::new(h, w, 1, edge, h as u64);
        let op = Poisson::new(soft).expect("case parameters are valid");
        let mut small = scene.image();
        if let crate::tensor::Data::F32(values) = &mut small.data {
            values.iter_mut().for_each(|v| *v = 0.1 * *v - 0.05);
        }
        cases.push(Case {
            name: format!("{h}x{w} soft {soft:?}"),
            op: Arc::new(op),
            inputs: vec![scene.image(), small, scene.sites()],
            tolerance: Tolerance {
                absolute: 5e-4,
                relative: 0.0,
                why: "a fixed number of multigrid cycles; half a step of 10 bits",
            },
        });
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "the fill with given gradients that meets the photo at the rim",
    cases,
    variants: gpu::variants,
};
