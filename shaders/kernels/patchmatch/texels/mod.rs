//! A photo to texels: weighted colour, texture from known pixels only, and the guide.

mod gpu;
pub(crate) mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::{EXACT, WORDS, arity, exact, plane, texels_of_mut};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_texels";

/// Inputs: image f32 `[H, W, 3]` in 0..1 (used at 8 bits), sites u32 `[H, W]`, and with a guide another f32 `[H, W, 3]`. Output: texels u32 `[H, W, 4]`.
///
/// Pixels that are not known get zero colour and the texture of the known pixels around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texels {
    /// Texture weight in 1/256.
    texture: u32,
    /// Square root of the guide's weight in 1/256; `None` without a guide.
    guide: Option<u32>,
}

impl Texels {
    /// `texture` (0..=16) weighs the mean gradient against colour; `guide` (0..=1) is the weight of the guide's squared
    /// differences, `None` if there is no guide image.
    pub fn new(texture: f32, guide: Option<f32>) -> Result<Self, KernelError> {
        if !(0.0..=16.0).contains(&texture) || guide.is_some_and(|g| !(0.0..=1.0).contains(&g)) {
            let why = format!(
                "texture weight {texture} is outside 0..=16 or guide weight {guide:?} outside 0..=1"
            );
            return Err(KernelError::Parameters { op: NAME, why });
        }
        Ok(Texels {
            texture: (texture * 256.0).round() as u32,
            guide: guide.map(|g| (g.sqrt() * 256.0).round() as u32),
        })
    }
}

impl Op for Texels {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let (image, sites, guide) = match (inputs, self.guide) {
            ([image, sites], None) => (image, sites, None),
            ([image, sites, guide], Some(_)) => (image, sites, Some(guide)),
            _ => return Err(arity(NAME, "image, sites and, if weighted, guide", inputs)),
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(NAME, "image", image, &TensorSpec::f32(&[h, w, 3]))?;
        if let Some(guide) = guide {
            exact(NAME, "guide", guide, image)?;
        }
        Ok(vec![TensorSpec::u32(&[h, w, WORDS])])
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
            native::run(self, inputs, texels_of_mut(out.u32()));
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, (texture, guide)) in [(5.0, None), (1.0, Some(0.5)), (16.0, Some(1.0))]
        .iter()
        .enumerate()
    {
        let mut scene = Scene::new(21 + i, 33 - i, 3, i == 1, 40 + i as u64);
        let op = Texels::new(*texture, *guide).expect("case parameters are valid");
        let mut inputs = vec![scene.image(), scene.sites()];
        inputs.extend(guide.map(|_| scene.image()));
        cases.push(Case {
            name: format!("texture {texture} guide {guide:?}"),
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
    summary: "a photo as weighted colour, texture and guide channels",
    cases,
    variants: gpu::variants,
};
