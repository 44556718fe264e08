//! A first, smooth fill: every hole pixel looks in sixteen directions and blends the known pixels it meets.
//!
//! Weighted by one over the squared distance this is close to a harmonic fill, in one dispatch without iterations.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::{EXACT, WORDS, arity, exact, plane, texels_of, texels_of_mut};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_rays";

/// Inputs: texels u32 `[H, W, 4]`, sites u32 `[H, W]`. Output: texels with the hole filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rays;

impl Op for Rays {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [texels, sites] = inputs else {
            return Err(arity(NAME, "texels, sites", inputs));
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(NAME, "texels", texels, &TensorSpec::u32(&[h, w, WORDS]))?;
        Ok(vec![texels.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .get(1)
            .map_or(0, |s| s.shape.elements() as u64 * 16 * 64)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(inputs)
    }
    fn native(
        &self,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        _scratch: &mut [f32],
    ) {
        if let [out] = outputs {
            native::run(inputs, texels_of_mut(out.u32()));
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn planes<'a>(inputs: &[TensorRef<'a>]) -> (&'a [crate::patchmatch::Texel], &'a [u32], usize) {
    (
        texels_of(inputs[0].u32()),
        inputs[1].u32(),
        inputs[1].shape().dims()[1],
    )
}

fn cases() -> Vec<Case> {
    [(16, 24, false), (31, 45, true)]
        .iter()
        .map(|(h, w, edge)| {
            let mut scene = Scene::new(*h, *w, 2, *edge, *h as u64);
            Case {
                name: format!("{h}x{w}"),
                op: Arc::new(Rays),
                inputs: vec![scene.texels(), scene.sites()],
                tolerance: EXACT,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "a smooth first fill from the known pixels met in sixteen directions",
    cases,
    variants: gpu::variants,
};
