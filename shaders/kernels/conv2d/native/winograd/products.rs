//! Second phase: weights to points, and the 36 matrix products.

use super::{Block, Plan};
use crate::common::native::{Disjoint, Isa, by_isa, multiply, panel_height, run_tasks};
use crate::conv2d::Conv2d;
use crate::conv2d::native::transform::{self, KERNEL_ROWS, Lanes, SIDE};

impl Plan {
    /// `products[point] = weights[point] * points[point]` for every point.
    pub(super) fn multiply(
        &self,
        taps: &[f32],
        block: Block,
        points: &[f32],
        products: &mut [f32],
        scratch: &mut [f32],
    ) {
        let columns = self.isa.columns();
        let (from_stride, to_stride) = (
            self.point_stride(block.panels),
            self.product_stride(block.panels),
        );
        let products = Disjoint::new(products);
        let panel_len = self.channels * columns;
        let groups = self.out_channels.div_ceil(self.group * self.isa.rows());
        run_tasks(SIDE * groups, scratch, self.lane_len(), |task, scratch| {
            let weights = &mut scratch[..self.weights_len()];
            let (row, group) = (task % SIDE, task / SIDE);
            for ((first, height), weights) in self
                .group_panels(group)
                .zip(weights.chunks_exact_mut(SIDE * self.channels * self.isa.rows()))
            {
                self.transform_weights(&taps[9 * self.channels * first..], height, row, weights);
            }
            for column in 0..SIDE {
                let point = row * SIDE + column;
                for (index, b) in points[point * from_stride..]
                    .chunks_exact(panel_len)
                    .take(block.panels)
                    .enumerate()
                {
                    for ((first, height), weights) in self
                        .group_panels(group)
                        .zip(weights.chunks_exact(SIDE * self.channels * self.isa.rows()))
                    {
                        let a =
                            &weights[column * self.channels * height..][..self.channels * height];
                        let at =
                            point * to_stride + (index * self.product_rows() + first) * columns;
                        // SAFETY: each task writes its own points of its own output channels.
                        let c = unsafe { products.slice(at, height * columns) };
                        // SAFETY: the slices have the lengths that the microkernel wants for `height` rows; `isa` was
                        // found on this processor.
                        unsafe {
                            multiply(
                                self.isa,
                                height,
                                self.channels,
                                a.as_ptr(),
                                b.as_ptr(),
                                c.as_mut_ptr(),
                                columns,
                            )
                        };
                    }
                }
            }
        });
    }

    /// The taps of all segments by panel of output channels, so that a vector holds the same tap of neighbouring output
    /// channels: panels of `[channel][9][height]`.
    pub(in crate::conv2d::native) fn pack(&self, op: &Conv2d) -> Vec<f32> {
        let mut packed = Vec::with_capacity(9 * self.channels * self.product_rows());
        for first in (0..self.out_channels).step_by(self.isa.rows()) {
            let height = panel_height(self.isa, self.out_channels, first);
            for segment in self.segments.iter().map(|at| &op.segments[*at]) {
                for tap in 0..segment.inner() {
                    // Rows behind the last output channel repeat it: their products are never read.
                    let row = |r: usize| r.min(self.out_channels - 1) * segment.inner();
                    packed.extend((first..first + height).map(|r| segment.weight[row(r) + tap]));
                }
            }
        }
        packed
    }

    /// One row of points of a panel's weights: `[6][channel][height]` from `[channel][9][height]`.
    fn transform_weights(&self, taps: &[f32], height: usize, row: usize, to: &mut [f32]) {
        let taps = &taps[..9 * self.channels * height];
        by_isa!(self.isa, transform_panel(taps: &[f32], height: usize, row: usize, to: &mut [f32]));
    }
}

#[inline(always)]
fn transform_panel(taps: &[f32], height: usize, row: usize, to: &mut [f32]) {
    macro_rules! by_height {
        ($($height:literal)*) => {
            match height {
                $($height => transform_rows::<$height>(taps.as_chunks().0, row, to.as_chunks_mut().0),)*
                _ => debug_assert!(false, "no microkernel has {height} rows"),
            }
        };
    }
    by_height!(1 2 3 4 6 8 12);
}

#[inline(always)]
fn transform_rows<const H: usize>(taps: &[Lanes<H>], row: usize, to: &mut [Lanes<H>]) {
    let factors = KERNEL_ROWS[row];
    let channels = taps.len() / 9;
    for (channel, g) in taps.as_chunks::<9>().0.iter().enumerate() {
        let mut columns = [[0.0; H]; 3];
        for (x, column) in columns.iter_mut().enumerate() {
            for (lane, value) in column.iter_mut().enumerate() {
                *value = factors[0] * g[x][lane]
                    + factors[1] * g[3 + x][lane]
                    + factors[2] * g[6 + x][lane];
            }
        }
        let [a, b, c] = &columns;
        let points = transform::each_lane([a, b, c], transform::kernel);
        for (column, lanes) in points.iter().enumerate() {
            to[column * channels + channel] = *lanes;
        }
    }
}

const _: () = {
    // `transform_panel` knows the panel heights of every instruction set.
    assert!(
        Isa::Portable.row_step() == 1 && Isa::Avx2.row_step() == 2 && Isa::Avx512.row_step() == 4
    );
};
