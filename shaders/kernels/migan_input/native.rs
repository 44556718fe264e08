//! Fast CPU twin of [`super::MiganInput`]: output rows over threads.

use rayon::prelude::*;

use super::values;
use crate::lama_input::symmetric;
use crate::tensor::{TensorMut, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>], output: &mut TensorMut<'_>) {
    let (Some([_, h, w, _]), Some([_, hp, wp, _])) =
        (inputs[0].shape().dims4(), output.shape().dims4())
    else {
        return;
    };
    let (image, mask) = (inputs[0].u8(), inputs[1].u8());
    let rows = output.f32().par_chunks_exact_mut(4 * wp).enumerate();
    rows.for_each(|(at, row)| {
        let start = (at / hp * h + symmetric(at % hp, h)) * w;
        let (pixels, holes) = (&image[3 * start..][..3 * w], &mask[start..][..w]);
        for (x, out) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let from = if x < w { x } else { symmetric(x, w) };
            *out = values(&pixels[3 * from..][..3], holes[from]);
        }
    });
}
