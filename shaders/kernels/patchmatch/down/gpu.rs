//! GPU strategy: one coarse pixel per invocation.

use super::{Down, NAME};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::per_pixel;
use crate::program::{Program, Variant};

fn variant() -> Variant {
    let defines = Vec::new();
    Variant {
        kernel: NAME,
        strategy: "down",
        template: include_str!("down.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Down,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[2].shape.dims()[0], inputs[2].shape.dims()[1]);
    let params = vec![
        word(h),
        word(w),
        word(inputs[1].shape.dims()[0]),
        word(inputs[1].shape.dims()[1]),
    ];
    per_pixel(variant(), inputs, &[0, 1], &outputs, params, caps)
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
