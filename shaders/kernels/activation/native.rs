//! Fast CPU twin of [`super::Activation`]: pieces over threads.

use rayon::prelude::*;

use super::Activation;
use crate::common::native::{Isa, Store};
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

pub(super) fn run(op: Activation, input: &TensorRef<'_>, output: &mut TensorMut<'_>) {
    let store = Store {
        isa: Isa::active(),
        act: op.act(),
    };
    let pieces = output
        .f32()
        .par_chunks_mut(PIECE)
        .zip(input.f32().par_chunks(PIECE));
    pieces.for_each(|(out, values)| store.activate(values, out));
}
