//! Half the size, from known pixels only.

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

const NAME: &str = "patchmatch_down";

/// Inputs: fine texels u32 `[H, W, 4]`, fine sites u32 `[H, W]`, coarse sites `[ceil(H/2), ceil(W/2)]`.
/// Output: coarse texels: the weights 1 3 3 1 a side, over known pixels for colour and texture, over all for the guide.
/// A coarse pixel without any known pixel in reach gets zero colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Down;

impl Op for Down {
    fn kernel(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[TensorSpec]) -> Result<Vec<TensorSpec>, KernelError> {
        let [texels, sites, coarse] = inputs else {
            return Err(arity(NAME, "texels, sites, coarse sites", inputs));
        };
        let [h, w] = plane(NAME, "sites", sites)?;
        exact(NAME, "texels", texels, &TensorSpec::u32(&[h, w, WORDS]))?;
        exact(
            NAME,
            "coarse sites",
            coarse,
            &TensorSpec::u32(&[h.div_ceil(2), w.div_ceil(2)]),
        )?;
        Ok(vec![TensorSpec::u32(&[
            h.div_ceil(2),
            w.div_ceil(2),
            WORDS,
        ])])
    }
    fn flops(&self, inputs: &[TensorSpec]) -> u64 {
        inputs
            .get(2)
            .map_or(0, |s| s.shape.elements() as u64 * 16 * 16)
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

fn fine<'a>(inputs: &[TensorRef<'a>]) -> (&'a [crate::patchmatch::Texel], &'a [u32], [usize; 2]) {
    let dims = inputs[1].shape().dims();
    (
        texels_of(inputs[0].u32()),
        inputs[1].u32(),
        [dims[0], dims[1]],
    )
}

fn cases() -> Vec<Case> {
    [(16, 24), (15, 33), (17, 12)]
        .iter()
        .map(|(h, w)| {
            let mut scene = Scene::new(*h, *w, 1, false, *h as u64);
            let coarse = Tensor::u32(
                &[h.div_ceil(2), w.div_ceil(2)],
                vec![0; h.div_ceil(2) * w.div_ceil(2)],
            );
            Case {
                name: format!("{h}x{w}"),
                op: Arc::new(Down),
                inputs: vec![scene.texels(), scene.sites(), coarse],
                tolerance: EXACT,
            }
        })
        .collect()
}

/// Row of [`crate::KERNELS`].
pub static INFO: KernelInfo = KernelInfo {
    name: NAME,
    summary: "texels at half the size, from known pixels only",
    cases,
    variants: gpu::variants,
};
