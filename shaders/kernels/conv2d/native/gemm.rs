//! Convolution as a matrix product over blocks of output pixels: weights `[OC, K]` times columns `[K, pixels]`.

use crate::common::epilogue::Act;
use crate::common::native::{Columns, Disjoint, Input, Isa, Packed, Store, lanes, run_tasks};
use crate::conv2d::{Conv2d, Padding, Segment};

/// How the chosen segments of a convolution of given sizes are cut into tasks.
pub(super) struct Plan {
    columns: Columns,
    images: usize,
    /// Pixels of an output channel.
    plane: usize,
}

impl Plan {
    /// A plan for the chosen segments (at least one) and inputs of these axis lengths; `None` if they do not fit.
    pub(super) fn new(
        op: &Conv2d,
        chosen: impl Fn(&Segment) -> bool,
        isa: Isa,
        dims: &[[usize; 4]],
    ) -> Option<Plan> {
        let [images, _, h, w] = *dims.first()?;
        let [oh, ow] = op.out_size(op.segments.first()?, h, w)?;
        let plane = oh * ow;
        let chosen = || {
            op.segments
                .iter()
                .zip(dims)
                .enumerate()
                .filter(|(_, (s, _))| chosen(s))
        };
        let flat = chosen()
            .all(|(_, (s, _))| s.kernel == 1 && op.stride == 1 && s.padding == Padding::Zero(0));
        let input = |(index, (s, d)): (usize, (&Segment, &[usize; 4]))| {
            // For single pixels neighbours do not matter: one long row makes full panels.
            let size = if flat { [1, plane] } else { [d[2], d[3]] };
            let origin = [-(s.padding.amount() as isize); 2];
            (
                index,
                Input {
                    channels: s.in_channels,
                    size,
                    kernel: [s.kernel; 2],
                    origin,
                    stride: op.stride,
                    padding: s.padding,
                },
            )
        };
        let columns = Columns::new(
            isa,
            chosen().map(input).collect(),
            if flat { plane } else { ow },
            images * plane,
        );
        Some(Plan {
            columns,
            images,
            plane,
        })
    }

    /// The instruction set that the plan is made for.
    pub(super) fn isa(&self) -> Isa {
        self.columns.isa()
    }

    /// The weights of the chosen segments side by side.
    pub(super) fn pack(&self, op: &Conv2d) -> Packed {
        Packed::new(
            self.isa(),
            op.out_channels,
            self.columns.inner(),
            |row, column| {
                let mut column = column;
                for (index, input) in self.columns.inputs() {
                    if column < input.rows() {
                        return op.segments[*index].weight[row * input.rows() + column];
                    }
                    column -= input.rows();
                }
                0.0
            },
        )
    }

    /// Floats of scratch memory for all threads.
    pub(super) fn scratch(&self) -> usize {
        lanes() * self.columns.block_len()
    }

    /// Computes the whole output. `data` holds one slice per segment of the operation, then the residual if there is
    /// one. Unless this is the `last` part of the operation, bias, activation and residual are left out.
    pub(super) fn run(
        &self,
        op: &Conv2d,
        weights: &Packed,
        data: &[&[f32]],
        last: bool,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (plane, block, isa) = (self.plane, self.columns.block(), self.isa());
        let blocks = plane.div_ceil(block);
        let residual = if last && op.epilogue.residual {
            data.last()
        } else {
            None
        };
        let store = Store {
            isa,
            act: if last { op.epilogue.act } else { Act::None },
        };
        let output = Disjoint::new(output);
        run_tasks(
            self.images * blocks,
            scratch,
            self.columns.block_len(),
            |task, scratch| {
                let (image, first) = (task / blocks, task % blocks * block);
                let count = block.min(plane - first);
                let columns = self.columns.pack(data, image, first, count, scratch);
                weights.multiply(columns, |row, rows, column, tile| {
                    let len = isa.columns().min(count - column);
                    for (r, sums) in tile.chunks_exact(isa.columns()).take(rows).enumerate() {
                        let at = (image * op.out_channels + row + r) * plane + first + column;
                        // SAFETY: each output pixel belongs to one block, each channel to one tile of it.
                        let out = unsafe { output.slice(at, len) };
                        let bias = if last { op.bias[row + r] } else { 0.0 };
                        store.row(
                            &sums[..len],
                            bias,
                            false,
                            residual.map(|v| &v[at..at + len]),
                            out,
                        );
                    }
                });
            },
        );
    }
}
