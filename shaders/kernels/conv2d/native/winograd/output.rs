//! Third phase: products to output pixels.

use super::{Block, Plan};
use crate::common::native::{Disjoint, Isa, Store, by_isa, run_tasks, runs};
use crate::conv2d::Conv2d;
use crate::conv2d::native::transform::{self, SIDE, STEP, each_lane};

/// Output channels per task: neighbours lie next to each other in the products.
const CHANNELS: usize = 8;

/// What the pixels go through and where they end up.
#[derive(Clone, Copy)]
struct Target<'a> {
    op: &'a Conv2d,
    store: Store,
    accumulate: bool,
    residual: Option<&'a [f32]>,
    output: Disjoint<'a>,
}

impl Plan {
    /// Transforms the block's products back and stores its pixels.
    pub(super) fn transform_output(
        &self,
        op: &Conv2d,
        data: &[&[f32]],
        accumulate: bool,
        block: Block,
        products: &[f32],
        output: Disjoint<'_>,
    ) {
        let residual = if op.epilogue.residual {
            data.last().copied()
        } else {
            None
        };
        let target = Target {
            op,
            store: Store {
                isa: self.isa,
                act: op.epilogue.act,
            },
            accumulate,
            residual,
            output,
        };
        run_tasks(
            self.out_channels.div_ceil(CHANNELS),
            &mut [],
            0,
            |task, _| {
                let plan = self;
                let (first, last) = (
                    task * CHANNELS,
                    self.out_channels.min((task + 1) * CHANNELS),
                );
                match self.isa {
                    Isa::Portable => {
                        transform_channels::<8>(plan, first, last, block, products, target)
                    }
                    isa => by_isa!(
                        isa,
                        transform_channels::<16>(plan: &Plan, first: usize, last: usize, block: Block, products: &[f32], target: Target<'_>)
                    ),
                }
            },
        );
    }
}

#[inline(always)]
fn transform_channels<const L: usize>(
    plan: &Plan,
    first: usize,
    last: usize,
    block: Block,
    products: &[f32],
    target: Target<'_>,
) {
    let columns = plan.isa.columns();
    let stride = plan.product_stride(block.panels);
    let mut pixels = [[[0.0; STEP]; L]; STEP];
    for tile in (0..block.tiles).step_by(L) {
        for channel in first..last {
            let at = (tile / columns * plan.product_rows() + channel) * columns + tile % columns;
            transform_tiles(products, at, stride, &mut pixels);
            store_tiles(plan, channel, tile, block, &pixels, target);
        }
    }
}

/// Tiles of one channel, a tile per lane: 36 products, `stride` apart, to four rows of pixels.
#[inline(always)]
fn transform_tiles<const L: usize>(
    products: &[f32],
    at: usize,
    stride: usize,
    pixels: &mut [[[f32; STEP]; L]; STEP],
) {
    let mut rows = [[[0.0; L]; SIDE]; STEP];
    for column in 0..SIDE {
        let mut lanes = [[0.0; L]; SIDE];
        for (row, lanes) in lanes.iter_mut().enumerate() {
            lanes.copy_from_slice(&products[(row * SIDE + column) * stride + at..][..L]);
        }
        let [a, b, c, d, e, f] = &lanes;
        let result = each_lane([a, b, c, d, e, f], transform::output);
        for (row, lanes) in rows.iter_mut().zip(result) {
            row[column] = lanes;
        }
    }
    for (row, pixels) in rows.iter().zip(pixels) {
        let [a, b, c, d, e, f] = row;
        let result = each_lane([a, b, c, d, e, f], transform::output);
        for (lane, pixels) in pixels.iter_mut().enumerate() {
            *pixels = [
                result[0][lane],
                result[1][lane],
                result[2][lane],
                result[3][lane],
            ];
        }
    }
}

/// Stores the pixels of the tiles from `tile` on that exist.
#[inline(always)]
fn store_tiles<const L: usize>(
    plan: &Plan,
    channel: usize,
    tile: usize,
    block: Block,
    pixels: &[[[f32; STEP]; L]; STEP],
    target: Target<'_>,
) {
    let [h, w] = plan.size;
    for run in runs(tile, L.min(block.tiles - tile), plan.tiles[1]) {
        let (top, left) = (STEP * (block.row + run.y), STEP * run.x);
        let len = (STEP * run.len).min(w - left);
        for (i, row) in pixels.iter().enumerate().take(h - top) {
            let at = ((block.image * plan.out_channels + channel) * h + top + i) * w + left;
            let sums = &row.as_flattened()[STEP * run.at..][..len];
            // SAFETY: each task writes its own channels.
            let out = unsafe { target.output.slice(at, len) };
            target.store.row(
                sums,
                target.op.bias[channel],
                target.accumulate,
                target.residual.map(|r| &r[at..at + len]),
                out,
            );
        }
    }
}
