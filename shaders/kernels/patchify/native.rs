//! Fast CPU twin of [`super::Patchify`]: rows of patches over threads, lines of patches copied whole.

use super::Patchify;
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: Patchify, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let Some((data, [_, c, h, w])) = inputs
        .first()
        .and_then(|x| Some((x.f32(), x.shape().dims4()?)))
    else {
        return;
    };
    let (p, rows) = (op.side, h / op.side);
    let length = c * p * p;
    run_pieces(output.f32(), w / p * length, |row, out| {
        let (image, y) = (row / rows, row % rows * p);
        for (x, patch) in out.chunks_exact_mut(length).enumerate() {
            for (line, to) in patch.chunks_exact_mut(p).enumerate() {
                let at = ((image * c + line / p) * h + y + line % p) * w + x * p;
                to.copy_from_slice(&data[at..at + p]);
            }
        }
    });
}
