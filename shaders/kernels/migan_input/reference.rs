//! The meaning of [`super::MiganInput`].

use super::{MiganInput, values};
use crate::lama_input::symmetric;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: MiganInput, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w) = (d[0], d[1], d[2]);
    let side = |px: usize| px.next_multiple_of(op.multiple);
    let (image, mask) = (inputs[0].u8(), inputs[1].u8());
    let mut out = Vec::with_capacity(n * side(h) * side(w) * 4);
    for b in 0..n {
        for y in 0..side(h) {
            for x in 0..side(w) {
                let from = (b * h + symmetric(y, h)) * w + symmetric(x, w);
                out.extend(values(&image[from * 3..][..3], mask[from]));
            }
        }
    }
    vec![Tensor::f32(&[n, side(h), side(w), 4], out)]
}
