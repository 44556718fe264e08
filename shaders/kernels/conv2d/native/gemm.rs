//! Convolution as a matrix product over blocks of output pixels: weights `[OC, K]` times columns `[K, pixels]`.

use super::im2col::Input;
use crate::conv2d::{Conv2d, Padding, Segment};
use crate::epilogue::Act;
use crate::native::{Disjoint, Isa, Packed, Store, lanes, run_tasks, runs};

/// Floats of packed columns per thread: half a mebibyte stays in the second-level cache of common processors.
const BLOCK_FLOATS: usize = 128 * 1024;

/// Most pixels of a block: with more, few threads get the last blocks.
const BLOCK_PIXELS_MAX: usize = 256;

/// How the chosen segments of a convolution of given sizes are cut into tasks.
pub(super) struct Plan {
    isa: Isa,
    /// Indices of the segments, with their geometry.
    inputs: Vec<(usize, Input)>,
    /// Rows of the right matrix.
    inner: usize,
    images: usize,
    /// Height and width of the output, as one row where all kernels are single pixels.
    out: [usize; 2],
    /// Output pixels per task, a multiple of the microkernel's columns.
    block: usize,
}

impl Plan {
    /// The instruction set that the plan is made for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// A plan for the chosen segments (at least one) and inputs of these axis lengths; `None` if they do not fit.
    pub(super) fn new(op: &Conv2d, chosen: impl Fn(&Segment) -> bool, isa: Isa, dims: &[[usize; 4]]) -> Option<Plan> {
        let [images, _, h, w] = *dims.first()?;
        let mut out = op.out_size(op.segments.first()?, h, w)?;
        let pointwise = |s: &Segment| s.kernel == 1 && op.stride == 1 && s.padding == Padding::Zero(0);
        let mut inputs: Vec<(usize, Input)> = Vec::with_capacity(op.segments.len());
        let mut flat = true;
        for (index, (s, d)) in op.segments.iter().zip(dims).enumerate().filter(|(_, (s, _))| chosen(s)) {
            flat &= pointwise(s);
            inputs.push((
                index,
                Input { channels: s.in_channels, size: [d[2], d[3]], kernel: s.kernel, stride: op.stride, padding: s.padding },
            ));
        }
        if flat {
            // Neighbours do not matter: one long row makes full panels.
            out = [1, out[0] * out[1]];
            inputs.iter_mut().for_each(|(_, input)| input.size = out);
        }
        let inner: usize = inputs.iter().map(|(_, input)| input.rows()).sum();
        let columns = isa.columns();
        let fitting = BLOCK_FLOATS / inner / columns * columns;
        let fair = (images * out[0] * out[1]).div_ceil(4 * lanes()).next_multiple_of(columns);
        let block = fitting.min(fair).clamp(columns, BLOCK_PIXELS_MAX);
        Some(Plan { isa, inputs, inner, images, out, block })
    }

    /// The weights of the chosen segments side by side.
    pub(super) fn pack(&self, op: &Conv2d) -> Packed {
        Packed::new(self.isa, op.out_channels, self.inner, |row, column| {
            let mut column = column;
            for (index, input) in &self.inputs {
                if column < input.rows() {
                    return op.segments[*index].weight[row * input.rows() + column];
                }
                column -= input.rows();
            }
            0.0
        })
    }

    /// Floats of scratch memory for all threads.
    pub(super) fn scratch(&self) -> usize {
        lanes() * self.inner * self.block
    }

    /// Computes the whole output. `data` holds one slice per segment of the operation, then the residual if there is
    /// one. Unless this is the `last` part of the operation, bias, activation and residual are left out.
    pub(super) fn run(&self, op: &Conv2d, weights: &Packed, data: &[&[f32]], last: bool, output: &mut [f32], scratch: &mut [f32]) {
        let plane = self.out[0] * self.out[1];
        let blocks = plane.div_ceil(self.block);
        let residual = if last && op.epilogue.residual { data.last() } else { None };
        let store = Store { isa: self.isa, act: if last { op.epilogue.act } else { Act::None } };
        let output = Disjoint::new(output);
        run_tasks(self.images * blocks, scratch, self.inner * self.block, |task, columns| {
            let (image, first) = (task / blocks, task % blocks * self.block);
            let count = self.block.min(plane - first);
            self.pack_block(data, image, first, count, columns);
            let used = &columns[..self.inner * count.next_multiple_of(self.isa.columns())];
            weights.multiply(used, self.inner, 0, |row, rows, column, tile| {
                let len = self.isa.columns().min(count - column);
                for (r, sums) in tile.chunks_exact(self.isa.columns()).take(rows).enumerate() {
                    let at = (image * op.out_channels + row + r) * plane + first + column;
                    // SAFETY: each output pixel belongs to one block, each channel to one tile of it.
                    let out = unsafe { output.slice(at, len) };
                    let bias = if last { op.bias[row + r] } else { 0.0 };
                    store.row(&sums[..len], bias, false, residual.map(|v| &v[at..at + len]), out);
                }
            });
        });
    }

    /// Packs the columns of the output pixels `first..first + count` of one image.
    fn pack_block(&self, data: &[&[f32]], image: usize, first: usize, count: usize, block: &mut [f32]) {
        let columns = self.isa.columns();
        for (index, panel) in block.chunks_exact_mut(self.inner * columns).enumerate() {
            let begin = index * columns;
            if begin >= count {
                return;
            }
            for run in runs(first + begin, columns.min(count - begin), self.out[1]) {
                let mut row = 0;
                for (index, input) in &self.inputs {
                    let len = input.channels * input.size[0] * input.size[1];
                    input.pack(&data[*index][image * len..][..len], run, columns, &mut panel[row * columns..][..input.rows() * columns]);
                    row += input.rows();
                }
            }
        }
    }
}
