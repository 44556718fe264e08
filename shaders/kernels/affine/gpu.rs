//! GPU strategy: one element per invocation.

use super::{Affine, NAME};
use crate::caps::Caps;
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "affine",
        template: include_str!("affine.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Affine,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let (count, channels) = (inputs[0].shape.elements(), op.scale.len());
    let plane = inputs[0].shape.dims()[2..].iter().product();
    let map = op.shader_words.get("map", || {
        words(op.scale.iter().chain(op.shift.iter()).copied())
    });
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![
            Binding::Input(0),
            Binding::Constant(map),
            Binding::Output(0),
        ],
        params: vec![word(count), word(channels), word(plane)],
        groups: spread(NAME, count.div_ceil(256) as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
