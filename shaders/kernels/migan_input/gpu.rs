//! GPU strategy: one padded pixel per invocation.

use super::{MiganInput, NAME};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::lama_input::MASK_CUT;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "migan_input",
        template: include_str!("migan_input.wgsl"),
        defines: vec![("MASK_CUT", format!("{MASK_CUT}u"))],
        subgroups: false,
    }
}

pub(super) fn program(
    op: &MiganInput,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let (image, out) = (inputs[0].shape.dims(), outputs[0].shape.dims());
    let pixels = out[0] * out[1] * out[2];
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Input(1), Binding::Output(0)],
        params: [pixels, image[1], image[2], out[1], out[2]]
            .map(word)
            .to_vec(),
        groups: spread(NAME, pixels.div_ceil(256) as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
