//! Fast CPU twin of [`super::Affine`]: planes over threads.

use super::Affine;
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: &Affine, input: &TensorRef<'_>, output: &mut TensorMut<'_>) {
    let Some([_, channels, h, w]) = input.shape().dims4() else {
        return;
    };
    let plane = (h * w).max(1);
    let values = input.f32();
    run_pieces(output.f32(), plane, |at, out| {
        let (scale, shift) = (op.scale[at % channels], op.shift[at % channels]);
        for (o, v) in out.iter_mut().zip(&values[at * plane..]) {
            *o = scale * v + shift;
        }
    });
}
