//! GPU strategies: `simt`, 64 queries of a window per workgroup, and `cpu_pairs` for software rasterisers. Decomposed biases
//! are made by a dispatch of their own.

use super::{Bias, NAME, QkvLayout, WindowAttention};
use crate::attention::gpu::{DIMS, QUERIES, padded_dim, tile_defines};
use crate::caps::{Caps, Family};
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

/// Lanes that `cpu_pairs` is written for.
const LANES: usize = 8;
/// Head sizes of `cpu_pairs`, in vec4s: one or two per lane.
const PAIRS_DIMS: [usize; 2] = [8, 16];
/// Queries of a workgroup of `cpu_pairs`.
const PAIRS_QUERIES: usize = 16;

/// Kinds of bias as defines; the first is none.
const BIASES: [Option<&str>; 3] = [None, Some("DISTANCE"), Some("DECOMPOSED")];

fn bias_define(bias: &Bias) -> Option<&'static str> {
    match bias {
        Bias::None => BIASES[0],
        Bias::Distance(_) => BIASES[1],
        Bias::Decomposed { .. } => BIASES[2],
    }
}

fn bias_defines(bias: Option<&'static str>) -> Vec<(&'static str, String)> {
    let mut defines = vec![("PARAMS", (3 + usize::from(bias.is_some())).to_string())];
    defines.extend(bias.map(|name| (name, String::new())));
    defines
}

fn simt_variant(dim: usize, bias: Option<&'static str>) -> Variant {
    let mut defines = tile_defines(dim);
    defines.extend(bias_defines(bias));
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "simt",
        template: include_str!("simt.wgsl"),
        defines,
        subgroups: false,
    }
}

fn pairs_variant(dim: usize, bias: Option<&'static str>) -> Variant {
    let mut defines = bias_defines(bias);
    defines.push(("DIM4", format!("{dim}u")));
    defines.extend((dim == PAIRS_DIMS[1]).then(|| ("WIDE", String::new())));
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "cpu_pairs",
        template: include_str!("cpu_pairs.wgsl"),
        defines,
        subgroups: true,
    }
}

fn relative_variant() -> Variant {
    Variant {
        kernel: NAME,
        strategy: "relative",
        template: include_str!("relative.wgsl"),
        defines: Vec::new(),
        subgroups: false,
    }
}

/// A map and its windows.
#[derive(Clone, Copy)]
struct Map {
    n: usize,
    h: usize,
    w: usize,
    /// Height and width of a window.
    side: [usize; 2],
}

impl Map {
    /// Windows along y and x.
    fn windows(self) -> [usize; 2] {
        [self.h.div_ceil(self.side[0]), self.w.div_ceil(self.side[1])]
    }
    /// Elements of the decomposed bias of all heads.
    fn relative(self, heads: usize) -> usize {
        self.n * heads * 2 * self.side[0] * self.h * self.w
    }
}

/// Vec4s between heads, and between a head's q, k and v.
fn steps(op: &WindowAttention) -> [usize; 2] {
    match op.layout {
        QkvLayout::Blocks => [op.head_dim / 4, op.heads * op.head_dim / 4],
        QkvLayout::PerHead => [3 * op.head_dim / 4, op.head_dim / 4],
    }
}

pub(super) fn program(
    op: &WindowAttention,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    let d = inputs[0].shape.dims();
    let side = op.window.map_or([d[1], d[2]], |side| [side, side]);
    let map = Map {
        n: d[0],
        h: d[1],
        w: d[2],
        side,
    };
    let mut program = Program::default();
    let bias = match &op.bias {
        Bias::None => None,
        Bias::Distance(table) => Some(Binding::Constant(
            op.shader_words
                .get("distance", || words(table.iter().copied())),
        )),
        Bias::Decomposed { rows, columns } => {
            let tables = op.shader_words.get("decomposed", || {
                words(rows.iter().chain(columns.iter()).copied())
            });
            program
                .dispatches
                .push(relative(op, map, Binding::Constant(tables), caps)?);
            program
                .scratch_bytes
                .push(4 * map.relative(op.heads) as u64);
            Some(Binding::ScratchRead(0))
        }
    };
    check_bindings(
        NAME,
        inputs.iter().chain(&outputs),
        &program.scratch_bytes,
        caps,
    )?;
    program.dispatches.push(attend(op, map, bias, caps)?);
    Ok(program)
}

fn relative(
    op: &WindowAttention,
    map: Map,
    tables: Binding,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let count = map.relative(op.heads);
    let params = [
        count,
        map.h,
        map.w,
        map.side[0],
        op.heads,
        op.head_dim / 4,
        steps(op)[0],
    ];
    Ok(Dispatch {
        variant: relative_variant(),
        bindings: vec![Binding::Input(0), tables, Binding::Scratch(0)],
        params: params.map(word).to_vec(),
        groups: spread(NAME, count.div_ceil(64) as u64, caps)?,
    })
}

/// The strategy for a head size, and the queries of its workgroups.
fn strategy(op: &WindowAttention, caps: &Caps) -> Result<(Variant, usize), KernelError> {
    let (dim, bias) = (padded_dim(NAME, op.head_dim)?, bias_define(&op.bias));
    let lanes = caps.family == Family::CpuSimd && caps.subgroup_size as usize == LANES;
    match PAIRS_DIMS.into_iter().find(|most| lanes && dim <= *most) {
        Some(dim) => Ok((pairs_variant(dim, bias), PAIRS_QUERIES)),
        None => Ok((simt_variant(dim, bias), QUERIES)),
    }
}

fn attend(
    op: &WindowAttention,
    map: Map,
    bias: Option<Binding>,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let (variant, queries) = strategy(op, caps)?;
    let pad = op.shader_words.get("pad", || words(op.pad.iter().copied()));
    let mut bindings = vec![
        Binding::Input(0),
        Binding::Constant(pad),
        Binding::Output(0),
    ];
    bindings.extend(bias);
    let [down, across] = map.windows();
    let (blocks, [head_step, part_step]) =
        ((map.side[0] * map.side[1]).div_ceil(queries), steps(op));
    let units = map.n * down * across * op.heads * blocks;
    let params = [
        units,
        map.h,
        map.w,
        map.side[0],
        map.side[1],
        down,
        across,
        op.heads,
        op.head_dim / 4,
        blocks,
        head_step,
        part_step,
    ];
    let mut params = params.map(word).to_vec();
    params.push((1.0 / (op.head_dim as f32).sqrt()).to_bits());
    Ok(Dispatch {
        variant,
        bindings,
        params,
        groups: spread(NAME, units as u64, caps)?,
    })
}

pub(super) fn variants() -> Vec<Variant> {
    let simt = DIMS
        .into_iter()
        .flat_map(|dim| BIASES.map(|bias| simt_variant(dim, bias)));
    let pairs = PAIRS_DIMS
        .into_iter()
        .flat_map(|dim| BIASES.map(|bias| pairs_variant(dim, bias)));
    simt.chain(pairs).chain([relative_variant()]).collect()
}
