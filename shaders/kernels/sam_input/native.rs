//! Fast CPU twin of [`super::SamInput`]: output rows over threads.

use rayon::prelude::*;

use super::SamInput;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: SamInput, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((data, [_, h, w, _])) = inputs
        .first()
        .and_then(|x| Some((x.u8(), x.shape().dims4()?)))
    else {
        return;
    };
    output
        .f32()
        .par_chunks_exact_mut(op.side)
        .enumerate()
        .for_each(|(row, out)| {
            let (image, c, y) = (row / (3 * op.side), row / op.side % 3, row % op.side);
            if y >= h {
                out.fill(0.0);
                return;
            }
            let bytes = data[(image * h + y) * w * 3 + c..].iter().step_by(3);
            out[..w]
                .iter_mut()
                .zip(bytes)
                .for_each(|(out, byte)| *out = (f32::from(*byte) - op.mean[c]) / op.std[c]);
            out[w..].fill(0.0);
        });
}
