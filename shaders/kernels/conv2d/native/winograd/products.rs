//! Second phase: weights to points, and the 36 matrix products.

use super::{Block, Plan};
use crate::conv2d::Conv2d;
use crate::conv2d::native::transform::{self, KERNEL_ROWS, Lanes, SIDE};
use crate::native::{Disjoint, Isa, by_isa, multiply, panel_height, run_tasks};

/// Input channels whose weights are transformed together: with the rows of a full panel they fill three vectors.
const GROUP: usize = 4;

impl Plan {
    /// `products[point] = weights[point] * points[point]` for every point.
    pub(super) fn multiply(&self, taps: &[f32], block: Block, points: &[f32], products: &mut [f32], scratch: &mut [f32]) {
        let columns = self.isa.columns();
        let (from_stride, to_stride) = (self.point_stride(block.panels), self.product_stride(block.panels));
        let products = Disjoint::new(products);
        let panel_len = self.channels * columns;
        let groups = self.out_channels.div_ceil(self.group * self.isa.rows());
        run_tasks(SIDE * groups, scratch, self.lane_len(), |task, scratch| {
            let weights = &mut scratch[..self.weights_len()];
            let (row, group) = (task % SIDE, task / SIDE);
            for ((first, height), weights) in
                self.group_panels(group).zip(weights.chunks_exact_mut(SIDE * self.grouped_channels() * self.isa.rows()))
            {
                self.transform_weights(&taps[9 * self.grouped_channels() * first..], height, row, weights);
            }
            for column in 0..SIDE {
                let point = row * SIDE + column;
                for (index, b) in points[point * from_stride..].chunks_exact(panel_len).take(block.panels).enumerate() {
                    for ((first, height), weights) in
                        self.group_panels(group).zip(weights.chunks_exact(SIDE * self.grouped_channels() * self.isa.rows()))
                    {
                        let a = &weights[column * self.grouped_channels() * height..][..self.channels * height];
                        let at = point * to_stride + (index * self.product_rows() + first) * columns;
                        // SAFETY: each task writes its own points of its own output channels.
                        let c = unsafe { products.slice(at, height * columns) };
                        // SAFETY: the slices have the lengths that the microkernel wants for `height` rows; `isa` was
                        // found on this processor.
                        unsafe { multiply(self.isa, height, self.channels, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), columns) };
                    }
                }
            }
        });
    }

    /// The taps of all segments by panel of output channels: panels of `[group][9][GROUP][height]`, so that the same tap of
    /// neighbouring output and input channels fills whole vectors.
    pub(in crate::conv2d::native) fn pack(&self, op: &Conv2d) -> Vec<f32> {
        let channels = self.segments.iter().flat_map(|at| (0..op.segments[*at].in_channels).map(move |channel| (*at, channel)));
        let channels: Vec<(usize, usize)> = channels.collect();
        let mut packed = Vec::with_capacity(9 * self.grouped_channels() * self.product_rows());
        for first in (0..self.out_channels).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, self.out_channels, first);
            for (group, tap) in channels.chunks(GROUP).flat_map(|group| (0..9).map(move |tap| (group, tap))) {
                for channel in 0..GROUP {
                    // Rows behind the last output channel repeat it: their products are never read.
                    packed.extend((first..first + height).map(|row| match group.get(channel) {
                        Some((at, channel)) => {
                            let segment = &op.segments[*at];
                            segment.weight[(row.min(self.out_channels - 1) * segment.in_channels + channel) * 9 + tap]
                        }
                        None => 0.0,
                    }));
                }
            }
        }
        packed
    }

    /// Input channels with the last group filled up.
    pub(super) fn grouped_channels(&self) -> usize {
        self.channels.next_multiple_of(GROUP)
    }

    /// One row of points of a panel's weights: `[6][channel][height]` from `[group][9][GROUP][height]`.
    fn transform_weights(&self, taps: &[f32], height: usize, row: usize, to: &mut [f32]) {
        let taps = &taps[..9 * self.grouped_channels() * height];
        by_isa!(self.isa, transform_panel(taps: &[f32], height: usize, row: usize, to: &mut [f32]));
    }
}

#[inline(always)]
fn transform_panel(taps: &[f32], height: usize, row: usize, to: &mut [f32]) {
    macro_rules! by_lanes {
        ($($lanes:literal)*) => {
            match height * GROUP {
                $($lanes => transform_groups::<$lanes>(taps.as_chunks().0, row, to.as_chunks_mut().0),)*
                _ => debug_assert!(false, "no microkernel has {height} rows"),
            }
        };
    }
    by_lanes!(4 8 12 16 24 32 48);
}

/// A lane is an output channel of an input channel of a group.
#[inline(always)]
fn transform_groups<const L: usize>(taps: &[Lanes<L>], row: usize, to: &mut [Lanes<L>]) {
    let factors = KERNEL_ROWS[row];
    let groups = taps.len() / 9;
    for (group, g) in taps.as_chunks::<9>().0.iter().enumerate() {
        let mut columns = [[0.0; L]; 3];
        for (x, column) in columns.iter_mut().enumerate() {
            for (lane, value) in column.iter_mut().enumerate() {
                *value = factors[0] * g[x][lane] + factors[1] * g[3 + x][lane] + factors[2] * g[6 + x][lane];
            }
        }
        let [a, b, c] = &columns;
        let points = transform::each_lane([a, b, c], transform::kernel);
        for (column, lanes) in points.iter().enumerate() {
            to[column * groups + group] = *lanes;
        }
    }
}

const _: () = {
    // `transform_panel` knows the panel heights of every instruction set.
    assert!(Isa::Portable.row_step() == 1 && Isa::Avx2.row_step() == 2 && Isa::Avx512.row_step() == 4);
};
