//! The meaning of [`super::Composite`].

use crate::lama_input::{MASK_CUT, MULTIPLE};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let d = inputs[1].shape().dims();
    let (n, h, w) = (d[0], d[1], d[2]);
    let (hp, wp) = (h.next_multiple_of(MULTIPLE), w.next_multiple_of(MULTIPLE));
    let (prediction, image, mask) = (inputs[0].f32(), inputs[1].u8(), inputs[2].u8());
    let mut out = image.to_vec();
    for (at, cut) in mask.iter().enumerate() {
        if *cut < MASK_CUT {
            continue;
        }
        let (x, y, b) = (at % w, at / w % h, at / (w * h));
        for c in 0..3 {
            let value = prediction[((b * 3 + c) * hp + y) * wp + x];
            out[at * 3 + c] = (255.0 * value).clamp(0.0, 255.0) as u8;
        }
    }
    vec![Tensor::u8(&[n, h, w, 3], out)]
}
