//! GPU strategy: one pixel per invocation.

use super::{NAME, ToRgb};
use crate::caps::Caps;
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant(four: bool, coarser: bool, last: bool) -> Variant {
    let mut defines = vec![
        (
            "ELEMENT",
            if four { "vec4<f32>" } else { "f32" }.to_string(),
        ),
        ("PARAMS", (3 + usize::from(coarser)).to_string()),
    ];
    let flags = [("COARSER", coarser), ("FOUR", four), ("LAST", last)];
    defines.extend(
        flags
            .into_iter()
            .filter(|f| f.1)
            .map(|f| (f.0, String::new())),
    );
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "to_rgb",
        template: include_str!("to_rgb.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &ToRgb,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let [n, h, w, c] = inputs[0].shape.dims4().unwrap_or_default();
    let four = c.is_multiple_of(4);
    let elements = if four { c / 4 } else { c };
    let pixels = n * h * w;
    let weights = op
        .shader_words
        .get("rows", || words(op.weight.iter().copied()));
    let mut bindings = vec![
        Binding::Input(0),
        Binding::Constant(weights),
        Binding::Output(0),
    ];
    bindings.extend(op.coarser.then_some(Binding::Input(1)));
    let mut params = [pixels, elements, h, w].map(word).to_vec();
    params.extend(op.bias.map(f32::to_bits));
    let dispatch = Dispatch {
        variant: variant(four, op.coarser, op.last),
        bindings,
        params,
        groups: spread(NAME, pixels.div_ceil(64) as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    let flag = |bits: u32, i: u32| bits >> i & 1 == 1;
    (0..8)
        .map(|bits| variant(flag(bits, 0), flag(bits, 1), flag(bits, 2)))
        .collect()
}
