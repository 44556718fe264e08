//! GPU strategy: one channel, or four, and four pixels of a row per invocation.

use super::{Depthwise, NAME};
use crate::caps::Caps;
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

fn variant(stride: usize, four: bool, residual: bool) -> Variant {
    let (element, activate) = if four {
        ("vec4<f32>", "activate4")
    } else {
        ("f32", "activate")
    };
    let mut defines = vec![
        ("ACTIVATE", activate.to_string()),
        ("ELEMENT", element.to_string()),
        ("PARAMS", (3 + usize::from(residual)).to_string()),
        ("STRIDE", format!("{stride}u")),
    ];
    defines.extend(residual.then(|| ("RESIDUAL", String::new())));
    defines.extend((stride == 2).then(|| ("STRIDE2", String::new())));
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "columns",
        template: include_str!("columns.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn program(
    op: &Depthwise,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs.iter().chain(&outputs), &[], caps)?;
    let (d, o, channels) = (
        inputs[0].shape.dims(),
        outputs[0].shape.dims(),
        op.bias.len(),
    );
    let four = channels.is_multiple_of(4);
    let elements = if four { channels / 4 } else { channels };
    let cols = o[2].div_ceil(4);
    let count = o[0] * o[1] * cols * elements;
    let weights = op.shader_words.get("taps", || {
        let taps = (0..9).flat_map(|tap| (0..channels).map(move |c| op.weight[c * 9 + tap]));
        words(taps.chain(op.bias.iter().copied()))
    });
    let mut bindings = vec![
        Binding::Input(0),
        Binding::Constant(weights),
        Binding::Output(0),
    ];
    bindings.extend(op.epilogue.residual.then_some(Binding::Input(1)));
    let mut params = [count, elements, d[1], d[2], o[1], o[2], cols]
        .map(word)
        .to_vec();
    params.push(op.epilogue.act.code());
    let groups = spread(NAME, count.div_ceil(64) as u64, caps)?;
    let dispatch = Dispatch {
        variant: variant(op.stride, four, op.epilogue.residual),
        bindings,
        params,
        groups,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    let of = |stride| {
        [[false, false], [false, true], [true, false], [true, true]]
            .map(|[four, residual]| variant(stride, four, residual))
    };
    [1, 2].into_iter().flat_map(of).collect()
}
