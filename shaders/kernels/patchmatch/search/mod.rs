//! One pass of the search for better sources.
//!
//! Every target tries the sources of its four neighbours at distance `step`, shifted back by that step, then random sources
//! around the best one so far, within `reach`, `reach / 2`, ... 1 pixels. All targets read the field of the previous pass
//! (Jacobi), so the result depends on no order. The smaller distance wins, on a tie the smaller index.

mod gpu;
mod native;
mod reference;
mod scan;
mod sums;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::{EXACT, WORDS, arity, exact, plane, texels_of};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_search";

/// Inputs: texels u32 `[H, W, 4]`, sites u32 `[H, W]`, NNF u32 `[H, W]`, distances u32 `[H, W]`. Outputs: NNF and distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    radius: usize,
    known_factor: i16,
    step: usize,
    reach: u32,
    fresh: bool,
    seed: u32,
    salt: u32,
}

impl Search {
    /// A pass for patches of `2 * radius + 1` pixels a side, propagating over `step` pixels, with random samples within
    /// `reach` pixels (0: none). `known_weight` (1 or 4) is the weight of a difference on a known pixel of the target.
    /// `fresh` measures the given sources first instead of trusting the given distances. `salt` numbers the pass.
    pub fn new(
        radius: usize,
        known_weight: u32,
        step: usize,
        reach: u32,
        fresh: bool,
        seed: u32,
        salt: u32,
    ) -> Result<Self, KernelError> {
        crate::patchmatch::radius(NAME, radius)?;
        let known_factor = match known_weight {
            1 => 1,
            4 => 2,
            other => {
                return Err(KernelError::Parameters {
                    op: NAME,
                    why: format!("weight {other} of known pixels is not 1 or 4"),
                });
            }
        };
        if reach > 0x7fff || step == 0 {
            return Err(KernelError::Parameters {
                op: NAME,
                why: format!("step {step} is 0 or reach {reach} is above 32767"),
            });
        }
        Ok(Search {
            radius,
            known_factor,
            step,
            reach,
            fresh,
            seed,
            salt,
        })
    }
}

impl Op for Search {
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
        Ok(vec![sites.clone(), sites.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let side = 2 * self.radius as u64 + 1;
        let tries = 4 + u64::from(self.fresh) + u64::from(32 - self.reach.leading_zeros());
        inputs
            .get(1)
            .map_or(0, |s| s.shape.elements() as u64 * tries * side * side * 16)
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
        if let [nnf, distance] = outputs {
            native::run(self, planes(inputs), nnf.u32(), distance.u32());
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn planes<'a>(inputs: &[TensorRef<'a>]) -> native::Planes<'a> {
    let dims = inputs[1].shape().dims();
    native::Planes {
        texels: texels_of(inputs[0].u32()),
        site: inputs[1].u32(),
        nnf: inputs[2].u32(),
        distance: inputs[3].u32(),
        height: dims[0],
        width: dims[1],
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, (radius, weight, step, reach, fresh)) in [
        (3, 4, 1, 20, true),
        (3, 4, 4, 0, false),
        (2, 1, 1, 9, true),
        (1, 1, 8, 3, false),
    ]
    .iter()
    .enumerate()
    {
        let mut scene = Scene::new(29 + i, 41 - i, *radius, i % 2 == 1, i as u64);
        let op = Search::new(*radius, *weight, *step, *reach, *fresh, 7, i as u32)
            .expect("case parameters are valid");
        cases.push(Case {
            name: format!("radius {radius} weight {weight} step {step} reach {reach}"),
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
    summary: "one pass of the search for better source patches",
    cases,
    variants: gpu::variants,
};
