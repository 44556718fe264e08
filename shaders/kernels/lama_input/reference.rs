//! The meaning of [`super::LamaInput`].

use super::{MASK_CUT, MULTIPLE, symmetric};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[0].shape().dims();
    let (n, h, w) = (d[0], d[1], d[2]);
    let (hp, wp) = (h.next_multiple_of(MULTIPLE), w.next_multiple_of(MULTIPLE));
    let (image, mask) = (inputs[0].u8(), inputs[1].u8());
    let mut out = vec![0.0f32; n * 4 * hp * wp];
    for b in 0..n {
        for y in 0..hp {
            for x in 0..wp {
                let from = (b * h + symmetric(y, h)) * w + symmetric(x, w);
                let hole = mask[from] >= MASK_CUT;
                for c in 0..3 {
                    let value = if hole {
                        0.0
                    } else {
                        f32::from(image[from * 3 + c]) / 255.0
                    };
                    out[((b * 4 + c) * hp + y) * wp + x] = value;
                }
                out[((b * 4 + 3) * hp + y) * wp + x] = f32::from(u8::from(hole));
            }
        }
    }
    vec![Tensor::f32(&[n, 4, hp, wp], out)]
}
