//! Second phase: weights to points, and the 36 matrix products.

use super::{Block, Plan};
use crate::conv2d::Conv2d;
use crate::conv2d::native::transform::{self, KERNEL_ROWS, SIDE};
use crate::native::{Disjoint, Isa, by_isa, multiply, run_tasks};

/// Where a panel's weights come from.
#[derive(Clone, Copy)]
struct Panel {
    /// First output channel and number of output channels.
    first: usize,
    height: usize,
    /// Row of points.
    row: usize,
}

impl Plan {
    /// `products[point] = weights[point] * points[point]` for every point.
    pub(super) fn multiply(&self, op: &Conv2d, block: Block, points: &[f32], products: &mut [f32], weights: &mut [f32]) {
        let columns = self.isa.columns();
        let (from_stride, to_stride) = (self.point_stride(block.panels), self.product_stride(block.panels));
        let products = Disjoint::new(products);
        let panel_len = self.channels * columns;
        let groups = self.out_channels.div_ceil(self.group * self.isa.rows());
        run_tasks(SIDE * groups, weights, self.weights_len(), |task, weights| {
            let (row, group) = (task % SIDE, task / SIDE);
            for ((first, height), weights) in self.group_panels(group).zip(weights.chunks_exact_mut(SIDE * self.channels * self.isa.rows()))
            {
                self.transform_weights(op, Panel { first, height, row }, weights);
            }
            for column in 0..SIDE {
                let point = row * SIDE + column;
                for (index, b) in points[point * from_stride..].chunks_exact(panel_len).take(block.panels).enumerate() {
                    for ((first, height), weights) in
                        self.group_panels(group).zip(weights.chunks_exact(SIDE * self.channels * self.isa.rows()))
                    {
                        let a = &weights[column * self.channels * height..][..self.channels * height];
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

    /// One row of points of a panel's weights: `[6][channel][height]`.
    fn transform_weights(&self, op: &Conv2d, panel: Panel, to: &mut [f32]) {
        let mut channel = 0;
        for at in &self.segments {
            let segment = &op.segments[*at];
            let (taps, inputs, outputs, all) = (&segment.weight[..], segment.in_channels, self.out_channels, self.channels);
            by_isa!(self.isa, transform_segment(taps: &[f32], inputs: usize, outputs: usize, panel: Panel, channel: usize, all: usize, to: &mut [f32]));
            channel += segment.in_channels;
        }
    }
}

#[inline(always)]
fn transform_segment(taps: &[f32], inputs: usize, outputs: usize, panel: Panel, channel: usize, all: usize, to: &mut [f32]) {
    macro_rules! by_height {
        ($($height:literal)*) => {
            match panel.height {
                $($height => transform_panel::<$height>(taps, inputs, outputs, panel, channel, all, to),)*
                _ => debug_assert!(false, "no microkernel has {} rows", panel.height),
            }
        };
    }
    by_height!(1 2 3 4 6 8 12);
}

/// `taps` is `[outputs][inputs][9]`; `to` is `[6][all][H]`, of which the channels from `channel` on are filled.
#[inline(always)]
fn transform_panel<const H: usize>(taps: &[f32], inputs: usize, outputs: usize, panel: Panel, channel: usize, all: usize, to: &mut [f32]) {
    let factors = KERNEL_ROWS[panel.row];
    let (to, _) = to.as_chunks_mut::<H>();
    // Rows behind the last output channel repeat it: their products are never read.
    let rows: [&[f32]; H] = std::array::from_fn(|r| &taps[(panel.first + r).min(outputs - 1) * 9 * inputs..][..9 * inputs]);
    for i in 0..inputs {
        let mut columns = [[0.0f32; H]; 3];
        for (r, row) in rows.iter().enumerate() {
            let g = &row[9 * i..][..9];
            for (x, column) in columns.iter_mut().enumerate() {
                column[r] = factors[0] * g[x] + factors[1] * g[3 + x] + factors[2] * g[6 + x];
            }
        }
        let points = transform::each_lane(columns.each_ref(), transform::kernel);
        for (column, lanes) in points.iter().enumerate() {
            to[column * all + channel + i] = *lanes;
        }
    }
}

const _: () = {
    // `transform_segment` knows the panel heights of every instruction set.
    assert!(Isa::Portable.row_step() == 1 && Isa::Avx2.row_step() == 2 && Isa::Avx512.row_step() == 4);
};
