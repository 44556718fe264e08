//! GPU strategy: one pixel per invocation.

use super::{Compose, NAME};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::RADIUS_MAX;
use crate::patchmatch::per_pixel;
use crate::patchmatch::votes::SPREAD;
use crate::program::{Program, Variant};

fn variant(radius: usize) -> Variant {
    let side = 2 * radius + 1;
    let defines = vec![
        ("RADIUS", format!("{radius}u")),
        ("SIDE2", (side * side).to_string()),
        ("SPREAD", format!("{SPREAD}u")),
    ];
    Variant {
        kernel: NAME,
        strategy: "compose",
        template: include_str!("compose.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Compose,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[1].shape.dims()[0], inputs[1].shape.dims()[1]);
    let params = vec![word(h), word(w), op.rule.falloff];
    per_pixel(
        variant(op.rule.radius),
        inputs,
        &[0, 1, 2, 3, 4],
        &outputs,
        params,
        caps,
    )
}

pub(super) fn variants() -> Vec<Variant> {
    (1..=RADIUS_MAX).map(variant).collect()
}
