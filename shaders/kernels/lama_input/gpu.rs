//! GPU strategy: one padded pixel per invocation.

use super::{LamaInput, MASK_CUT, NAME};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    let defines = vec![("MASK_CUT", format!("{MASK_CUT}u"))];
    Variant {
        kernel: NAME,
        strategy: "lama_input",
        template: include_str!("lama_input.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &LamaInput,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs, &[], caps)?;
    check_bindings(NAME, &outputs, &[], caps)?;
    let (image, out) = (inputs[0].shape.dims(), outputs[0].shape.dims());
    let pixels = out[0] * out[2] * out[3];
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![Binding::Input(0), Binding::Input(1), Binding::Output(0)],
        params: [pixels, image[1], image[2], out[2], out[3]]
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
