//! Rebuilds the hole from the field: every patch that covers a pixel votes for the colour and texture of its source.

mod gpu;
pub(crate) mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::votes::{Field, Rule, SPREAD};
use crate::patchmatch::{EXACT, WORDS, arity, exact, plane, texels_of, texels_of_mut};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_vote";

/// Inputs: texels u32 `[H, W, 4]`, sites, NNF and distances u32 `[H, W]`. Output: texels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    rule: Rule,
}

impl Vote {
    /// Votes of patches of `2 * radius + 1` pixels a side, each weighted by `gamma^-distance` to the nearest known pixel
    /// and by its match, relative to the mean match of the patches that cover the pixel.
    pub fn new(radius: usize, gamma: f32) -> Result<Self, KernelError> {
        Ok(Vote {
            rule: rule(NAME, radius, gamma, false)?,
        })
    }
}

/// Checks the parameters; `near` adds a Gaussian of one pixel around each patch centre.
pub(crate) fn rule(
    op: &'static str,
    radius: usize,
    gamma: f32,
    near: bool,
) -> Result<Rule, KernelError> {
    crate::patchmatch::radius(op, radius)?;
    if !(1.0..=16.0).contains(&gamma) {
        return Err(KernelError::Parameters {
            op,
            why: format!("gamma {gamma} is outside 1..=16"),
        });
    }
    Ok(Rule {
        radius,
        falloff: (64.0 * gamma.log2()).round() as u32,
        spread: if near { SPREAD } else { 0 },
    })
}

impl Op for Vote {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [texels, sites, nnf, distance] = inputs else {
            return Err(arity(NAME, "texels, sites, nnf, distances", inputs));
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(NAME, "texels", texels, &TensorSpec::u32(&[h, w, WORDS]))?;
        exact(NAME, "nnf", nnf, sites)?;
        exact(NAME, "distances", distance, sites)?;
        Ok(vec![texels.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let side = 2 * self.rule.radius as u64 + 1;
        inputs
            .get(1)
            .map_or(0, |s| s.shape.elements() as u64 * side * side * 16)
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [out] = outputs {
            let mean: &mut [u32] = bytemuck::cast_slice_mut(&mut scratch[..inputs[1].u32().len()]);
            native::means(inputs[1].u32(), inputs[3].u32(), mean);
            native::run(
                self.rule,
                texels_of(inputs[0].u32()),
                field(inputs, mean),
                texels_of_mut(out.u32()),
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

pub(crate) fn field<'a>(inputs: &[TensorRef<'a>], mean: &'a [u32]) -> Field<'a> {
    let dims = inputs[1].shape().dims();
    Field {
        site: inputs[1].u32(),
        nnf: inputs[2].u32(),
        mean,
        height: dims[0],
        width: dims[1],
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (radius, gamma, edge) in [(3, 2.0, false), (2, 1.5, true), (1, 1.0, true)] {
        let mut scene = Scene::new(30, 37, radius, edge, 3 + radius as u64);
        let op = Vote::new(radius, gamma).expect("case parameters are valid");
        cases.push(Case {
            name: format!("radius {radius} gamma {gamma}"),
            op: Arc::new(op),
            inputs: vec![
                scene.texels(),
                scene.sites(),
                scene.field(),
                scene.distances(),
            ],
            tolerance: EXACT,
        });
    }
    cases
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "the hole rebuilt from its source patches by weighted votes",
    cases,
    variants: gpu::variants,
};
