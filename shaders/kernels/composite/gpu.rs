//! GPU strategy: one word of output bytes per invocation.

use super::{Composite, NAME};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::lama_input::MASK_CUT;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant() -> Variant {
    let defines = vec![("MASK_CUT", format!("{MASK_CUT}u"))];
    Variant {
        kernel: NAME,
        strategy: "composite",
        template: include_str!("composite.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    _op: &Composite,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let (prediction, image) = (inputs[0].shape.dims(), inputs[1].shape.dims());
    let bytes = inputs[1].shape.elements();
    let dispatch = Dispatch {
        variant: variant(),
        bindings: vec![
            Binding::Input(0),
            Binding::Input(1),
            Binding::Input(2),
            Binding::Output(0),
        ],
        params: [bytes, image[1], image[2], prediction[2], prediction[3]]
            .map(word)
            .to_vec(),
        groups: spread(NAME, bytes.div_ceil(4 * 256) as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![variant()]
}
