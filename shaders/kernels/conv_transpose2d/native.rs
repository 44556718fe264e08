//! Fast CPU twin of [`super::ConvTranspose2d`]: one matrix product per output phase over shared columns.
//!
//! An output pixel of phase (py, px) sees the input at offsets (0, 0), and (0, 1), (1, 0), (1, 1) where its parity is
//! odd. The columns of all four offsets are packed once per block of input pixels, in an order that makes every
//! phase's part contiguous.

use super::{ConvTranspose2d, KERNEL, PHASE_TAPS};
use crate::native::{Cached, Disjoint, Isa, Packed, Run, Store, lanes, run_tasks, runs};
use crate::op::TensorSpec;
use crate::tensor::{TensorMut, TensorRef};

/// Input offsets (dy, dx) in the order of the packed columns.
const OFFSETS: [[usize; 2]; 4] = [[0, 1], [0, 0], [1, 0], [1, 1]];

/// Output phases (py, px) with their part of [`OFFSETS`].
const PHASES: [([usize; 2], std::ops::Range<usize>); 4] = [([0, 0], 1..2), ([0, 1], 0..2), ([1, 0], 1..3), ([1, 1], 0..4)];

/// Floats of packed columns per thread (half a mebibyte: second-level cache).
const BLOCK_FLOATS: usize = 128 * 1024;

/// Most input pixels of a block.
const BLOCK_PIXELS_MAX: usize = 256;

/// Weights of the four phases laid out for the processor, made at first use.
pub(super) type Weights = Cached<[Packed; 4]>;

fn pack(op: &ConvTranspose2d, isa: Isa) -> [Packed; 4] {
    PHASES.map(|([py, px], offsets)| {
        let channels = op.in_channels();
        Packed::new(isa, op.out_channels, offsets.len() * channels, |row, column| {
            let [dy, dx] = OFFSETS[offsets.start + column / channels];
            weight(op, column % channels, row, [tap(py, dy), tap(px, dx)])
        })
    })
}

/// The kernel index that joins an output of this parity with the input at this offset.
fn tap(parity: usize, offset: usize) -> usize {
    PHASE_TAPS[parity].iter().find(|(_, o)| *o == offset).map_or(0, |(k, _)| *k)
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

/// How a transposed convolution of given sizes is cut into tasks.
struct Plan {
    isa: Isa,
    images: usize,
    /// Height and width of the input.
    size: [usize; 2],
    /// Input channels of each segment.
    channels: Vec<usize>,
    /// Rows of the packed columns.
    inner: usize,
    /// Input pixels per task.
    block: usize,
}

impl Plan {
    fn new(op: &ConvTranspose2d, isa: Isa, input: [usize; 4]) -> Plan {
        let [images, _, h, w] = input;
        let inner = OFFSETS.len() * op.in_channels();
        let columns = isa.columns();
        let fitting = BLOCK_FLOATS / inner / columns * columns;
        let fair = (images * h * w).div_ceil(4 * lanes()).next_multiple_of(columns);
        let block = fitting.min(fair).clamp(columns, BLOCK_PIXELS_MAX);
        Plan { isa, images, size: [h, w], channels: op.segments.iter().map(|s| s.in_channels).collect(), inner, block }
    }

    /// Fills the columns of one run in a panel.
    fn pack_run(&self, data: &[&[f32]], image: usize, run: Run, panel: &mut [f32]) {
        let [h, w] = self.size;
        let mut rows = panel.chunks_exact_mut(self.isa.columns());
        for [dy, dx] in OFFSETS {
            for (data, channels) in data.iter().zip(&self.channels) {
                let data = &data[image * channels * h * w..][..channels * h * w];
                for (channel, row) in data.chunks_exact(h * w).zip(&mut rows) {
                    let to = &mut row[run.at..run.at + run.len];
                    if run.y + dy == h {
                        to.fill(0.0);
                        continue;
                    }
                    let line = &channel[(run.y + dy) * w..][..w];
                    let inside = run.len.min(w - run.x - dx);
                    to[..inside].copy_from_slice(&line[run.x + dx..][..inside]);
                    to[inside..].fill(0.0);
                }
            }
        }
    }

    fn pack_block(&self, data: &[&[f32]], image: usize, first: usize, count: usize, block: &mut [f32]) {
        let columns = self.isa.columns();
        for (index, panel) in block.chunks_exact_mut(self.inner * columns).enumerate().take(count.div_ceil(columns)) {
            let begin = index * columns;
            for run in runs(first + begin, columns.min(count - begin), self.size[1]) {
                self.pack_run(data, image, run, panel);
            }
        }
    }
}

pub(super) fn scratch(op: &ConvTranspose2d, inputs: &[TensorSpec]) -> usize {
    let Some(input) = inputs.first().and_then(|s| s.shape.dims4()) else { return 0 };
    let plan = Plan::new(op, Isa::active(), input);
    lanes() * plan.inner * plan.block
}

pub(super) fn run(op: &ConvTranspose2d, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>, scratch: &mut [f32]) {
    let Some(input) = inputs.first().and_then(|t| t.shape().dims4()) else { return };
    let plan = Plan::new(op, Isa::active(), input);
    let weights = op.packed.get_or(plan.isa, || pack(op, plan.isa));
    let data: Vec<&[f32]> = inputs.iter().map(TensorRef::f32).collect();
    let residual = if op.epilogue.residual { data.last().copied() } else { None };
    let target =
        Target { op, size: plan.size, store: Store { isa: plan.isa, act: op.epilogue.act }, residual, out: Disjoint::new(output.f32()) };
    let pixels = plan.size[0] * plan.size[1];
    let blocks = pixels.div_ceil(plan.block);
    run_tasks(plan.images * blocks, scratch, plan.inner * plan.block, |task, block| {
        let (image, first) = (task / blocks, task % blocks * plan.block);
        let count = plan.block.min(pixels - first);
        plan.pack_block(&data, image, first, count, block);
        let columns = plan.isa.columns();
        let used = &block[..plan.inner * count.next_multiple_of(columns)];
        for (packed, (phase, offsets)) in weights.iter().zip(&PHASES) {
            packed.multiply(used, plan.inner, offsets.start * op.in_channels(), |row, rows, column, tile| {
                let len = columns.min(count - column);
                for (r, sums) in tile.chunks_exact(columns).take(rows).enumerate() {
                    target.store(image, row + r, *phase, first + column, &sums[..len]);
                }
            });
        }
    });
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
    /// Stores the sums of one phase and channel for the input pixels from `first` on: every second output value.
    fn store(&self, image: usize, channel: usize, [py, px]: [usize; 2], first: usize, sums: &[f32]) {
        let [h, w] = self.size;
        let mut values = [0.0; Isa::Avx512.columns()];
        let values = &mut values[..sums.len()];
        self.store.row(sums, self.op.bias[channel], false, None, values);
        for run in runs(first, sums.len(), w) {
            let at = ((image * self.op.out_channels + channel) * 2 * h + 2 * run.y + py) * 2 * w + 2 * run.x;
            // SAFETY: the output pixels of an input pixel belong to the one task that has it, which stores one phase
            // of one channel at a time.
            let out = unsafe { self.out.slice(at, 2 * run.len) };
            let values = &values[run.at..run.at + run.len];
            match self.residual {
                None => out.chunks_exact_mut(2).zip(values).for_each(|(o, v)| o[px] = *v),
                Some(r) => {
                    let residual = r[at..at + 2 * run.len].chunks_exact(2);
                    out.chunks_exact_mut(2).zip(values).zip(residual).for_each(|((o, v), r)| o[px] = v + r[px]);
                }
            }
        }
    }
}
