//! Fast CPU twin of [`super::LamaInput`]: output rows over threads.

use super::{MASK_CUT, symmetric};
use crate::common::native::run_pieces;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let (Some([_, h, w, _]), Some([_, _, hp, wp])) =
        (inputs[0].shape().dims4(), output.shape().dims4())
    else {
        return;
    };
    let (image, mask) = (inputs[0].u8(), inputs[1].u8());
    run_pieces(output.f32(), wp, |at, row| {
        let (b, c, y) = (at / (4 * hp), at / hp % 4, symmetric(at % hp, h));
        let start = (b * h + y) * w;
        let (pixels, holes) = (&image[3 * start..][..3 * w], &mask[start..][..w]);
        for (x, value) in row.iter_mut().enumerate() {
            let from = if x < w { x } else { symmetric(x, w) };
            let hole = holes[from] >= MASK_CUT;
            *value = match c {
                3 => f32::from(u8::from(hole)),
                _ if hole => 0.0,
                _ => f32::from(pixels[3 * from + c]) / 255.0,
            };
        }
    });
}
