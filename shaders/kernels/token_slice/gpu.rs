//! GPU strategy: one element per invocation.

use super::{NAME, TokenSlice};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "token_slice",
        template: include_str!("token_slice.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &TokenSlice,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let d = inputs[0].shape.dims();
    let count = d[0] * op.count * d[2];
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Output(0)],
        params: [count, op.count * d[2], d[1] * d[2], op.start * d[2]]
            .map(word)
            .to_vec(),
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
