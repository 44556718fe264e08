//! The picture from the final field: voted colours, and the sums of source gradients that [`crate::poisson`] wants.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec, Tolerance};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::votes::Rule;
use crate::patchmatch::{arity, exact, plane};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_compose";

/// Inputs: image f32 `[H, W, 3]`, sites, NNF, distances and picks (of [`crate::patchmatch::pick`]) u32 `[H, W]`. Outputs, both
/// f32 `[H, W, 3]`: the image with the hole filled by votes, weighted towards the patch centre; and for each hole pixel the sum
/// over its neighbours of (own - neighbour), copied from the picks of both (their mean, as far as the photo's known pixels go),
/// zero elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    rule: Rule,
}

impl Compose {
    /// The weights of [`crate::patchmatch::vote::Vote::new`] times a Gaussian of one pixel around each patch centre.
    pub fn new(radius: usize, gamma: f32) -> Result<Self, KernelError> {
        Ok(Compose {
            rule: crate::patchmatch::vote::rule(NAME, radius, gamma, true)?,
        })
    }
}

impl Op for Compose {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [image, sites, nnf, distance, picks] = inputs else {
            return Err(arity(NAME, "image, sites, nnf, distances, picks", inputs));
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(NAME, "image", image, &TensorSpec::f32(&[h, w, 3]))?;
        exact(NAME, "nnf", nnf, sites)?;
        exact(NAME, "distances", distance, sites)?;
        exact(NAME, "picks", picks, sites)?;
        Ok(vec![image.clone(), image.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let side = 2 * self.rule.radius as u64 + 1;
        inputs
            .get(1)
            .map_or(0, |s| s.shape.elements() as u64 * side * side * 6)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [out, slopes] = outputs {
            let mean: &mut [u32] = bytemuck::cast_slice_mut(&mut scratch[..inputs[1].u32().len()]);
            crate::patchmatch::vote::native::means(inputs[1].u32(), inputs[3].u32(), mean);
            let field = crate::patchmatch::vote::field(inputs, mean);
            native::run(
                self.rule,
                inputs[0].f32(),
                field,
                inputs[4].u32(),
                out.f32(),
                slopes.f32(),
            );
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        inputs.get(1).map_or(0, |s| s.shape.elements())
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (radius, gamma, edge) in [(3, 2.0, false), (2, 1.5, true), (1, 1.0, true)] {
        let mut scene = Scene::new(30, 37, radius, edge, 3 + radius as u64);
        let op = Compose::new(radius, gamma).expect("case parameters are valid");
        let mut inputs = vec![
            scene.image(),
            scene.sites(),
            scene.field(),
            scene.distances(),
        ];
        inputs.push(scene.picks(radius));
        cases.push(Case {
            name: format!("radius {radius} gamma {gamma}"),
            op: Arc::new(op),
            inputs,
            tolerance: Tolerance {
                absolute: 2e-6,
                relative: 1e-5,
                why: "sums of up to 49 products in f32",
            },
        });
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "voted colours of the photo and sums of source gradients",
    cases,
    variants: gpu::variants,
};
