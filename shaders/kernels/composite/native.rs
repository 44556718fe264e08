//! Fast CPU twin of [`super::Composite`]: image rows over threads.

use rayon::prelude::*;

use crate::lama_input::MASK_CUT;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let (Some([_, _, hp, wp]), Some([_, h, w, _])) =
        (inputs[0].shape().dims4(), inputs[1].shape().dims4())
    else {
        return;
    };
    let (prediction, image, mask) = (inputs[0].f32(), inputs[1].u8(), inputs[2].u8());
    let rows = output
        .u8()
        .par_chunks_exact_mut(3 * w)
        .zip(image.par_chunks_exact(3 * w))
        .zip(mask.par_chunks_exact(w));
    rows.enumerate().for_each(|(at, ((out, pixels), holes))| {
        out.copy_from_slice(pixels);
        let (b, y) = (at / h, at % h);
        for (x, _) in holes.iter().enumerate().filter(|(_, m)| **m >= MASK_CUT) {
            for c in 0..3 {
                let value = prediction[((b * 3 + c) * hp + y) * wp + x];
                out[3 * x + c] = (255.0 * value).clamp(0.0, 255.0) as u8;
            }
        }
    });
}
