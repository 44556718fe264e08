//! GPU strategy: four outputs of a column per invocation.

use super::{MatmulNt, NAME};
use crate::attention::tokens;
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "matmul_nt",
        template: include_str!("matmul_nt.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &MatmulNt,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let (a, columns) = (inputs[0].shape.dims(), tokens(inputs[1].shape.dims()));
    let blocks = a[1].div_ceil(4);
    let count = a[0] * blocks * columns;
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Input(1), Binding::Output(0)],
        params: [count, a[1], columns, a[2], blocks].map(word).to_vec(),
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
