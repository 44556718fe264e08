//! Fast CPU twin of [`super::TokenSlice`]: copies.

use super::TokenSlice;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(op: TokenSlice, inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let [x] = inputs else { return };
    let [_, t, c] = *x.shape().dims() else { return };
    let samples = output
        .f32()
        .chunks_exact_mut(op.count * c)
        .zip(x.f32().chunks_exact(t * c));
    samples.for_each(|(out, x)| out.copy_from_slice(&x[op.start * c..][..op.count * c]));
}
