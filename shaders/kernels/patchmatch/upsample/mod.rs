//! The field of the next finer level: twice the source, plus the pixel's place in its coarse pixel.

mod gpu;
mod native;
mod reference;

use std::sync::Arc;

use crate::caps::Caps;
use crate::error::KernelError;
use crate::op::{Case, KernelInfo, Op, TensorSpec};
use crate::patchmatch::scene::Scene;
use crate::patchmatch::{EXACT, arity, exact, plane};
use crate::program::Program;
use crate::tensor::{DType, Tensor, TensorMut, TensorRef};

const NAME: &str = "patchmatch_upsample";

/// Inputs: coarse NNF u32 `[ceil(H/2), ceil(W/2)]`, fine sites u32 `[H, W]`, valid fine sources u32 `[K]`, K >= 1.
/// Outputs: fine NNF, and a plane of zeros: its distances, not measured yet. Where the doubled source is not valid, the nearest valid one within 4 pixels is taken (on a tie the
/// first in row order), where there is none, one of the K, by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsample {
    seed: u32,
}

impl Upsample {
    /// `seed` picks among the K sources.
    pub fn new(seed: u32) -> Self {
        Upsample { seed }
    }
}

impl Op for Upsample {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [coarse, sites, sources] = inputs else {
            return Err(arity(NAME, "coarse nnf, sites, sources", inputs));
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(
            NAME,
            "coarse nnf",
            coarse,
            &TensorSpec::u32(&[h.div_ceil(2), w.div_ceil(2)]),
        )?;
        match sources.shape.dims() {
            [count] if *count > 0 && sources.dtype == DType::U32 => {
                Ok(vec![sites.clone(), sites.clone()])
            }
            _ => Err(crate::patchmatch::mismatch(
                NAME,
                "sources u32 [K], K >= 1".into(),
                sources,
            )),
        }
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs.get(1).map_or(0, |s| s.shape.elements() as u64 * 8)
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
        if let [out, distances] = outputs {
            native::run(self.seed, inputs, out.u32());
            distances.u32().fill(0);
        }
    }
    fn program(&self, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
        gpu::program(self, inputs, caps)
    }
}

fn cases() -> Vec<Case> {
    [(24, 36, false), (27, 45, true)]
        .iter()
        .map(|(h, w, edge)| {
            let scene = Scene::new(*h, *w, 2, *edge, *h as u64);
            let coarse = Scene::new(h.div_ceil(2), w.div_ceil(2), 1, *edge, 4).field();
            let spare: Vec<u32> = scene.sources().into_iter().step_by(7).collect();
            let sources = Tensor::u32(&[spare.len()], spare);
            Case {
                name: format!("{h}x{w}"),
                op: Arc::new(Upsample::new(5)),
                inputs: vec![coarse, scene.sites(), sources],
                tolerance: EXACT,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "the field of the next finer level",
    cases,
    variants: gpu::variants,
};
