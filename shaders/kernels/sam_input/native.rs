//! Fast CPU twin of [`super::SamInput`]: output rows over threads.

use super::SamInput;
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: SamInput, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((data, [_, h, w, _])) = inputs
        .first()
        .and_then(|x| Some((x.u8(), x.shape().dims4()?)))
    else {
        return;
    };
    run_pieces(output.f32(), op.side, |row, out| {
        let (image, c, y) = (row / (3 * op.side), row / op.side % 3, row % op.side);
        if y >= h {
            out.fill(0.0);
            return;
        }
        let bytes = data[(image * h + y) * w * 3 + c..].iter().step_by(3);
        for (out, byte) in out[..w].iter_mut().zip(bytes) {
            *out = (f32::from(*byte) - op.mean[c]) / op.std[c];
        }
        out[w..].fill(0.0);
    });
}
