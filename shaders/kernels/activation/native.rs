//! Fast CPU twin of [`super::Activation`]: pieces over threads.

use rayon::prelude::*;

use super::Activation;
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

pub(super) fn run(op: Activation, input: &TensorRef<'_>, output: &mut TensorMut<'_>) {
    let pieces = output.f32().par_chunks_mut(PIECE).zip(input.f32().par_chunks(PIECE));
    pieces.for_each(|(out, values)| match op {
        Activation::Relu => out.iter_mut().zip(values).for_each(|(o, v)| *o = v.max(0.0)),
        Activation::Sigmoid | Activation::Gelu => out.iter_mut().zip(values).for_each(|(o, v)| *o = op.act().apply(*v)),
    });
}
