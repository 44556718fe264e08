//! Fast CPU twin of [`super::Activation`]: pieces over threads.

use super::Activation;
use crate::common::native::{Isa, Store, run_pieces};
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

pub(super) fn run(op: Activation, input: &TensorRef<'_>, output: &mut TensorMut<'_>) {
    let store = Store {
        isa: Isa::active(),
        act: op.act(),
    };
    let values = input.f32();
    run_pieces(output.f32(), PIECE, |index, out| {
        store.activate(&values[index * PIECE..][..out.len()], out);
    });
}
