//! GPU strategy: one pixel per invocation.

use super::native;
use super::{NAME, Texels};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::per_pixel;
use crate::program::{Program, Variant};

fn variant(guided: bool) -> Variant {
    let mut defines = vec![
        ("TEXTURE_MAX", format!("{}u", native::TEXTURE_MAX)),
        ("WINDOW", format!("{}u", native::WINDOW)),
    ];
    if guided {
        defines.insert(0, ("GUIDED", String::new()));
    }
    Variant {
        kernel: NAME,
        strategy: "texels",
        template: include_str!("texels.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Texels,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[1].shape.dims()[0], inputs[1].shape.dims()[1]);
    let params = vec![word(h), word(w), op.texture, op.guide.unwrap_or(0)];
    per_pixel(
        variant(op.guide.is_some()),
        inputs,
        if op.guide.is_some() {
            &[0, 1, 2]
        } else {
            &[0, 1]
        },
        &outputs,
        params,
        caps,
    )
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant(false), variant(true)]
}
