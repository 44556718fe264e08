//! GPU strategy: one target per invocation.

use super::{NAME, Search};
use crate::caps::Caps;
use crate::common::launch::word;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::patchmatch::RADIUS_MAX;
use crate::patchmatch::per_pixel;
use crate::program::{Program, Variant};

fn variant(radius: usize) -> Variant {
    let defines = vec![("RADIUS", format!("{radius}u"))];
    Variant {
        kernel: NAME,
        strategy: "search",
        template: include_str!("search.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Search,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let (h, w) = (inputs[1].shape.dims()[0], inputs[1].shape.dims()[1]);
    let params = vec![
        word(h),
        word(w),
        word(op.step),
        op.reach,
        u32::from(op.fresh),
        op.known_factor as u32,
        op.seed,
        op.salt,
    ];
    per_pixel(
        variant(op.radius),
        inputs,
        &[0, 1, 2, 3],
        &outputs,
        params,
        caps,
    )
}

pub(super) fn variants() -> Vec<Variant> {
    (1..=RADIUS_MAX).map(variant).collect()
}
