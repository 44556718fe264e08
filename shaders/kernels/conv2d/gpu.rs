//! GPU strategies: which one serves which convolution, and its dispatch.

use std::sync::Arc;

use super::{Conv2d, NAME, Padding, Segment, pack};
use crate::cache::words;
use crate::caps::Caps;
use crate::error::KernelError;
use crate::launch::{check_bindings, spread, word};
use crate::op::{Op, TensorSpec};
use crate::program::{Binding, Dispatch, Program, Variant};

/// A tile of the `simt` strategy.
#[derive(Clone, Copy)]
struct Tile {
    /// Output channels.
    rows: usize,
    /// Pixels.
    columns: usize,
    /// Input channels per step.
    depth: usize,
}

impl Tile {
    fn threads(self) -> usize {
        self.rows / 4 * self.columns / 4
    }
}

/// Every tile, largest first; the last serves inputs of very few channels (network stems).
const TILES: [Tile; 3] =
    [Tile { rows: 64, columns: 64, depth: 16 }, Tile { rows: 32, columns: 32, depth: 16 }, Tile { rows: 64, columns: 64, depth: 4 }];

/// Tiles are halved when fewer workgroups than this would run: large GPUs have well over a hundred cores.
const GROUPS_WANTED: usize = 256;

/// Convolutions to at most this many output channels use the `direct` strategy.
const DIRECT_CHANNELS_MAX: usize = 8;

/// Bindings after the weights, bias, output and segments: the residual's number, if any, and the params block's.
fn tail(segments: usize, residual: bool) -> (Option<usize>, usize) {
    let next = 3 + segments;
    (residual.then_some(next), next + usize::from(residual))
}

fn binding_defines(segments: usize, residual: bool) -> Vec<(&'static str, String)> {
    let (residual, params) = tail(segments, residual);
    let mut defines = vec![("PARAMS", params.to_string())];
    defines.extend(residual.map(|at| ("RESIDUAL", at.to_string())));
    defines.extend((segments > 1).then(|| ("SEGMENT1", String::new())));
    defines
}

fn simt_variant(tile: Tile, segments: usize, residual: bool) -> Variant {
    let mut defines = binding_defines(segments, residual);
    defines.extend([
        ("BK", format!("{}u", tile.depth)),
        ("PIXEL_TILE", format!("{}u", tile.depth * tile.columns / 4)),
        ("THREADS", format!("{}u", tile.threads())),
        ("TM", format!("{}u", tile.rows)),
        ("TN", format!("{}u", tile.columns)),
        ("TX", format!("{}u", tile.columns / 4)),
        ("WEIGHT_TILE", format!("{}u", tile.depth * tile.rows / 4)),
    ]);
    defines.sort();
    Variant { kernel: NAME, strategy: "simt", template: include_str!("simt.wgsl"), defines, subgroups: false }
}

fn direct_variant(residual: bool) -> Variant {
    let defines = binding_defines(1, residual);
    Variant { kernel: NAME, strategy: "direct", template: include_str!("direct.wgsl"), defines, subgroups: false }
}

pub(super) fn variants() -> Vec<Variant> {
    let mut all: Vec<Variant> = [false, true].map(direct_variant).to_vec();
    for tile in TILES {
        for segments in 1..=super::SEGMENTS_MAX {
            all.extend([false, true].map(|residual| simt_variant(tile, segments, residual)));
        }
    }
    all
}

/// Channels, height, width, kernel side, padding and whether it reflects: one segment's part of a params block.
fn segment_words(segment: &Segment, input: &TensorSpec) -> [u32; 6] {
    let d = input.shape.dims();
    let reflect = usize::from(matches!(segment.padding, Padding::Reflect(_)));
    [segment.in_channels, d[2], d[3], segment.kernel, segment.padding.amount(), reflect].map(word)
}

/// Weights, bias, output, segments, residual: the bindings of every strategy.
fn bindings(op: &Conv2d, weights: Arc<Vec<u32>>) -> Vec<Binding> {
    let bias = op.shader_words.get("bias", || words(op.bias.iter().copied()));
    let mut bindings = vec![Binding::Constant(weights), Binding::Constant(bias), Binding::Output(0)];
    bindings.extend((0..op.segments.len() + usize::from(op.epilogue.residual)).map(Binding::Input));
    bindings
}

pub(super) fn program(op: &Conv2d, inputs: &[TensorSpec], caps: &Caps) -> Result<Program, KernelError> {
    let outputs = op.infer(inputs)?;
    check_bindings(NAME, inputs, &[], caps)?;
    check_bindings(NAME, &outputs, &[], caps)?;
    let dispatch = if op.segments.len() == 1 && op.out_channels <= DIRECT_CHANNELS_MAX {
        direct(op, inputs, &outputs[0], caps)?
    } else {
        simt(op, inputs, &outputs[0], caps)?
    };
    Ok(Program { dispatches: vec![dispatch], scratch_bytes: Vec::new() })
}

/// Pixels of the batch, output channels, height, width, stride, activation: the head of every params block.
fn head_words(op: &Conv2d, output: &TensorSpec) -> [u32; 6] {
    let d = output.shape.dims();
    let [pixels, oc, oh, ow, stride] = [d[0] * d[2] * d[3], d[1], d[2], d[3], op.stride].map(word);
    [pixels, oc, oh, ow, stride, op.epilogue.act.code()]
}

fn direct(op: &Conv2d, inputs: &[TensorSpec], output: &TensorSpec, caps: &Caps) -> Result<Dispatch, KernelError> {
    let d = output.shape.dims();
    let oc_blocks = op.out_channels.div_ceil(4);
    let mut params = head_words(op, output).to_vec();
    params.push(word(oc_blocks));
    params.extend(segment_words(&op.segments[0], &inputs[0]));
    Ok(Dispatch {
        variant: direct_variant(op.epilogue.residual),
        bindings: bindings(op, op.shader_words.get("direct", || pack::direct(op))),
        params,
        groups: spread(NAME, ((d[0] * d[2] * d[3]).div_ceil(128) * oc_blocks) as u64, caps)?,
    })
}

fn simt(op: &Conv2d, inputs: &[TensorSpec], output: &TensorSpec, caps: &Caps) -> Result<Dispatch, KernelError> {
    let d = output.shape.dims();
    let groups_of = |tile: Tile| (d[0] * d[2] * d[3]).div_ceil(tile.columns) * op.out_channels.div_ceil(tile.rows);
    let shallow = op.segments.iter().all(|s| s.in_channels <= TILES[2].depth);
    let tile = match (shallow, groups_of(TILES[0]) >= GROUPS_WANTED) {
        (true, _) => TILES[2],
        (false, true) => TILES[0],
        (false, false) => TILES[1],
    };
    let layout = if shallow { "simt shallow" } else { "simt" };
    let weights = op.shader_words.get(layout, || pack::simt(op, tile.depth));
    let oc_padded = op.out_channels.next_multiple_of(pack::SIMT_CHANNELS);
    let mut params = head_words(op, output).to_vec();
    params.extend([op.out_channels.div_ceil(tile.rows), oc_padded, pack::simt_blocks(op, tile.depth)].map(word));
    for (segment, input) in op.segments.iter().zip(inputs) {
        params.extend(segment_words(segment, input));
    }
    params.resize(9 + 6 * super::SEGMENTS_MAX, 0);
    Ok(Dispatch {
        variant: simt_variant(tile, op.segments.len(), op.epilogue.residual),
        bindings: bindings(op, weights),
        params,
        groups: spread(NAME, groups_of(tile) as u64, caps)?,
    })
}
