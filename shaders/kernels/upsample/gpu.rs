//! GPU strategy: one output pixel per invocation.

use super::{NAME, Upsample};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "upsample",
        template: include_str!("upsample.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Upsample,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let (d, count) = (inputs[0].shape.dims(), outputs[0].shape.elements());
    let [ch, cw] = op.used(d[2], d[3]);
    let mut params = [count, d[2], d[3], ch, cw, op.height, op.width]
        .map(word)
        .to_vec();
    params.extend([ch as f32 / op.height as f32, cw as f32 / op.width as f32].map(f32::to_bits));
    let groups = spread(NAME, count.div_ceil(256) as u64, caps)?;
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Output(0)],
        params,
        groups,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
