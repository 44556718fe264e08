//! Fast CPU twin of [`super::Upsample`]: output rows over threads, the taps along x computed once.

use super::Upsample;
use super::reference::taps;
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: Upsample, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((data, [_, _, h, w])) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let [ch, cw] = op.used(h, w);
    let columns: Vec<_> = (0..op.width).map(|x| taps(x, cw, op.width)).collect();
    run_pieces(output.f32(), op.width, |row, out| {
        let plane = &data[row / op.height * h * w..][..h * w];
        let (y0, y1, fy) = taps(row % op.height, ch, op.height);
        let (upper, lower) = (&plane[y0 * w..][..w], &plane[y1 * w..][..w]);
        for (out, (x0, x1, fx)) in out.iter_mut().zip(&columns) {
            let along = |row: &[f32]| row[*x0] * (1.0 - fx) + row[*x1] * fx;
            *out = along(upper) * (1.0 - fy) + along(lower) * fy;
        }
    });
}
