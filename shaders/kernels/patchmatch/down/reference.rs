//! The meaning of [`super::Down`].

use crate::patchmatch::{CHANNELS, VOTED, WORDS, site, texels_of_mut};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (texels, sites, [height, width]) = super::fine(inputs);
    let dims = inputs[2].shape().dims();
    let mut out = vec![0; dims[0] * dims[1] * WORDS];
    for (at, texel) in texels_of_mut(&mut out).iter_mut().enumerate() {
        let (x, y) = (2 * (at % dims[1]) as isize, 2 * (at / dims[1]) as isize);
        for (c, value) in texel.iter_mut().enumerate().take(CHANNELS) {
            let (mut sum, mut total) = (0, 0);
            for (j, i) in (0..4).flat_map(|j| (0..4).map(move |i| (j, i))) {
                let (fx, fy) = (x + i - 1, y + j - 1);
                if fx < 0 || fy < 0 || fx >= width as isize || fy >= height as isize {
                    continue;
                }
                let from = fy as usize * width + fx as usize;
                let weight = [1, 3, 3, 1][j as usize] * [1, 3, 3, 1][i as usize];
                if c >= VOTED || sites[from] & site::KNOWN != 0 {
                    sum += weight * i32::from(texels[from][c]);
                    total += weight;
                }
            }
            *value = if total > 0 {
                ((sum + sum.signum() * (total / 2)) / total) as i16
            } else {
                0
            };
        }
    }
    vec![Tensor::u32(&[dims[0], dims[1], WORDS], out)]
}
