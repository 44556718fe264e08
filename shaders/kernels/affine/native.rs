//! Fast CPU twin of [`super::Affine`]: planes over threads.

use rayon::prelude::*;

use super::Affine;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: &Affine, input: &TensorRef<'_>, output: &mut TensorMut<'_>) {
    let Some([_, channels, h, w]) = input.shape().dims4() else {
        return;
    };
    let plane = (h * w).max(1);
    let planes = output
        .f32()
        .par_chunks_mut(plane)
        .zip(input.f32().par_chunks(plane));
    planes.enumerate().for_each(|(at, (out, values))| {
        let (scale, shift) = (op.scale[at % channels], op.shift[at % channels]);
        out.iter_mut()
            .zip(values)
            .for_each(|(o, v)| *o = scale * v + shift);
    });
}
