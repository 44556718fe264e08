//! Fast CPU twin of [`super::ConvTranspose2d`]: one matrix product per output phase over shared columns.
//!
//! An output pixel of phase (py, px) sees the input at offsets (0, 0), and (0, 1), (1, 0), (1, 1) where its parity is
//! odd. The columns of all four offsets are packed once per block of input pixels, in an order that makes every
//! phase's part contiguous.

use std::ops::Range;

use super::{ConvTranspose2d, KERNEL, PHASE_TAPS, Segment};
use crate::common::native::{
    Cached, Columns, Disjoint, Input, Isa, Packed, Store, Tile, by_isa, lanes, run_tasks, runs,
};
use crate::common::padding::Padding;
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Input offsets (dy, dx) in the order of the packed columns.
const OFFSETS: [[usize; 2]; 4] = [[0, 1], [0, 0], [1, 0], [1, 1]];

/// The parts of [`OFFSETS`] that the output columns of parity 0 and 1 see, for output rows of parity 0 and 1.
const PHASES: [[Range<usize>; 2]; 2] = [[1..2, 0..2], [1..3, 0..4]];

/// Weights by parity of output row and column laid out for the processor, made at first use: as many bytes again as
/// the operation's own.
pub(super) type Weights = Cached<[[Packed; 2]; 2]>;

fn pack(op: &ConvTranspose2d, isa: Isa) -> [[Packed; 2]; 2] {
    let channels = op.in_channels();
    [0, 1].map(|py| {
        [0, 1].map(|px| {
            let offsets = &OFFSETS[PHASES[py][px].clone()];
            Packed::new(
                isa,
                op.out_channels,
                offsets.len() * channels,
                |row, column| {
                    let [dy, dx] = offsets[column / channels];
                    weight(op, column % channels, row, [tap(py, dy), tap(px, dx)])
                },
            )
        })
    })
}

/// The kernel index that joins an output of this parity with the input at this offset.
fn tap(parity: usize, offset: usize) -> usize {
    PHASE_TAPS[parity]
        .iter()
        .find(|(_, o)| *o == offset)
        .map_or(0, |(k, _)| *k)
}

/// The weight of input channel `i`, counted over all segments.
fn weight(op: &ConvTranspose2d, i: usize, o: usize, [ky, kx]: [usize; 2]) -> f32 {
    let mut i = i;
    for segment in &op.segments {
        if i < segment.in_channels {
            return segment.weight[((i * op.out_channels + o) * KERNEL + ky) * KERNEL + kx];
        }
        i -= segment.in_channels;
    }
    0.0
}

/// The inputs at all offsets, for blocks of input pixels.
fn columns(op: &ConvTranspose2d, isa: Isa, [images, _, h, w]: [usize; 4]) -> Columns {
    let shifted = |segment: &Segment, [dy, dx]: [usize; 2]| Input {
        channels: segment.in_channels,
        size: [h, w],
        kernel: [1, 1],
        origin: [dy as isize, dx as isize],
        stride: 1,
        padding: Padding::Zero(0),
    };
    let at_offset = |offset| {
        op.segments
            .iter()
            .enumerate()
            .map(move |(index, segment)| (index, shifted(segment, offset)))
    };
    Columns::new(
        isa,
        OFFSETS.into_iter().flat_map(at_offset).collect(),
        w,
        images * h * w,
    )
}

pub(super) fn scratch(op: &ConvTranspose2d, inputs: &[TensorSpec]) -> usize {
    let Some(input) = inputs.first().and_then(|s| s.shape.dims4()) else {
        return 0;
    };
    lanes() * columns(op, Isa::active(), input).block_len()
}

pub(super) fn run(
    op: &ConvTranspose2d,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some(input) = inputs.first().and_then(|t| t.shape().dims4()) else {
        return;
    };
    let columns = columns(op, Isa::active(), input);
    let weights = op.packed.get_or(columns.isa(), || pack(op, columns.isa()));
    let data: Vec<&[f32]> = inputs.iter().map(TensorRef::f32).collect();
    let residual = if op.epilogue.residual {
        data.last().copied()
    } else {
        None
    };
    let [images, _, h, w] = input;
    let store = Store {
        isa: columns.isa(),
        act: op.epilogue.act,
    };
    let target = Target {
        op,
        size: [h, w],
        store,
        residual,
        out: Disjoint::new(output.f32()),
    };
    let blocks = (h * w).div_ceil(columns.block());
    run_tasks(
        images * blocks,
        scratch,
        columns.block_len(),
        |task, scratch| {
            let (image, first) = (task / blocks, task % blocks * columns.block());
            let count = columns.block().min(h * w - first);
            let block = columns.pack(&data, image, first, count, scratch);
            for (py, weights) in weights.iter().enumerate() {
                target.multiply(
                    weights,
                    block,
                    columns.inner(),
                    Pixels {
                        image,
                        py,
                        first,
                        count,
                    },
                );
            }
        },
    );
}

/// Input pixels `first..first + count` of an image and the parity of the output rows made from them.
#[derive(Clone, Copy)]
struct Pixels {
    image: usize,
    py: usize,
    first: usize,
    count: usize,
}

/// The output with what is applied on the way to it.
struct Target<'a> {
    op: &'a ConvTranspose2d,
    /// Height and width of the input.
    size: [usize; 2],
    store: Store,
    residual: Option<&'a [f32]>,
    out: Disjoint<'a>,
}

impl Target<'_> {
    /// Multiplies the packed columns (`inner` rows) with the weights of both column parities and stores the results.
    fn multiply(&self, [even, odd]: &[Packed; 2], block: &[f32], inner: usize, pixels: Pixels) {
        let columns = self.store.isa.columns();
        let [even_from, odd_from] =
            [0, 1].map(|px| PHASES[pixels.py][px].start * (inner / OFFSETS.len()) * columns);
        let mut tiles = [Tile::default(), Tile::default()];
        for (row, rows) in even.panels() {
            for (index, panel) in block.chunks_exact(inner * columns).enumerate() {
                even.tile(row, &panel[even_from..], &mut tiles[0]);
                odd.tile(row, &panel[odd_from..], &mut tiles[1]);
                let part = Pixels {
                    first: pixels.first + index * columns,
                    count: columns.min(pixels.count - index * columns),
                    ..pixels
                };
                for r in 0..rows {
                    let [even, odd] = tiles
                        .each_ref()
                        .map(|tile| &tile.0[r * columns..][..part.count]);
                    self.store(part, row + r, even, odd);
                }
            }
        }
    }

    /// Stores one channel's sums of the even and the odd output columns.
    fn store(&self, pixels: Pixels, channel: usize, even: &[f32], odd: &[f32]) {
        let [h, w] = self.size;
        let mut pairs = [[0.0; 2]; Isa::Avx512.columns()];
        let merged = &mut pairs[..even.len()];
        by_isa!(self.store.isa, interleave(even: &[f32], odd: &[f32], merged: &mut [[f32; 2]]));
        for run in runs(pixels.first, pixels.count, w) {
            let row =
                (pixels.image * self.op.out_channels + channel) * 2 * h + 2 * run.y + pixels.py;
            let at = (row * w + run.x) * 2;
            let sums = pairs[run.at..run.at + run.len].as_flattened();
            // SAFETY: the output pixels of an input pixel belong to the one task that has it.
            let out = unsafe { self.out.slice(at, sums.len()) };
            self.store.row(
                sums,
                self.op.bias[channel],
                false,
                self.residual.map(|r| &r[at..at + sums.len()]),
                out,
            );
        }
    }
}

#[inline(always)]
fn interleave(even: &[f32], odd: &[f32], merged: &mut [[f32; 2]]) {
    for ((to, even), odd) in merged.iter_mut().zip(even).zip(odd) {
        *to = [*even, *odd];
    }
}
