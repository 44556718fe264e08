//! Wide kernels with very few output channels (LaMa's 7x7 head: 64 to 3).
//!
//! Packing columns for K x K taps would cost more than multiplying them with so few rows. Here every kernel column is
//! an output channel of its own: one product with `OC * K` rows over columns of `IC * K` values gives, for a row of
//! pixels, `partial[o][kx][x']` over the padded width; then `out[o][x] = sum over kx of partial[o][kx][x + kx]`.

use crate::common::native::{Disjoint, Input, Isa, Packed, Run, Store, by_isa, lanes, run_tasks};
use crate::conv2d::Conv2d;

/// Most rows of the product: with more output channels, the plain way does well.
const ROWS_MAX: usize = 24;

/// How such a convolution of given sizes is cut into tasks.
pub(super) struct Plan {
    isa: Isa,
    input: Input,
    images: usize,
    out_channels: usize,
    /// Height and width of the output.
    out: [usize; 2],
    /// Panels of columns over the padded width.
    panels: usize,
}

impl Plan {
    /// A plan, or `None` where the operation is not of this kind.
    pub(super) fn new(op: &Conv2d, isa: Isa, dims: &[[usize; 4]]) -> Option<Plan> {
        let ([segment], [n, _, h, w]) = (&op.segments[..], *dims.first()?) else {
            return None;
        };
        if op.stride != 1 || segment.kernel < 3 || op.out_channels * segment.kernel > ROWS_MAX {
            return None;
        }
        let out = op.out_size(segment, h, w)?;
        let (kernel, origin) = (
            [segment.kernel, 1],
            [-(segment.padding.amount() as isize); 2],
        );
        let input = Input {
            channels: segment.in_channels,
            size: [h, w],
            kernel,
            origin,
            stride: 1,
            padding: segment.padding,
        };
        let panels = (w + 2 * segment.padding.amount()).div_ceil(isa.columns());
        Some(Plan {
            isa,
            input,
            images: n,
            out_channels: op.out_channels,
            out,
            panels,
        })
    }

    /// The instruction set that the plan is made for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// Weights `[OC * K, IC * K]`: row (o, kx), column (i, ky).
    pub(super) fn pack(&self, op: &Conv2d) -> Packed {
        let k = self.input.kernel[0];
        let (weight, inner) = (&op.segments[0].weight, self.input.rows());
        Packed::new(self.isa, self.out_channels * k, inner, |row, column| {
            weight[(row / k * inner + column) * k + row % k]
        })
    }

    /// Floats of one row of partial sums.
    fn width(&self) -> usize {
        self.panels * self.isa.columns()
    }

    /// Floats of scratch per thread: one panel of columns and a row of partial sums.
    fn lane_len(&self) -> usize {
        self.input.rows() * self.isa.columns()
            + self.out_channels * self.input.kernel[0] * self.width()
    }

    /// Floats of scratch memory for all threads.
    pub(super) fn scratch(&self) -> usize {
        lanes() * self.lane_len()
    }

    /// Computes the whole output; a task is an output row. `data` holds the input, then the residual if there is one.
    pub(super) fn run(
        &self,
        op: &Conv2d,
        weights: &Packed,
        data: &[&[f32]],
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let residual = if op.epilogue.residual {
            data.last()
        } else {
            None
        };
        let ([h, w], k) = (self.out, self.input.kernel[0]);
        let store = Store {
            isa: self.isa,
            act: op.epilogue.act,
        };
        let output = Disjoint::new(output);
        run_tasks(self.images * h, scratch, self.lane_len(), |task, lane| {
            let (image, y) = (task / h, task % h);
            let (panel, partial) = lane.split_at_mut(self.input.rows() * self.isa.columns());
            self.multiply(weights, data[0], image, y, panel, partial);
            for (o, partial) in partial.chunks_exact_mut(k * self.width()).enumerate() {
                let width = self.width();
                by_isa!(self.isa, shift_and_add(partial: &mut [f32], width: usize, w: usize));
                let at = ((image * self.out_channels + o) * h + y) * w;
                // SAFETY: each task writes its own row of each channel.
                let out = unsafe { output.slice(at, w) };
                store.row(
                    &partial[..w],
                    op.bias[o],
                    false,
                    residual.map(|r| &r[at..at + w]),
                    out,
                );
            }
        });
    }

    /// The partial sums of one output row.
    fn multiply(
        &self,
        weights: &Packed,
        data: &[f32],
        image: usize,
        y: usize,
        panel: &mut [f32],
        partial: &mut [f32],
    ) {
        let columns = self.isa.columns();
        let padded = self.input.size[1] + 2 * self.input.padding.amount();
        let image = &data[image * self.input.image_len()..][..self.input.image_len()];
        for first in (0..padded).step_by(columns) {
            let run = Run {
                y,
                x: first,
                len: columns.min(padded - first),
                at: 0,
            };
            self.input.pack(self.isa, image, run, panel);
            weights.multiply(panel, |row, rows, _, tile| {
                for (r, sums) in tile.chunks_exact(columns).take(rows).enumerate() {
                    partial[(row + r) * self.width() + first..][..columns].copy_from_slice(sums);
                }
            });
        }
    }
}

/// Adds row `i` of `partial` (rows of `width` floats), shifted by `i` to the left, to row 0, for `len` sums.
#[inline(always)]
fn shift_and_add(partial: &mut [f32], width: usize, len: usize) {
    let (sums, rest) = partial.split_at_mut(width);
    for (i, row) in rest.chunks_exact(width).enumerate() {
        for (s, v) in sums[..len].iter_mut().zip(&row[i + 1..]) {
            *s += v;
        }
    }
}
