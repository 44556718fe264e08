//! 3x3 convolution by Winograd's F(4x4, 3x3): 36 matrix products over tiles instead of 9 over pixels.
//!
//! A block of tile rows goes through three phases, each spread over the threads: input tiles are transformed into
//! `points [36][panel][channel][columns]`; for each group of output channels the weights are transformed into
//! per-thread scratch and multiplied, giving `products [36][panel][output channel][columns]`; the inverse transform adds
//! bias, activation and residual and writes pixels.

mod input;
mod output;
mod products;

use super::transform::{POINTS, STEP};
use crate::common::native::{Disjoint, Isa, lanes, panel_height};
use crate::conv2d::{Conv2d, Segment};

/// Fewer channels than this (on either side) do not pay for the transforms.
const CHANNELS_MIN: usize = 32;

/// Floats of points and products per block: 12 MiB stay in a third-level cache; weights are transformed anew for each.
const BLOCK_FLOATS: usize = 3 << 20;

/// Most panels of output channels whose transformed weights a thread keeps (at 512 input channels 590 kB of
/// second-level cache); they share each read of the points.
const GROUP_MAX: usize = 4;

/// Floats between the points of a tile beyond their own size: they would all fall into one cache set otherwise.
const SKEW: usize = 16;

/// True if a segment of an operation is computed here when a [`Plan`] exists.
pub(super) fn takes(op: &Conv2d, segment: &Segment) -> bool {
    op.stride == 1 && segment.kernel == 3 && segment.padding.amount() == 1
}

/// How the 3x3 segments of a convolution of given sizes are cut into blocks and tasks.
pub(super) struct Plan {
    isa: Isa,
    /// Indices of the segments.
    segments: Vec<usize>,
    /// Input channels over these segments.
    channels: usize,
    out_channels: usize,
    images: usize,
    /// Height and width of input and output.
    size: [usize; 2],
    /// Tiles down and across.
    tiles: [usize; 2],
    /// Tile rows per block.
    block_rows: usize,
    /// Panels of output channels per task.
    group: usize,
}

/// The tiles of one block, numbered row by row.
#[derive(Clone, Copy)]
struct Block {
    image: usize,
    /// First tile row.
    row: usize,
    tiles: usize,
    /// Panels of tiles.
    panels: usize,
}

impl Plan {
    /// A plan, or `None` where the operation has no such segments or gains nothing.
    pub(super) fn new(op: &Conv2d, isa: Isa, dims: &[[usize; 4]]) -> Option<Plan> {
        let segments: Vec<usize> = (0..op.segments.len())
            .filter(|i| takes(op, &op.segments[*i]))
            .collect();
        let [images, _, h, w] = *dims.get(*segments.first()?)?;
        let channels = segments
            .iter()
            .map(|i| op.segments[*i].in_channels)
            .sum::<usize>();
        let tiles = [h.div_ceil(STEP), w.div_ceil(STEP)];
        let columns = isa.columns();
        let products = POINTS * (tiles[0] * tiles[1]).next_multiple_of(columns);
        let plain = 9 * (h * w).next_multiple_of(columns);
        if channels < CHANNELS_MIN || op.out_channels < CHANNELS_MIN || 2 * products > plain {
            return None;
        }
        let row_floats = POINTS * (channels + op.out_channels) * tiles[1];
        let block_rows = (BLOCK_FLOATS / row_floats).clamp(1, tiles[0]);
        let tasks = |group: usize| 6 * op.out_channels.div_ceil(group * isa.rows());
        let group = (1..=GROUP_MAX)
            .rev()
            .find(|g| tasks(*g) >= 8 * lanes())
            .unwrap_or(1);
        Some(Plan {
            isa,
            segments,
            channels,
            out_channels: op.out_channels,
            images,
            size: [h, w],
            tiles,
            block_rows,
            group,
        })
    }

    /// The instruction set that the plan is made for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// Floats of scratch memory: points, products, and each thread's own.
    pub(super) fn scratch(&self) -> usize {
        let panels = self.block_panels();
        self.points_len(panels) + self.products_len(panels) + lanes() * self.lane_len()
    }

    /// Computes the segments' part of the output. `taps` come from [`Plan::pack`]. `data` holds one slice per segment of the operation, then the residual
    /// if there is one. With `accumulate`, the output holds the other segments' sums.
    pub(super) fn run(
        &self,
        op: &Conv2d,
        taps: &[f32],
        data: &[&[f32]],
        accumulate: bool,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let panels = self.block_panels();
        let (points, rest) = scratch.split_at_mut(self.points_len(panels));
        let (products, lanes) = rest.split_at_mut(self.products_len(panels));
        let output = Disjoint::new(output);
        for image in 0..self.images {
            for row in (0..self.tiles[0]).step_by(self.block_rows) {
                let tiles = self.block_rows.min(self.tiles[0] - row) * self.tiles[1];
                let block = Block {
                    image,
                    row,
                    tiles,
                    panels: tiles.div_ceil(self.isa.columns()),
                };
                self.transform_input(op, data, block, points, lanes);
                self.multiply(taps, block, points, products, lanes);
                self.transform_output(op, data, accumulate, block, products, output);
            }
        }
    }

    /// Panels of tiles of a full block.
    fn block_panels(&self) -> usize {
        (self.block_rows * self.tiles[1]).div_ceil(self.isa.columns())
    }

    /// Floats from one point's channels to the next point's.
    fn point_stride(&self, panels: usize) -> usize {
        panels * self.channels * self.isa.columns() + SKEW
    }

    fn points_len(&self, panels: usize) -> usize {
        POINTS * self.point_stride(panels)
    }

    /// Output channels with the zero rows of the last panel.
    fn product_rows(&self) -> usize {
        self.out_channels.next_multiple_of(self.isa.row_step())
    }

    fn product_stride(&self, panels: usize) -> usize {
        panels * self.product_rows() * self.isa.columns() + SKEW
    }

    fn products_len(&self, panels: usize) -> usize {
        POINTS * self.product_stride(panels)
    }

    /// Floats of scratch per thread, whatever the phase.
    fn lane_len(&self) -> usize {
        self.weights_len().max(self.padded_len())
    }

    /// Floats of transformed weights per thread: one row of six points for a group of panels.
    fn weights_len(&self) -> usize {
        6 * self.channels * self.group * self.isa.rows()
    }

    /// First output channel and height of the panels of a group.
    fn group_panels(&self, group: usize) -> impl Iterator<Item = (usize, usize)> {
        let (isa, rows) = (self.isa, self.out_channels);
        let first = group * self.group * isa.rows();
        (first..rows.min(first + self.group * isa.rows()))
            .step_by(isa.rows())
            .map(move |first| (first, panel_height(isa, rows, first)))
    }
}
