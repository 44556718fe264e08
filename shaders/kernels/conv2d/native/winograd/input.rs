//! First phase: input tiles to points.

use super::{Block, Plan};
use crate::common::native::{Disjoint, Isa, by_isa, run_tasks, runs};
use crate::conv2d::native::transform::{self, Lanes, SIDE, STEP, each_lane};
use crate::conv2d::{Conv2d, Padding};

/// Channels per task: neighbours lie next to each other in the points, so that one page of memory takes many writes.
const CHANNELS: usize = 16;

/// One channel of an image.
#[derive(Clone, Copy)]
struct Channel<'a> {
    data: &'a [f32],
    size: [usize; 2],
    padding: Padding,
    /// Number over all segments.
    index: usize,
}

impl Plan {
    /// Floats of scratch per thread: the part of a padded channel under a panel of tiles.
    pub(super) fn padded_len(&self) -> usize {
        let tile_rows = self
            .block_rows
            .min((self.isa.columns() - 1).div_ceil(self.tiles[1]) + 1);
        (STEP * tile_rows + SIDE - STEP) * self.padded_width()
    }

    /// Width of all tiles and one more, so that full vectors can be read behind the last tile.
    fn padded_width(&self) -> usize {
        STEP * (self.tiles[1] + 1)
    }

    /// Transforms the block's tiles of every channel.
    pub(super) fn transform_input(
        &self,
        op: &Conv2d,
        data: &[&[f32]],
        block: Block,
        points: &mut [f32],
        scratch: &mut [f32],
    ) {
        let points = Disjoint::new(points);
        let parts = self.channels.div_ceil(CHANNELS);
        run_tasks(
            block.panels * parts,
            scratch,
            self.lane_len(),
            |task, padded| {
                let (panel, first) = (task / parts, task % parts * CHANNELS);
                let channels = first..self.channels.min(first + CHANNELS);
                for channel in
                    channels.filter_map(|index| self.channel(op, data, block.image, index))
                {
                    let (plan, index) = (self, channel.index);
                    // Tile rows are counted from the first one of the panel.
                    let top = panel * self.isa.columns() / self.tiles[1];
                    channel.pad(
                        STEP * (block.row + top),
                        self.padded_width(),
                        &mut padded[..self.padded_len()],
                    );
                    match self.isa {
                        Isa::Portable => {
                            transform_panel::<8>(plan, padded, panel, top, index, block, points)
                        }
                        isa => by_isa!(
                            isa,
                            transform_panel::<16>(
                                plan: &Plan,
                                padded: &[f32],
                                panel: usize,
                                top: usize,
                                index: usize,
                                block: Block,
                                points: Disjoint<'_>
                            )
                        ),
                    }
                }
            },
        );
    }

    fn channel<'a>(
        &self,
        op: &Conv2d,
        data: &[&'a [f32]],
        image: usize,
        index: usize,
    ) -> Option<Channel<'a>> {
        let [h, w] = self.size;
        let mut within = index;
        for at in &self.segments {
            let segment = &op.segments[*at];
            if within < segment.in_channels {
                let start = (image * segment.in_channels + within) * h * w;
                return Some(Channel {
                    data: &data[*at][start..start + h * w],
                    size: self.size,
                    padding: segment.padding,
                    index,
                });
            }
            within -= segment.in_channels;
        }
        None
    }
}

impl Channel<'_> {
    /// Copies the rows from `top - 1` on, with a pixel of padding on the left and on the right and zeros behind it (under
    /// the part of a last tile that no output needs).
    fn pad(&self, top: usize, width: usize, padded: &mut [f32]) {
        let [h, w] = self.size;
        let column = |x: isize| self.padding.source(x, w);
        let (left, right) = (column(-1), column(w as isize));
        for (i, to) in padded.chunks_exact_mut(width).enumerate() {
            let y = (top + i) as isize - 1;
            let row = if y > h as isize {
                None
            } else {
                self.padding.source(y, h)
            };
            let Some(row) = row.map(|y| &self.data[y * w..][..w]) else {
                to.fill(0.0);
                continue;
            };
            to[0] = left.map_or(0.0, |x| row[x]);
            to[1..=w].copy_from_slice(row);
            to[w + 1] = right.map_or(0.0, |x| row[x]);
            to[w + 2..].fill(0.0);
        }
    }
}

#[inline(always)]
fn transform_panel<const L: usize>(
    plan: &Plan,
    padded: &[f32],
    panel: usize,
    top: usize,
    index: usize,
    block: Block,
    points: Disjoint<'_>,
) {
    let (columns, width) = (plan.isa.columns(), plan.padded_width());
    let stride = plan.point_stride(block.panels);
    let mut tiles = [[[0.0; L]; SIDE]; SIDE];
    for part in (0..columns).step_by(L) {
        let first = panel * columns + part;
        let count = L.min(block.tiles.saturating_sub(first));
        for run in runs(first, count, plan.tiles[1]) {
            let start = STEP * (run.y - top) * width + STEP * run.x;
            if run.len == L {
                // The common case with a length known to the compiler becomes vector arithmetic and shuffles.
                load(&padded[start..], width, L, 0, &mut tiles);
            } else {
                load(&padded[start..], width, run.len, run.at, &mut tiles);
            }
        }
        let at = (panel * plan.channels + index) * columns + part;
        for (row, tile) in tiles.iter().enumerate() {
            let [a, b, c, d, e, f] = tile;
            let result = each_lane([a, b, c, d, e, f], transform::input);
            for (column, lanes) in result.iter().enumerate() {
                // SAFETY: each task writes its own channels of its own panel.
                let to = unsafe { points.slice((row * SIDE + column) * stride + at, L) };
                to.copy_from_slice(lanes);
            }
        }
    }
}

/// Transforms the six rows under a run of `len` tiles along y and spreads them over the lanes from `at` on: value `i` of
/// the tile in lane `t` is value `4 t + i` of a row.
#[inline(always)]
fn load<const L: usize>(
    padded: &[f32],
    width: usize,
    len: usize,
    at: usize,
    tiles: &mut [[Lanes<L>; SIDE]; SIDE],
) {
    let row = |i: usize| &padded[i * width..].as_chunks::<STEP>().0[..=len];
    let [r0, r1, r2, r3, r4, r5] = [row(0), row(1), row(2), row(3), row(4), row(5)];
    let [t0, t1, t2, t3, t4, t5] = tiles;
    for t in 0..len {
        for x in 0..STEP {
            let points =
                transform::input([r0[t][x], r1[t][x], r2[t][x], r3[t][x], r4[t][x], r5[t][x]]);
            [
                t0[x][at + t],
                t1[x][at + t],
                t2[x][at + t],
                t3[x][at + t],
                t4[x][at + t],
                t5[x][at + t],
            ] = points;
        }
    }
    // The last two values of a tile are the first two of the next one.
    for x in 0..SIDE - STEP {
        let last = transform::input([
            r0[len][x], r1[len][x], r2[len][x], r3[len][x], r4[len][x], r5[len][x],
        ]);
        for (tile, last) in [&mut *t0, &mut *t1, &mut *t2, &mut *t3, &mut *t4, &mut *t5]
            .into_iter()
            .zip(last)
        {
            for t in 1..len {
                tile[STEP + x][at + t - 1] = tile[x][at + t];
            }
            tile[STEP + x][at + len - 1] = last;
        }
    }
}
