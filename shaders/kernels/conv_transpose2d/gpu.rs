//! GPU strategies: `simt` for any GPU, `cpu_quads` for software rasterisers.

use std::sync::Arc;

use super::{ConvTranspose2d, NAME, pack};
use crate::caps::{Caps, Family};
use crate::common::align::{self, Rows};
use crate::common::cache::words;
use crate::common::launch::{check_bindings, spread, word};
use crate::conv2d::SEGMENTS_MAX;
use crate::error::KernelError;
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

/// Output channels and pixels of a `simt` tile, largest first.
const TILES: [(usize, usize); 2] = [(64, 64), (32, 32)];

/// Lanes that `cpu_quads` is written for.
const LANES: usize = 8;

/// Input channels per step of `simt`.
const DEPTH: usize = 16;

/// Tiles are halved when fewer workgroups than this would run: large GPUs have well over a hundred cores.
const GROUPS_WANTED: usize = 256;

/// The number of the params block, and defines for the bindings that not every dispatch has.
fn binding_defines(segments: usize, residual: bool) -> Vec<(&'static str, String)> {
    let next = 3 + segments;
    let mut defines = vec![("PARAMS", (next + usize::from(residual)).to_string())];
    defines.extend(residual.then(|| ("RESIDUAL", next.to_string())));
    defines.extend((segments > 1).then(|| ("SEGMENT1", String::new())));
    defines
}

fn simt_variant((rows, columns): (usize, usize), segments: usize, residual: bool) -> Variant {
    let mut defines = binding_defines(segments, residual);
    defines.extend([
        ("BK", format!("{DEPTH}u")),
        ("PIXEL_TILE", format!("{}u", DEPTH * columns / 4)),
        ("THREADS", format!("{}u", rows * columns / 16)),
        ("TM", format!("{rows}u")),
        ("TN", format!("{columns}u")),
        ("TX", format!("{}u", columns / 4)),
        ("WEIGHT_TILE", format!("{}u", DEPTH * rows / 4)),
    ]);
    defines.sort();
    Variant {
        kernel: NAME,
        strategy: "simt",
        template: include_str!("simt.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn variants() -> Vec<Variant> {
    let mut all = vec![align::variant(NAME)];
    for segments in 1..=SEGMENTS_MAX {
        all.extend([false, true].map(|residual| quads_variant(segments, residual)));
    }
    for tile in TILES {
        for segments in 1..=SEGMENTS_MAX {
            all.extend([false, true].map(|residual| simt_variant(tile, segments, residual)));
        }
    }
    all
}

/// Weights, bias, output: the first bindings of every strategy.
fn weight_bindings(op: &ConvTranspose2d, weights: Arc<Vec<u32>>) -> Vec<Binding> {
    let bias = op
        .shader_words
        .get("bias", || words(op.bias.iter().copied()));
    vec![
        Binding::Constant(weights),
        Binding::Constant(bias),
        Binding::Output(0),
    ]
}

pub(super) fn program(
    op: &ConvTranspose2d,
    inputs: &[TensorSpec],
    caps: &Caps,
) -> Result<Program, KernelError> {
    let program = if caps.family == Family::CpuSimd && caps.subgroup_size as usize == LANES {
        quads(op, inputs, caps)?
    } else {
        Program {
            dispatches: vec![simt(op, inputs, caps)?],
            scratch_bytes: Vec::new(),
        }
    };
    check_bindings(
        NAME,
        inputs.iter().chain(&op.infer(inputs)?),
        &program.scratch_bytes,
        caps,
    )?;
    Ok(program)
}

fn quads_variant(segments: usize, residual: bool) -> Variant {
    let next = 3 + 2 * segments;
    let mut defines = vec![("PARAMS", (next + usize::from(residual)).to_string())];
    defines.extend(residual.then(|| ("RESIDUAL", next.to_string())));
    defines.extend((segments > 1).then(|| ("SEGMENT1", String::new())));
    Variant {
        kernel: NAME,
        strategy: "cpu_quads",
        template: include_str!("cpu_quads.wgsl"),
        defines,
        subgroups: true,
    }
}

fn quads(op: &ConvTranspose2d, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let d = inputs[0].shape.dims();
    let (n, h, w) = (d[0], d[2], d[3]);
    let cols = w.div_ceil(4);
    let mut program = Program::default();
    let mut bindings =
        weight_bindings(op, op.shader_words.get("cpu_quads", || pack::cpu_quads(op)));
    for (at, segment) in op.segments.iter().enumerate() {
        let rows = Rows {
            count: n * h * segment.in_channels,
            width: w,
            cols,
            reflect: false,
        };
        let x = align::bind(NAME, &mut program, at, rows, caps)?;
        bindings.extend([x.clone(), x]);
    }
    bindings.extend(
        op.epilogue
            .residual
            .then_some(Binding::Input(op.segments.len())),
    );
    let (units, blocks) = (n * h * cols, op.out_channels.div_ceil(pack::QUADS_CHANNELS));
    let mut params = [op.out_channels, h, w, cols, units, blocks]
        .map(word)
        .to_vec();
    params.push(op.epilogue.act.code());
    params.extend(op.segments.iter().map(|s| word(s.in_channels)));
    params.resize(9, 0);
    let groups = spread(NAME, (units.div_ceil(LANES) * blocks) as u64, caps)?;
    program.dispatches.push(Dispatch {
        variant: quads_variant(op.segments.len(), op.epilogue.residual),
        bindings,
        params,
        groups,
    });
    Ok(program)
}

fn simt(op: &ConvTranspose2d, inputs: &[TensorSpec], caps: &Caps) -> Result<Dispatch, KernelError> {
    let d = inputs[0].shape.dims();
    let pixels = d[0] * d[2] * d[3];
    let oc_tiles = |tile: (usize, usize)| op.out_channels.div_ceil(tile.0);
    let tiles = |tile: (usize, usize)| pixels.div_ceil(tile.1) * oc_tiles(tile);
    let tile = if 4 * tiles(TILES[0]) >= GROUPS_WANTED {
        TILES[0]
    } else {
        TILES[1]
    };
    let oc_padded = op.out_channels.next_multiple_of(pack::SIMT_CHANNELS);
    let mut params = [pixels, op.out_channels, d[2], d[3]].map(word).to_vec();
    params.push(op.epilogue.act.code());
    params.extend(
        [
            oc_tiles(tile),
            oc_padded,
            pack::simt_steps(op, DEPTH),
            tiles(tile),
        ]
        .map(word),
    );
    params.extend(op.segments.iter().map(|s| word(s.in_channels)));
    params.resize(9 + SEGMENTS_MAX, 0);
    let weights = op.shader_words.get("simt", || pack::simt(op, DEPTH));
    let mut bindings = weight_bindings(op, weights);
    bindings.extend((0..op.segments.len() + usize::from(op.epilogue.residual)).map(Binding::Input));
    Ok(Dispatch {
        variant: simt_variant(tile, op.segments.len(), op.epilogue.residual),
        bindings,
        params,
        groups: spread(NAME, 4 * tiles(tile) as u64, caps)?,
    })
}
