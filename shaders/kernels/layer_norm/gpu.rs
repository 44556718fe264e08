//! GPU strategies: `reduce`, one token per workgroup, where neighbours in a row are neighbours in memory; `rows`, one row per
//! invocation, for maps (neighbouring invocations read neighbouring pixels) and for software rasterisers.

use super::{Axis, LayerNorm, NAME};
use crate::caps::{Caps, Family};
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

fn rows_variant(four: bool) -> Variant {
    let mut defines = vec![(
        "ELEMENT",
        if four { "vec4<f32>" } else { "f32" }.to_string(),
    )];
    defines.extend(four.then(|| ("FOUR", String::new())));
    Variant {
        kernel: NAME,
        strategy: "rows",
        template: include_str!("rows.wgsl"),
        defines,
        subgroups: false,
    }
}

fn reduce_variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "reduce",
        template: include_str!("reduce.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

pub(super) fn program(
    op: &LayerNorm,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    check_bindings(NAME, inputs, &[], caps)?;
    let c = op.gamma.len();
    let count = inputs[0].shape.elements() / c;
    let (variant, elements, plane, groups) = match op.axis {
        Axis::Last if caps.family == Family::Simt => (reduce_variant(), c, 1, count),
        Axis::Last if c.is_multiple_of(4) => (rows_variant(true), c / 4, 1, count.div_ceil(64)),
        Axis::Last => (rows_variant(false), c, 1, count.div_ceil(64)),
        Axis::Channels => (
            rows_variant(false),
            c,
            inputs[0].shape.dims()[2..].iter().product(),
            count.div_ceil(64),
        ),
    };
    let map = op.shader_words.get("map", || {
        words(op.gamma.iter().chain(op.beta.iter()).copied())
    });
    let mut params = [count, elements, plane].map(word).to_vec();
    params.extend([c as f32, op.eps].map(f32::to_bits));
    let dispatch = Dispatch {
        variant,
        bindings: vec![
            Binding::Input(0),
            Binding::Constant(map),
            Binding::Output(0),
        ],
        params,
        groups: spread(NAME, groups as u64, caps)?,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

pub(super) fn variants() -> Vec<Variant> {
    vec![reduce_variant(), rows_variant(false), rows_variant(true)]
}
