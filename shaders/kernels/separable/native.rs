//! Fast CPU twin of [`super::Separable`]: a thread takes some rows, convolves them depthwise into its cache, multiplies them with the
//! 1x1 there and finishes the sums on their way out. Only when the size doubles do they take a round through memory, a quarter
//! as large as the output.

use super::{Scale, Separable};
use crate::common::native::{
    Cached, Disjoint, Isa, PackedColumns, TokenTile, by_vector, lanes, run_tasks,
};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

mod filter;
mod finish;

use filter::{Line, combine, depthwise, halve};
use finish::{Enlarged, Finish, Place, enlarge, finish_tile};

/// Weights laid out for the processor, made at first use: as many bytes again as the operation's own.
pub(super) type Weights = Cached<Packed>;

pub(super) struct Packed {
    /// `[9, C]`, then the bias `[C]`.
    taps: Vec<f32>,
    pointwise: PackedColumns,
}

/// Floats of a block's rows after the depthwise convolution: twice that stays in the second-level cache.
const BLOCK_FLOATS: usize = 96 * 1024;
/// Pixels that a block has where the map has as many: with fewer, weights are read too often.
const BLOCK_PIXELS_MIN: usize = 64;

/// How the operation is cut into tasks.
struct Plan {
    isa: Isa,
    /// Images, then height, width and channels of the input, height and width of the map that the 1x1 reads.
    dims: [usize; 6],
    /// Rows of that map in a block.
    rows: usize,
    /// Blocks of an image.
    blocks: usize,
    /// Panels of columns of a task: less than all where blocks are too few for the threads.
    panels: usize,
    bands: usize,
    /// Floats of one thread.
    lane_len: usize,
    /// Floats of the sums that are doubled in size.
    sums_len: usize,
}

impl Plan {
    fn new(op: &Separable, [n, h, w, c]: [usize; 4]) -> Self {
        let (isa, oc, [ih, iw]) = (Isa::active(), op.pointwise.out_channels, op.inner(h, w));
        let fitting = (BLOCK_FLOATS / (iw * c)).max(1);
        let fair = (n * ih).div_ceil(4 * lanes());
        let rows = fair.max(BLOCK_PIXELS_MIN.div_ceil(iw)).min(fitting).min(ih);
        let (blocks, panels) = (ih.div_ceil(rows), oc.div_ceil(isa.columns()));
        let per_band = panels.div_ceil((2 * lanes()).div_ceil(n * blocks)).max(1);
        let block = rows * iw * c + PackedColumns::block_len(isa, c, rows * iw);
        let (halving, doubling) = match op.scale {
            Scale::Same => (0, 0),
            Scale::Down => (w * c + 4 * iw * c, 0),
            Scale::Up => (0, w * oc),
        };
        Plan {
            isa,
            dims: [n, h, w, c, ih, iw],
            rows,
            blocks,
            panels: per_band,
            bands: panels.div_ceil(per_band),
            lane_len: (block + halving).max(doubling),
            sums_len: if op.scale == Scale::Up {
                n * h * w * oc
            } else {
                0
            },
        }
    }
}

pub(super) fn scratch(op: &Separable, inputs: &[TensorSpec]) -> usize {
    let dims = inputs.first().and_then(|x| x.shape.dims4());
    dims.map_or(0, |dims| {
        let plan = Plan::new(op, dims);
        plan.sums_len + lanes() * plan.lane_len
    })
}

pub(super) fn run(
    op: &Separable,
    inputs: &[TensorRef<'_>],
    output: &mut TensorMut<'_>,
    scratch: &mut [f32],
) {
    let Some((x, dims)) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let plan = Plan::new(op, dims);
    let weights = op.packed.get_or(plan.isa, || pack(op, plan.isa));
    let skip = if op.skip {
        inputs.last().map(TensorRef::f32)
    } else {
        None
    };
    let (sums, scratch) = scratch.split_at_mut(plan.sums_len);
    let out = Disjoint::new(output.f32());
    let product = Product {
        op,
        plan: &plan,
        weights,
        x,
    };
    if op.scale != Scale::Up {
        product.run(scratch, Finish::Apply { skip }, out);
        return;
    }
    product.run(scratch, Finish::Keep, Disjoint::new(sums));
    double(op, &plan, sums, skip, out, scratch);
}

fn pack(op: &Separable, isa: Isa) -> Packed {
    let (c, oc) = (op.pointwise.in_channels, op.pointwise.out_channels);
    let taps = (0..9).flat_map(|tap| (0..c).map(move |i| op.depthwise.weight[i * 9 + tap]));
    Packed {
        taps: taps.chain(op.depthwise.bias.iter().copied()).collect(),
        pointwise: PackedColumns::new(isa, c, oc, |row, column| {
            op.pointwise.weight[column * c + row]
        }),
    }
}

/// The depthwise convolution with the halving, and the 1x1.
struct Product<'a> {
    op: &'a Separable,
    plan: &'a Plan,
    weights: &'a Packed,
    /// `[N, H, W, C]`
    x: &'a [f32],
}

impl Product<'_> {
    fn run(&self, scratch: &mut [f32], finish: Finish<'_>, out: Disjoint<'_>) {
        let plan = self.plan;
        let [n, _, _, c, ih, iw] = plan.dims;
        let oc = self.op.pointwise.out_channels;
        let tasks = n * plan.blocks * plan.bands;
        run_tasks(tasks, scratch, plan.lane_len, |task, lane| {
            let (block, band) = (task / plan.bands, task % plan.bands);
            let (image, first) = (block / plan.blocks, block % plan.blocks * plan.rows);
            let count = plan.rows.min(ih - first);
            let (rows, lane) = lane.split_at_mut(plan.rows * iw * c);
            let rows = &mut rows[..count * iw * c];
            self.rows(image, first, rows, lane);
            let panels = band * plan.panels..(band + 1) * plan.panels;
            let place = Place {
                first: (image * ih + first) * iw,
                size: [ih, iw],
                channels: oc,
                noise: self.op.noise.as_ref(),
                finish,
                out,
            };
            let isa = plan.isa;
            self.weights
                .pointwise
                .block(rows, panels, lane, |tile: TokenTile<'_>| {
                    by_vector!(isa, finish_tile(tile: TokenTile<'_>, place: Place<'_>));
                });
        });
    }

    /// Rows of the map that the 1x1 reads, from row `first` on.
    fn rows(&self, image: usize, first: usize, out: &mut [f32], lane: &mut [f32]) {
        let [_, _, w, c, _, iw] = self.plan.dims;
        if self.op.scale != Scale::Down {
            for (i, out) in out.chunks_exact_mut(w * c).enumerate() {
                self.row(image, first + i, out);
            }
            return;
        }
        let (isa, line) = (self.plan.isa, iw * c);
        let (wide, ring) = lane.split_at_mut(w * c);
        let ring = &mut ring[..4 * line];
        for (i, out) in out.chunks_exact_mut(line).enumerate() {
            // Rows 2 y - 1 to 2 y + 2, counted from 1 here; those that the row before needed are there.
            let top = 2 * (first + i);
            for y in if i == 0 { top } else { top + 2 }..top + 4 {
                let slot = &mut ring[y % 4 * line..][..line];
                if y == 0 || y > self.plan.dims[1] {
                    slot.fill(0.0);
                    continue;
                }
                self.row(image, y - 1, wide);
                let wide = &*wide;
                by_vector!(isa, halve(wide: &[f32], c: usize, slot: &mut [f32]));
            }
            let part = |y: usize| &ring[y % 4 * line..][..line];
            let four = [part(top), part(top + 1), part(top + 2), part(top + 3)];
            by_vector!(isa, combine(four: [&[f32]; 4], out: &mut [f32]));
        }
    }

    /// One row of the depthwise convolution, activated.
    fn row(&self, image: usize, y: usize, out: &mut [f32]) {
        let [_, h, w, c, _, _] = self.plan.dims;
        let row = |y: usize| &self.x[(image * h + y) * w * c..][..w * c];
        let line = Line {
            rows: [
                y.checked_sub(1).map(row),
                Some(row(y)),
                (y + 1 < h).then(|| row(y + 1)),
            ],
            channels: c,
            taps: &self.weights.taps,
        };
        by_vector!(self.plan.isa, depthwise(line: Line<'_>, out: &mut [f32]));
    }
}

/// Twice the size, noise, activation and skip: two rows of the output from three of the sums.
fn double(
    op: &Separable,
    plan: &Plan,
    sums: &[f32],
    skip: Option<&[f32]>,
    out: Disjoint<'_>,
    scratch: &mut [f32],
) {
    let ([n, h, w, ..], oc, isa) = (plan.dims, op.pointwise.out_channels, plan.isa);
    run_tasks(2 * n * h, scratch, plan.lane_len, |task, lane| {
        let (image, y) = (task / (2 * h), task % (2 * h));
        let row = |y: usize| &sums[(image * h + y) * w * oc..][..w * oc];
        let near = y / 2;
        let far = if y % 2 == 0 {
            near.checked_sub(1)
        } else {
            Some(near + 1).filter(|y| *y < h)
        };
        let at = task * 2 * w * oc;
        let part = Enlarged {
            near: row(near),
            far: far.map(row),
            channels: oc,
            noise: op.noise.as_ref().map(|noise| noise.row(y)),
            skip: skip.map(|skip| &skip[at..][..2 * w * oc]),
        };
        // SAFETY: every row of the output belongs to one task.
        let out = unsafe { out.slice(at, 2 * w * oc) };
        by_vector!(isa, enlarge(part: Enlarged<'_>, lane: &mut [f32], out: &mut [f32]));
    });
}
