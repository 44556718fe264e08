//! GPU strategy: one target per invocation.

use super::{NAME, Upsample};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::per_pixel;
use crate::program::{Program, Variant};

fn variant() -> Variant {
    let defines = vec![("NEAR", super::native::NEAR.to_string())];
    Variant {
        kernel: NAME,
        strategy: "upsample",
        template: include_str!("upsample.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Upsample,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[1].shape.dims()[0], inputs[1].shape.dims()[1]);
    let params = vec![word(h), word(w), word(inputs[2].shape.elements()), op.seed];
    per_pixel(variant(), inputs, &[0, 1, 2], &outputs, params, caps)
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
