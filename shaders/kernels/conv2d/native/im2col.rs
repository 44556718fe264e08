//! Columns of the right matrix: the input values under the kernel at each output pixel, packed for the microkernel.

use crate::conv2d::Padding;
use crate::native::Run;

/// The geometry of one input of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    /// Channels.
    pub channels: usize,
    /// Height and width of a channel.
    pub size: [usize; 2],
    /// Kernel side.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// What lies outside.
    pub padding: Padding,
}

impl Input {
    /// Rows of the right matrix.
    pub(super) fn rows(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Fills a run's columns of a panel (`rows` rows of `columns` floats, in the order channel, kernel y, kernel x).
    /// `data` is one image of this input.
    pub(super) fn pack(&self, data: &[f32], run: Run, columns: usize, panel: &mut [f32]) {
        let [h, w] = self.size;
        let p = self.padding.amount() as isize;
        let mut rows = panel.chunks_exact_mut(columns);
        for channel in data.chunks_exact(h * w) {
            for ky in 0..self.kernel {
                let line = self.padding.source((run.y * self.stride + ky) as isize - p, h).map(|y| &channel[y * w..][..w]);
                for kx in 0..self.kernel {
                    let Some(row) = rows.next() else { return };
                    let to = &mut row[run.at..run.at + run.len];
                    match line {
                        Some(line) => self.pack_line(line, (run.x * self.stride + kx) as isize - p, to),
                        None => to.fill(0.0),
                    }
                }
            }
        }
    }

    /// `to[i] = line[start + i * stride]`, with padding outside.
    #[inline]
    fn pack_line(&self, line: &[f32], start: isize, to: &mut [f32]) {
        let last = start + ((to.len() - 1) * self.stride) as isize;
        if start >= 0 && (last as usize) < line.len() {
            copy(&line[start as usize..=last as usize], self.stride, to);
            return;
        }
        for (i, value) in to.iter_mut().enumerate() {
            *value = self.padding.source(start + (i * self.stride) as isize, line.len()).map_or(0.0, |x| line[x]);
        }
    }
}

#[inline]
fn copy(from: &[f32], stride: usize, to: &mut [f32]) {
    match stride {
        // Full panels of the known widths copy without a library call.
        1 => match to.len() {
            32 => to[..32].copy_from_slice(&from[..32]),
            16 => to[..16].copy_from_slice(&from[..16]),
            _ => to.copy_from_slice(from),
        },
        2 => to.iter_mut().zip(from.chunks(2)).for_each(|(t, f)| *t = f[0]),
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(t, f)| *t = *f),
    }
}
