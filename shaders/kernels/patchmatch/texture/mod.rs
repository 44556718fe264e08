//! Texture measured afresh on one level of the pyramid.
//!
//! What the finest level calls texture is a few pixels wide. In a large photo, waves or leaves are wider than that and look
//! smooth there; on the level where they are a few pixels wide they are told apart from what really is smooth.

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

const NAME: &str = "patchmatch_texture";

/// Inputs: texels u32 `[H, W, 4]`, sites u32 `[H, W]`. Output: the texels with the texture of the known pixels around each, as
/// [`crate::patchmatch::texels::Texels`] measures it on a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texture {
    /// Texture weight in 1/256.
    weight: u32,
}

impl Texture {
    /// `texture` (0..=16) weighs the mean gradient against colour.
    pub fn new(texture: f32) -> Result<Self, KernelError> {
        if !(0.0..=16.0).contains(&texture) {
            return Err(KernelError::Parameters {
                op: NAME,
                why: format!("texture weight {texture} is outside 0..=16"),
            });
        }
        Ok(Texture {
            weight: (texture * 256.0).round() as u32,
        })
    }
}

impl Op for Texture {
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
        inputs.get(1).map_or(0, |s| s.shape.elements() as u64 * 250)
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
        if let [out] = outputs {
            let width = inputs[1].shape().dims()[1];
            native::run(
                self,
                texels_of(inputs[0].u32()),
                inputs[1].u32(),
                width,
                texels_of_mut(out.u32()),
            );
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, texture) in [5.0, 1.0, 16.0].iter().enumerate() {
        let mut scene = Scene::new(20 + i, 35 - 3 * i, 2, i == 1, 60 + i as u64);
        let op = Texture::new(*texture).expect("case parameters are valid");
        let inputs = vec![scene.texels(), scene.sites()];
        cases.push(Case {
            name: format!("texture {texture}"),
            op: Arc::new(op),
            inputs,
            tolerance: EXACT,
        });
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "texture measured afresh on one level, from known pixels only",
    cases,
    variants: gpu::variants,
};
