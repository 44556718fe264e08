//! GPU strategy: one pixel per invocation.

use super::{NAME, Rays};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::per_pixel;
use crate::program::{Program, Variant};

fn variant() -> Variant {
    let defines = vec![("ONE", super::native::ONE.to_string())];
    Variant {
        kernel: NAME,
        strategy: "rays",
        template: include_str!("rays.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Rays,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[1].shape.dims()[0], inputs[1].shape.dims()[1]);
    let params = vec![word(h), word(w)];
    per_pixel(variant(), inputs, &[0, 1], &outputs, params, caps)
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
