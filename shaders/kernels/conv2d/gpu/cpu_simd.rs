//! Strategies for software rasterisers: `cpu_rows` (3x3, with stride 1 plus a second 3x3 or 1x1 input), `cpu_pointwise`
//! (1x1) and `cpu_window` (7x7).
//! Everything that they do not serve is left to the strategies for any GPU.

use super::weight_bindings;
use crate::caps::Caps;
use crate::common::align::{self, Rows};
use crate::common::launch::{spread, word};
use crate::conv2d::{Conv2d, NAME, Padding, Segment, pack};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Binding, Dispatch, Program, Variant};

/// Lanes that the shaders are written for.
const LANES: usize = 8;

/// A second input of `cpu_rows`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    None,
    ThreeByThree,
    Point,
}

const SECONDS: [Second; 3] = [Second::None, Second::ThreeByThree, Second::Point];

fn is_three(segment: &Segment) -> bool {
    segment.kernel == 3 && segment.padding.amount() == 1
}

fn is_point(segment: &Segment) -> bool {
    segment.kernel == 1 && segment.padding.amount() == 0
}

fn reflects(segment: &Segment) -> bool {
    matches!(segment.padding, Padding::Reflect(_))
}

/// The program, or `None` where no strategy of this family fits.
pub(super) fn program(
    op: &Conv2d,
    inputs: &[TensorSpec],
    output: &TensorSpec,
    caps: &Caps,
) -> Result<Option<Program>, KernelError> {
    if caps.subgroup_size as usize != LANES {
        return Ok(None);
    }
    let rows = |first: usize, second: Option<usize>, kind: Second| {
        rows(op, inputs, output, (first, second, kind), caps).map(Some)
    };
    match op.segments.as_slice() {
        [a] if is_three(a) => rows(0, None, Second::None),
        _ if op.stride != 1 => Ok(None),
        [a] if a.kernel == 7 && a.padding == Padding::Reflect(3) => {
            window(op, output, caps).map(Some)
        }
        [a] if is_point(a) => pointwise(op, output, caps).map(Some),
        [a, b] if is_three(a) && is_three(b) && a.padding == b.padding => {
            rows(0, Some(1), Second::ThreeByThree)
        }
        [a, b] if is_three(a) && is_point(b) => rows(0, Some(1), Second::Point),
        [a, b] if is_point(a) && is_three(b) => rows(1, Some(0), Second::Point),
        _ => Ok(None),
    }
}

pub(super) fn variants() -> Vec<Variant> {
    let mut all = vec![align::variant(NAME)];
    for residual in [false, true] {
        all.push(pointwise_variant(residual));
        all.extend(
            [pack::HEAD_CHANNELS, pack::WINDOW_CHANNELS]
                .map(|channels| window_variant(channels, residual)),
        );
        for zero in [false, true] {
            all.push(rows_variant(Second::None, 2, residual, zero));
            all.extend(SECONDS.map(|second| rows_variant(second, 1, residual, zero)));
        }
    }
    all
}

/// Adds the residual's and the params block's binding numbers, the first of which is `next`.
fn finish(
    mut defines: Vec<(&'static str, String)>,
    next: usize,
    residual: bool,
) -> Vec<(&'static str, String)> {
    defines.push(("PARAMS", (next + usize::from(residual)).to_string()));
    defines.extend(residual.then(|| ("RESIDUAL", next.to_string())));
    defines.sort();
    defines
}

fn rows_variant(second: Second, stride: usize, residual: bool, zero: bool) -> Variant {
    let (extra, words) = match second {
        Second::None => (&[][..], "0u"),
        Second::ThreeByThree => (&["SEGMENT1", "SEGMENT1_3X3"][..], "p.ic1 * 40u"),
        Second::Point => (&["SEGMENT1", "SEGMENT1_1X1"][..], "(p.ic1 + 1u) / 2u * 8u"),
    };
    let mut defines = vec![
        ("SEGMENT1_WORDS", words.to_string()),
        ("STRIDE", format!("{stride}u")),
    ];
    defines.extend(extra.iter().map(|name| (*name, String::new())));
    defines.extend((stride == 2).then(|| ("STRIDE2", String::new())));
    defines.extend(zero.then(|| ("ZERO", String::new())));
    let inputs = match second {
        Second::None => 2,
        Second::Point => 3,
        Second::ThreeByThree => 4,
    };
    let defines = finish(defines, 3 + inputs, residual);
    Variant {
        kernel: NAME,
        strategy: "cpu_rows",
        template: include_str!("../cpu_rows.wgsl"),
        defines,
        subgroups: true,
    }
}

/// 3x3 with the inputs at the given places.
fn rows(
    op: &Conv2d,
    inputs: &[TensorSpec],
    output: &TensorSpec,
    (first, second, kind): (usize, Option<usize>, Second),
    caps: &Caps,
) -> Result<Program, KernelError> {
    let (d, of) = (inputs[first].shape.dims(), output.shape.dims());
    let (n, h, oh, ow) = (d[0], d[2], of[2], of[3]);
    let cols = ow.div_ceil(4);
    let in_cols = cols * op.stride;
    let reflect = reflects(&op.segments[first]);
    let mut program = Program::default();
    let order: Vec<usize> = [Some(first), second].into_iter().flatten().collect();
    let mut bindings = weight_bindings(
        op,
        op.shader_words
            .get("cpu_rows", || pack::cpu_rows(op, &order)),
    );
    for at in &order {
        let count = n * h * op.segments[*at].in_channels;
        let x = align::bind(
            NAME,
            &mut program,
            *at,
            Rows {
                count,
                width: d[3],
                cols: in_cols,
                reflect,
            },
            caps,
        )?;
        bindings.extend(is_three(&op.segments[*at]).then(|| x.clone()));
        bindings.push(x);
    }
    bindings.extend(
        op.epilogue
            .residual
            .then_some(Binding::Input(op.segments.len())),
    );
    let (units, blocks) = (
        n * oh.div_ceil(2) * cols,
        op.out_channels.div_ceil(pack::ROWS_CHANNELS),
    );
    let mut params = [op.out_channels, h, in_cols, oh, ow, cols, units, blocks]
        .map(word)
        .to_vec();
    params.push(op.epilogue.act.code());
    params.extend(order.iter().map(|at| word(op.segments[*at].in_channels)));
    params.resize(11, 0);
    program.dispatches.push(Dispatch {
        variant: rows_variant(kind, op.stride, op.epilogue.residual, !reflect),
        bindings,
        params,
        groups: spread(NAME, (units.div_ceil(LANES) * blocks) as u64, caps)?,
    });
    Ok(program)
}

fn window_variant(channels: usize, residual: bool) -> Variant {
    let vec4s = if channels == pack::WINDOW_CHANNELS {
        4
    } else {
        1
    };
    let mut defines = vec![
        ("CHANNELS", format!("{channels}u")),
        ("STEP", format!("{}u", vec4s * LANES)),
    ];
    defines.extend((vec4s == 4).then(|| ("SIXTEEN", String::new())));
    let defines = finish(defines, 4, residual);
    Variant {
        kernel: NAME,
        strategy: "cpu_window",
        template: include_str!("../cpu_window.wgsl"),
        defines,
        subgroups: true,
    }
}

/// 7x7 of stride 1, reflecting.
fn window(op: &Conv2d, output: &TensorSpec, caps: &Caps) -> Result<Program, KernelError> {
    let (d, ic) = (output.shape.dims(), op.segments[0].in_channels);
    let channels = if op.out_channels <= pack::HEAD_CHANNELS {
        pack::HEAD_CHANNELS
    } else {
        pack::WINDOW_CHANNELS
    };
    let mut bindings = weight_bindings(
        op,
        op.shader_words
            .get("cpu_window", || pack::cpu_window(op, channels)),
    );
    bindings.extend((0..1 + usize::from(op.epilogue.residual)).map(Binding::Input));
    let cols = d[3].div_ceil(LANES);
    let (units, blocks) = (d[0] * d[2] * cols, op.out_channels.div_ceil(channels));
    let mut params = [op.out_channels, d[2], d[3], cols, units, blocks]
        .map(word)
        .to_vec();
    params.extend([op.epilogue.act.code(), word(ic)]);
    let groups = spread(NAME, (units.div_ceil(LANES) * blocks) as u64, caps)?;
    let dispatch = Dispatch {
        variant: window_variant(channels, op.epilogue.residual),
        bindings,
        params,
        groups,
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

fn pointwise_variant(residual: bool) -> Variant {
    let defines = finish(Vec::new(), 4, residual);
    Variant {
        kernel: NAME,
        strategy: "cpu_pointwise",
        template: include_str!("../cpu_pointwise.wgsl"),
        defines,
        subgroups: true,
    }
}

/// 1x1 over flat planes.
fn pointwise(op: &Conv2d, output: &TensorSpec, caps: &Caps) -> Result<Program, KernelError> {
    let (d, ic) = (output.shape.dims(), op.segments[0].in_channels);
    let (n, plane) = (d[0], d[2] * d[3]);
    let plane4 = plane.div_ceil(4);
    let mut program = Program::default();
    let x = align::bind(
        NAME,
        &mut program,
        0,
        Rows {
            count: n * ic,
            width: plane,
            cols: plane4,
            reflect: false,
        },
        caps,
    )?;
    let weights = op
        .shader_words
        .get("cpu_pointwise", || pack::cpu_pointwise(op));
    let mut bindings = weight_bindings(op, weights);
    bindings.push(x);
    bindings.extend(op.epilogue.residual.then_some(Binding::Input(1)));
    let (tiles, blocks) = (
        plane4.div_ceil(2 * LANES),
        op.out_channels.div_ceil(pack::POINTWISE_CHANNELS),
    );
    let mut params = [op.out_channels, plane, plane4, tiles, blocks]
        .map(word)
        .to_vec();
    params.extend([op.epilogue.act.code(), word(ic), word(n)]);
    let groups = spread(NAME, (n * tiles * blocks) as u64, caps)?;
    program.dispatches.push(Dispatch {
        variant: pointwise_variant(op.epilogue.residual),
        bindings,
        params,
        groups,
    });
    Ok(program)
}
