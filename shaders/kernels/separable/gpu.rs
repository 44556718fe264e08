//! GPU strategy: the depthwise convolution, the halving, the product of `token_gemm`, and what follows it, a dispatch each.

use super::{NAME, Scale, Separable};
use crate::caps::Caps;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};
use crate::{depthwise, linear};

fn element(channels: usize) -> (bool, usize) {
    let four = channels.is_multiple_of(4);
    (four, if four { channels / 4 } else { channels })
}

fn down_variant(four: bool) -> Variant {
    let element = if four { "vec4<f32>" } else { "f32" };
    Variant {
        kernel: NAME,
        strategy: "down",
        template: include_str!("down.wgsl"),
        defines: vec![("ELEMENT", element.to_string())],
        subgroups: false,
    }
}

fn finish_variant(four: bool, up: bool, noise: bool, skip: bool) -> Variant {
    let (element, activate) = if four {
        ("vec4<f32>", "activate4")
    } else {
        ("f32", "activate")
    };
    let bindings = 2 + usize::from(noise) + usize::from(skip);
    let mut defines = vec![
        ("ACTIVATE", activate.to_string()),
        ("ELEMENT", element.to_string()),
        ("PARAMS", bindings.to_string()),
        ("SKIP_BINDING", (2 + usize::from(noise)).to_string()),
    ];
    let flags = [("NOISE", noise), ("SKIP", skip), ("UP", up)];
    defines.extend(
        flags
            .into_iter()
            .filter(|f| f.1)
            .map(|f| (f.0, String::new())),
    );
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "finish",
        template: include_str!("finish.wgsl"),
        defines,
        subgroups: false,
    }
}

/// Another operation's dispatches as part of this one: its output becomes scratch buffer `to`, its input, where it has
/// no longer the operation's own, `from`.
fn adopt(program: &mut Program, part: Program, from: Option<usize>, to: Option<usize>) {
    for mut dispatch in part.dispatches {
        dispatch.variant.kernel = NAME;
        for binding in &mut dispatch.bindings {
            match (&*binding, from, to) {
                (Binding::Input(0), Some(from), _) => *binding = Binding::ScratchRead(from),
                (Binding::Output(_), _, Some(to)) => *binding = Binding::Scratch(to),
                _ => {}
            }
        }
        program.dispatches.push(dispatch);
    }
}

pub(super) fn program(
    op: &Separable,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let [n, h, w, c] = inputs[0].shape.dims4().unwrap_or_default();
    let [ih, iw] = op.inner(h, w);
    let inner = TensorSpec::f32(&[n, ih, iw, c]);
    let product = TensorSpec::f32(&[n, ih, iw, op.pointwise.out_channels]);
    let all = inputs.iter().chain(&outputs).chain([&product]);
    check_bindings(NAME, all, &[], caps)?;

    let mut program = Program::default();
    program.scratch_bytes.push(inputs[0].bytes());
    let depthwise = op.depthwise.program(&inputs[..1], caps)?;
    adopt(&mut program, depthwise, None, Some(0));
    if op.scale == Scale::Down {
        program.scratch_bytes.push(inner.bytes());
        program.dispatches.push(down([n, ih, iw, c], caps)?);
    }
    let from = program.scratch_bytes.len() - 1;
    let apart = op.finishes_apart();
    let given: Vec<TensorSpec> = std::iter::once(inner)
        .chain(inputs[1..].iter().filter(|_| !apart).cloned())
        .collect();
    let pointwise = op.pointwise.program(&given, caps)?;
    let to = apart.then(|| {
        program.scratch_bytes.push(product.bytes());
        program.scratch_bytes.len() - 1
    });
    adopt(&mut program, pointwise, Some(from), to);
    if let Some(from) = to {
        let dispatch = finish(op, from, &outputs[0], caps)?;
        program.dispatches.push(dispatch);
    }
    Ok(program)
}

/// Scratch 0 to scratch 1 of half its size, `[n, h, w, c]`.
fn down([n, h, w, c]: [usize; 4], caps: &Caps) -> Result<Dispatch, KernelError> {
    let (four, elements) = element(c);
    let count = n * h * w * elements;
    Ok(Dispatch {
        variant: down_variant(four),
        bindings: vec![Binding::ScratchRead(0), Binding::Scratch(1)],
        params: [count, elements, h, w].map(word).to_vec(),
        groups: spread(NAME, count.div_ceil(64) as u64, caps)?,
    })
}

fn finish(
    op: &Separable,
    from: usize,
    out: &TensorSpec,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let [_, h, w, c] = out.shape.dims4().unwrap_or_default();
    let (four, elements) = element(c);
    let count = out.shape.elements() / c * elements;
    let mut bindings = vec![Binding::ScratchRead(from), Binding::Output(0)];
    let noise = op.noise.as_ref();
    bindings.extend(noise.map(|noise| Binding::Constant(noise.words.clone())));
    bindings.extend(op.skip.then_some(Binding::Input(1)));
    let side = noise.map_or(1, |noise| noise.side);
    let mut params = [count, elements, h, w, side].map(word).to_vec();
    params.push(crate::common::epilogue::Act::LreluAgc.code());
    Ok(Dispatch {
        variant: finish_variant(four, op.scale == Scale::Up, noise.is_some(), op.skip),
        bindings,
        params,
        groups: spread(NAME, count.div_ceil(64) as u64, caps)?,
    })
}

pub(super) fn variants() -> Vec<Variant> {
    let parts = (depthwise::INFO.variants)()
        .into_iter()
        .chain((linear::INFO.variants)())
        .map(|variant| Variant {
            kernel: NAME,
            ..variant
        });
    let finishes = (0..16).map(|bits| {
        let flag = |i: u32| bits >> i & 1 == 1;
        finish_variant(flag(0), flag(1), flag(2), flag(3))
    });
    parts
        .chain([down_variant(false), down_variant(true)])
        .chain(finishes)
        .collect()
}
