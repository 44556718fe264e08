//! GPU strategy: one element per invocation.

use super::{Add, NAME};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "add",
        template: include_str!("add.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    _op: &Add,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let count = inputs[0].shape.elements();
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Input(1), Binding::Output(0)],
        params: vec![word(count)],
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
