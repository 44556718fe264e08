//! Fast CPU twin of [`super::Permute`]: bands of output rows over threads, transposed in square tiles.

use super::Permute;
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

/// Side of a tile in values: one cache line.
const TILE: usize = 16;

pub(super) fn run(op: Permute, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((x, [_, a, b, c])) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let (rows, columns) = match op {
        Permute::ChannelsLast => (a, b * c),
        Permute::ChannelsFirst => (a * b, c),
    };
    for (out, x) in output
        .f32()
        .chunks_exact_mut(rows * columns)
        .zip(x.chunks_exact(rows * columns))
    {
        // Rows of the output are columns of the input.
        run_pieces(out, TILE * rows, |band, out| {
            transpose(x, columns, band * TILE, rows, out)
        });
    }
}

/// `out[c][r] = x[r][first + c]` for as many columns as `out` has rows.
fn transpose(x: &[f32], columns: usize, first: usize, rows: usize, out: &mut [f32]) {
    let count = out.len() / rows;
    for start in (0..rows).step_by(TILE) {
        let end = rows.min(start + TILE);
        for c in 0..count {
            let to = &mut out[c * rows + start..c * rows + end];
            to.iter_mut()
                .zip(start..end)
                .for_each(|(to, r)| *to = x[r * columns + first + c]);
        }
    }
}
