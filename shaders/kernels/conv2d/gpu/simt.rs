//! Strategies for any GPU: `simt`, an implicit GEMM on tiles in workgroup memory, and `direct`, for few output channels.

use super::{base_bindings, binding_defines, head_words, segment_words};
use crate::caps::Caps;
use crate::common::launch::{spread, word};
use crate::conv2d::{Conv2d, NAME, SEGMENTS_MAX, pack};
use crate::error::KernelError;
use crate::op::TensorSpec;
use crate::program::{Dispatch, Program, Variant};

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
const TILES: [Tile; 3] = [
    Tile {
        rows: 64,
        columns: 64,
        depth: 16,
    },
    Tile {
        rows: 32,
        columns: 32,
        depth: 16,
    },
    Tile {
        rows: 64,
        columns: 64,
        depth: 4,
    },
];

/// Tiles are halved when fewer workgroups than this would run: large GPUs have well over a hundred cores.
const GROUPS_WANTED: usize = 256;

/// Convolutions to at most this many output channels use the `direct` strategy.
const DIRECT_CHANNELS_MAX: usize = 8;

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
    Variant {
        kernel: NAME,
        strategy: "simt",
        template: include_str!("../simt.wgsl"),
        defines,
        subgroups: false,
    }
}

fn direct_variant(residual: bool) -> Variant {
    let defines = binding_defines(1, residual);
    Variant {
        kernel: NAME,
        strategy: "direct",
        template: include_str!("../direct.wgsl"),
        defines,
        subgroups: false,
    }
}

pub(super) fn variants() -> Vec<Variant> {
    let mut all: Vec<Variant> = [false, true].map(direct_variant).to_vec();
    for tile in TILES {
        for segments in 1..=SEGMENTS_MAX {
            all.extend([false, true].map(|residual| simt_variant(tile, segments, residual)));
        }
    }
    all
}

/// The program of any convolution.
pub(super) fn program(
    op: &Conv2d,
    inputs: &[TensorSpec],
    output: &TensorSpec,
    caps: &Caps,
) -> Result<Program, KernelError> {
    let dispatch = if op.segments.len() == 1 && op.out_channels <= DIRECT_CHANNELS_MAX {
        direct(op, inputs, output, caps)?
    } else {
        simt(op, inputs, output, caps)?
    };
    Ok(Program {
        dispatches: vec![dispatch],
        scratch_bytes: Vec::new(),
    })
}

fn direct(
    op: &Conv2d,
    inputs: &[TensorSpec],
    output: &TensorSpec,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let d = output.shape.dims();
    let oc_blocks = op.out_channels.div_ceil(4);
    let mut params = head_words(op, output).to_vec();
    params.push(word(oc_blocks));
    params.extend(segment_words(&op.segments[0], &inputs[0]));
    Ok(Dispatch {
        variant: direct_variant(op.epilogue.residual),
        bindings: base_bindings(op, op.shader_words.get("direct", || pack::direct(op))),
        params,
        groups: spread(
            NAME,
            ((d[0] * d[2] * d[3]).div_ceil(128) * oc_blocks) as u64,
            caps,
        )?,
    })
}

fn simt(
    op: &Conv2d,
    inputs: &[TensorSpec],
    output: &TensorSpec,
    caps: &Caps,
) -> Result<Dispatch, KernelError> {
    let d = output.shape.dims();
    let groups_of = |tile: Tile| {
        (d[0] * d[2] * d[3]).div_ceil(tile.columns) * op.out_channels.div_ceil(tile.rows)
    };
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
    params.extend(
        [
            op.out_channels.div_ceil(tile.rows),
            oc_padded,
            pack::simt_blocks(op, tile.depth),
        ]
        .map(word),
    );
    for (segment, input) in op.segments.iter().zip(inputs) {
        params.extend(segment_words(segment, input));
    }
    params.resize(9 + 6 * SEGMENTS_MAX, 0);
    Ok(Dispatch {
        variant: simt_variant(tile, op.segments.len(), op.epilogue.residual),
        bindings: base_bindings(op, weights),
        params,
        groups: spread(NAME, groups_of(tile) as u64, caps)?,
    })
}
