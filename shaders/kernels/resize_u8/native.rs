//! Fast CPU twin of [`super::ResizeU8`]: two passes, rows over threads, integers as in the reference.

use std::borrow::Cow;

use rayon::prelude::*;

use super::ResizeU8;
use super::weights::{BITS, Window, round, windows};
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: ResizeU8, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((data, [n, h, w, c])) = inputs
        .first()
        .and_then(|x| Some((x.u8(), x.shape().dims4()?)))
    else {
        return;
    };
    // An axis that keeps its size is not filtered.
    let wide = if w == op.width {
        Cow::Borrowed(data)
    } else {
        let (windows, mut out) = (windows(w, op.width), vec![0u8; n * h * op.width * c]);
        let rows = out
            .par_chunks_exact_mut(op.width * c)
            .zip(data.par_chunks_exact(w * c));
        rows.for_each(|(out, row)| along_row(&windows, c, row, out));
        Cow::Owned(out)
    };
    if h == op.height {
        output.u8().copy_from_slice(&wide);
        return;
    }
    let (windows, len) = (windows(h, op.height), op.width * c);
    output
        .u8()
        .par_chunks_exact_mut(len)
        .enumerate()
        .for_each_init(
            || vec![0i32; len],
            |sums, (row, out)| {
                let (image, window) = (
                    &wide[row / op.height * h * len..][..h * len],
                    &windows[row % op.height],
                );
                sums.fill(1 << (BITS - 1));
                for (weight, from) in window
                    .weights
                    .iter()
                    .zip(image[window.first * len..].chunks_exact(len))
                {
                    sums.iter_mut()
                        .zip(from)
                        .for_each(|(sum, byte)| *sum += weight * i32::from(*byte));
                }
                out.iter_mut()
                    .zip(&*sums)
                    .for_each(|(out, sum)| *out = round(*sum));
            },
        );
}

fn along_row(windows: &[Window], c: usize, row: &[u8], out: &mut [u8]) {
    for (window, pixel) in windows.iter().zip(out.chunks_exact_mut(c)) {
        for (i, value) in pixel.iter_mut().enumerate() {
            let bytes = row[window.first * c + i..].iter().step_by(c);
            let sum: i32 = window
                .weights
                .iter()
                .zip(bytes)
                .map(|(weight, byte)| weight * i32::from(*byte))
                .sum();
            *value = round(sum + (1 << (BITS - 1)));
        }
    }
}
