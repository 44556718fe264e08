//! GPU strategy: one pixel per invocation.

use super::{NAME, Texture};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::per_pixel;
use crate::patchmatch::texels::native;
use crate::program::{Program, Variant};

fn variant() -> Variant {
    let defines = vec![
        ("TEXTURE_MAX", format!("{}u", native::TEXTURE_MAX)),
        ("WINDOW", format!("{}u", native::WINDOW)),
    ];
    Variant {
        kernel: NAME,
        strategy: "texture",
        template: include_str!("texture.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Texture,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let dims = inputs[1].shape.dims();
    per_pixel(
        variant(),
        inputs,
        &[0, 1],
        &outputs,
        vec![word(dims[0]), word(dims[1]), op.weight],
        caps,
    )
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
