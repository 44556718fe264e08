//! Fast CPU twin of [`super::Add`]: pieces over threads.

use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

/// Values per task.
const PIECE: usize = 16 * 1024;

pub(super) fn run(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let [a, b] = inputs else { return };
    let (a, b) = (a.f32(), b.f32());
    run_pieces(output.f32(), PIECE, |index, out| {
        let (a, b) = (&a[index * PIECE..], &b[index * PIECE..]);
        for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
            *o = a + b;
        }
    });
}
