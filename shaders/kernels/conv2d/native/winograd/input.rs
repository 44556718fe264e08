//! First phase: input tiles to points.

use super::{Block, Plan};
use crate::conv2d::native::transform::{self, Lanes, SIDE, STEP, each_lane};
use crate::conv2d::{Conv2d, Padding};
use crate::native::{Disjoint, Isa, Run, by_isa, run_tasks, runs};

/// Channels per task.
const CHANNELS: usize = 4;

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
    /// Transforms the block's tiles of every channel.
    pub(super) fn transform_input(&self, op: &Conv2d, data: &[&[f32]], block: Block, points: &mut [f32]) {
        let points = Disjoint::new(points);
        run_tasks(self.channels.div_ceil(CHANNELS), &mut [], 0, |task, _| {
            let first = task * CHANNELS;
            let channels = first..self.channels.min(first + CHANNELS);
            for channel in channels.filter_map(|index| self.channel(op, data, block.image, index)) {
                let plan = self;
                match self.isa {
                    Isa::Portable => transform_channel::<8>(plan, channel, block, points),
                    isa => by_isa!(isa, transform_channel::<16>(plan: &Plan, channel: Channel<'_>, block: Block, points: Disjoint<'_>)),
                }
            }
        });
    }

    fn channel<'a>(&self, op: &Conv2d, data: &[&'a [f32]], image: usize, index: usize) -> Option<Channel<'a>> {
        let [h, w] = self.size;
        let mut within = index;
        for at in &self.segments {
            let segment = &op.segments[*at];
            if within < segment.in_channels {
                let start = (image * segment.in_channels + within) * h * w;
                return Some(Channel { data: &data[*at][start..start + h * w], size: self.size, padding: segment.padding, index });
            }
            within -= segment.in_channels;
        }
        None
    }
}

#[inline(always)]
fn transform_channel<const L: usize>(plan: &Plan, channel: Channel<'_>, block: Block, points: Disjoint<'_>) {
    let columns = plan.isa.columns();
    let stride = plan.point_stride(block.panels);
    let mut window = [[[0.0; STEP]; L]; SIDE];
    let mut tiles = [[[0.0; L]; SIDE]; SIDE];
    for first in (0..block.panels * columns).step_by(L) {
        let count = L.min(block.tiles.saturating_sub(first));
        for run in runs(first, count, plan.tiles[1]) {
            let tail = channel.load(Run { y: run.y + block.row, ..run }, &mut window);
            split(&window, tail, run, &mut tiles);
        }
        let at = (first / columns * plan.channels + channel.index) * columns + first % columns;
        for (row, tile) in tiles.iter().enumerate() {
            let result = each_lane(tile.each_ref(), transform::input);
            for (column, lanes) in result.iter().enumerate() {
                // SAFETY: each task writes its own channels.
                let to = unsafe { points.slice((row * SIDE + column) * stride + at, L) };
                to.copy_from_slice(lanes);
            }
        }
    }
}

/// The two values behind each row of a window.
type Tail = [[f32; 2]; SIDE];

impl Channel<'_> {
    /// Reads the six rows under a run of tiles, four values per tile and two more behind the last, and transforms them
    /// along y.
    #[inline(always)]
    fn load<const L: usize>(&self, run: Run, window: &mut [[[f32; STEP]; L]; SIDE]) -> Tail {
        let mut tail = [[0.0; 2]; SIDE];
        for (i, row) in window.iter_mut().enumerate() {
            let y = (STEP * run.y + i) as isize - 1;
            let flat = row.as_flattened_mut();
            let used = STEP * run.len;
            match source(self.padding, y, self.size[0]) {
                Some(y) => {
                    let line = &self.data[y * self.size[1]..][..self.size[1]];
                    let x = (STEP * run.x) as isize - 1;
                    self.copy(line, x, &mut flat[..used]);
                    self.copy(line, x + used as isize, &mut tail[i]);
                }
                None => flat[..used].fill(0.0),
            }
        }
        let flat: [&mut [f32]; SIDE] = window.each_mut().map(|row| &mut row.as_flattened_mut()[..STEP * run.len]);
        let [r0, r1, r2, r3, r4, r5] = flat;
        for x in 0..STEP * run.len {
            [r0[x], r1[x], r2[x], r3[x], r4[x], r5[x]] = transform::input([r0[x], r1[x], r2[x], r3[x], r4[x], r5[x]]);
        }
        for x in 0..2 {
            let points = transform::input(tail.map(|row| row[x]));
            tail.iter_mut().zip(points).for_each(|(row, point)| row[x] = point);
        }
        tail
    }

    /// `to[i] = line[start + i]`, padding outside, zeros beyond it (under the part of a last tile that no output needs).
    #[inline(always)]
    fn copy(&self, line: &[f32], start: isize, to: &mut [f32]) {
        let inside = |i: isize| i.clamp(0, to.len() as isize) as usize;
        let (left, right) = (inside(-start), inside(line.len() as isize - start));
        let outside = |i: usize| source(self.padding, start + i as isize, line.len()).map_or(0.0, |x| line[x]);
        (0..left.min(to.len())).for_each(|i| to[i] = outside(i));
        (right..to.len()).for_each(|i| to[i] = outside(i));
        if left < right {
            let from = (start + left as isize) as usize;
            to[left..right].copy_from_slice(&line[from..from + right - left]);
        }
    }
}

/// Where the value at position `i` of an axis of length `n` comes from, for one position of padding.
#[inline(always)]
fn source(padding: Padding, i: isize, n: usize) -> Option<usize> {
    if i > n as isize { None } else { padding.source(i, n) }
}

/// Spreads a run's window over lanes: value `i` of the tile in lane `t` is value `4 t + i` of the window's row.
#[inline(always)]
fn split<const L: usize>(window: &[[[f32; STEP]; L]; SIDE], tail: Tail, run: Run, tiles: &mut [[Lanes<L>; SIDE]; SIDE]) {
    for ((row, tail), tile) in window.iter().zip(tail).zip(tiles) {
        if run.len == L {
            // The common case with a known length becomes shuffles.
            spread(row, tail, L, 0, tile);
        } else {
            spread(row, tail, run.len, run.at, tile);
        }
    }
}

#[inline(always)]
fn spread<const L: usize>(row: &[[f32; STEP]; L], tail: [f32; 2], len: usize, at: usize, tile: &mut [Lanes<L>; SIDE]) {
    for t in 0..len {
        for i in 0..STEP {
            tile[i][at + t] = row[t][i];
        }
    }
    for i in 0..SIDE - STEP {
        for t in 0..len - 1 {
            tile[STEP + i][at + t] = row[t + 1][i];
        }
        tile[STEP + i][at + len - 1] = tail[i];
    }
}
