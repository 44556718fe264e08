//! Columns of the right matrix: the input values under a kernel at each output pixel, packed for the microkernel.

use super::{Isa, Run, by_isa};
use crate::common::padding::Padding;

/// The geometry of one input of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Channels.
    pub channels: usize,
    /// Height and width of a channel.
    pub size: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Input position (y, x) of the first tap of output pixel (0, 0): minus the padding.
    pub origin: [isize; 2],
    /// Step of the kernel.
    pub stride: usize,
    /// What lies outside.
    pub padding: Padding,
}

impl Input {
    /// Rows of the right matrix.
    pub fn rows(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Values of one image.
    pub fn image_len(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// Fills a run's columns of a panel (`self.rows()` rows of `isa.columns()` floats, in the order channel, kernel y,
    /// kernel x). `data` is one image of this input.
    pub fn pack(&self, isa: Isa, data: &[f32], run: Run, panel: &mut [f32]) {
        let (input, columns) = (*self, isa.columns());
        by_isa!(isa, pack(input: Input, data: &[f32], run: Run, columns: usize, panel: &mut [f32]));
    }
}

/// Full panels have their length known to the compiler, so that each row becomes a few vector moves.
#[inline(always)]
fn pack(input: Input, data: &[f32], run: Run, columns: usize, panel: &mut [f32]) {
    match (run.len, input.stride) {
        (32, 1) => pack_rows(input, data, run, columns, panel, copy::<32>),
        (32, 2) => pack_rows(input, data, run, columns, panel, every_second::<32>),
        (16, 1) => pack_rows(input, data, run, columns, panel, copy::<16>),
        (16, 2) => pack_rows(input, data, run, columns, panel, every_second::<16>),
        (8, 1) => pack_rows(input, data, run, columns, panel, copy::<8>),
        (8, 2) => pack_rows(input, data, run, columns, panel, every_second::<8>),
        _ => pack_rows(input, data, run, columns, panel, |_, _| false),
    }
}

/// `whole(line from the first value on, row)` fills a row at once or returns false if it cannot.
#[inline(always)]
fn pack_rows(
    input: Input,
    data: &[f32],
    run: Run,
    columns: usize,
    panel: &mut [f32],
    whole: impl Fn(&[f32], &mut [f32]) -> bool,
) {
    let [h, w] = input.size;
    let (y, x) = (
        (run.y * input.stride) as isize + input.origin[0],
        (run.x * input.stride) as isize + input.origin[1],
    );
    let mut rows = panel.chunks_exact_mut(columns);
    for channel in data.chunks_exact(h * w) {
        for ky in 0..input.kernel[0] {
            let line = input
                .padding
                .source(y + ky as isize, h)
                .map(|y| &channel[y * w..][..w]);
            for kx in 0..input.kernel[1] {
                let Some(row) = rows.next() else { return };
                let to = &mut row[run.at..run.at + run.len];
                let Some(line) = line else {
                    to.fill(0.0);
                    continue;
                };
                let start = x + kx as isize;
                let done = start >= 0
                    && line
                        .get(start as usize..)
                        .is_some_and(|from| whole(from, to));
                if !done {
                    pack_line(input, line, start, to);
                }
            }
        }
    }
}

/// `to[i] = line[start + i * stride]`, with padding outside.
#[inline(always)]
fn pack_line(input: Input, line: &[f32], start: isize, to: &mut [f32]) {
    // The values before `first` and from `end` on lie outside.
    let steps = |x: isize| (x.max(0) as usize).div_ceil(input.stride);
    let first = steps(-start).min(to.len());
    let end = steps(line.len() as isize - start).clamp(first, to.len());
    for i in (0..first).chain(end..to.len()) {
        let at = start + (i * input.stride) as isize;
        to[i] = input
            .padding
            .source(at, line.len())
            .map_or(0.0, |x| line[x]);
    }
    if first < end {
        let inside = &line[(start + (first * input.stride) as isize) as usize..];
        let values = inside.iter().step_by(input.stride);
        for (to, from) in to[first..end].iter_mut().zip(values) {
            *to = *from;
        }
    }
}

#[inline(always)]
fn copy<const N: usize>(from: &[f32], to: &mut [f32]) -> bool {
    let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) else {
        return false;
    };
    *to = *from;
    true
}

#[inline(always)]
fn every_second<const N: usize>(from: &[f32], to: &mut [f32]) -> bool {
    let (Some(from), Some(to)) = (
        from.as_chunks::<2>().0.first_chunk::<N>(),
        to.first_chunk_mut::<N>(),
    ) else {
        return false;
    };
    // Of its own memory, so that the compiler shuffles vectors instead of moving one value after the other.
    let mut row = [0.0; N];
    for i in 0..N {
        row[i] = from[i][0];
    }
    *to = row;
    true
}
