//! One source pixel for each hole pixel, instead of a mean of many: what gradients and copies are taken from.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::votes::Rule;
use crate::patchmatch::{EXACT, arity, exact, plane};
use crate::program::Program;
use crate::tensor::{Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_pick";

/// Inputs: sites, NNF and distances u32 `[H, W]`. Output: u32 `[H, W]`, for each hole pixel the index of the source pixel with
/// the greatest total weight among its votes (on a tie the smallest index), for others [`crate::patchmatch::NONE`].
///
/// Neighbours mostly pick neighbours: where the patches round a pixel disagree, one of them wins instead of a blur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    rule: Rule,
}

impl Pick {
    /// The votes of [`crate::patchmatch::compose::Compose::new`].
    pub fn new(radius: usize, gamma: f32) -> Result<Self, KernelError> {
        Ok(Pick {
            rule: crate::patchmatch::vote::rule(NAME, radius, gamma, true)?,
        })
    }
}

impl Op for Pick {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [sites, nnf, distance] = inputs else {
            return Err(arity(NAME, "sites, nnf, distances", inputs));
        };
        plane(NAME, "sites", sites)?;
        exact(NAME, "nnf", nnf, sites)?;
        exact(NAME, "distances", distance, sites)?;
        Ok(vec![sites.clone()])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        let votes = (2 * self.rule.radius as u64 + 1).pow(2);
        inputs
            .first()
            .map_or(0, |s| s.shape.elements() as u64 * votes * (8 + votes / 2))
    }
    fn reference(&self, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
        reference::run(self, inputs)
    }
    fn native(&self, inputs: &[TensorRef<'_>], outputs: &mut [TensorMut<'_>], scratch: &mut [f32]) {
        if let [out] = outputs {
            let mean: &mut [u32] = bytemuck::cast_slice_mut(&mut scratch[..inputs[0].u32().len()]);
            crate::patchmatch::vote::native::means(inputs[0].u32(), inputs[2].u32(), mean);
            native::run(self.rule, field(inputs, mean), out.u32());
        }
    }
    fn native_scratch(&self, inputs: &[TensorSpec]) -> usize {
        inputs.first().map_or(0, |s| s.shape.elements())
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn field<'a>(inputs: &[TensorRef<'a>], mean: &'a [u32]) -> crate::patchmatch::votes::Field<'a> {
    let dims = inputs[0].shape().dims();
    crate::patchmatch::votes::Field {
        site: inputs[0].u32(),
        nnf: inputs[1].u32(),
        mean,
        height: dims[0],
        width: dims[1],
    }
}

#[allow(clippy::expect_used)] // test data with constant parameters
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (radius, gamma, edge) in [(3, 3.0, false), (2, 1.5, true), (1, 1.0, true)] {
        let mut scene = Scene::new(28, 39, radius, edge, 9 + radius as u64);
        let op = Pick::new(radius, gamma).expect("case parameters are valid");
        // A field of few different shifts, so that votes for one pixel add up; the rest random.
        let mut nnf = scene.field();
        if let crate::tensor::Data::U32(values) = &mut nnf.data {
            let sources = scene.sources();
            for (at, value) in values
                .iter_mut()
                .enumerate()
                .filter(|(at, v)| **v != crate::patchmatch::NONE && at % 3 != 0)
            {
                let shifted = (at + 7) as u32;
                *value = if sources.binary_search(&shifted).is_ok() {
                    shifted
                } else {
                    *value
                };
            }
        }
        let inputs = vec![scene.sites(), nnf, scene.distances()];
        cases.push(Case {
            name: format!("radius {radius} gamma {gamma}"),
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
    summary: "the source pixel with the most votes, for each hole pixel",
    cases,
    variants: gpu::variants,
};
