//! The meaning of [`super::Texels`].

use super::{Texels, native};
use crate::patchmatch::{WORDS, site, texels_of_mut};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Texels, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (image, sites, dims) = (inputs[0].f32(), inputs[1].u32(), inputs[1].shape().dims());
    let (height, width) = (dims[0], dims[1]);
    let known =
        |x: usize, y: usize| x < width && y < height && sites[y * width + x] & site::KNOWN != 0;
    let colour = |x: usize, y: usize| native::colour(&image[3 * (y * width + x)..]);
    // Sum and count of the differences between pixels and their neighbours at (dx, dy), over the window.
    let slopes = |x: usize, y: usize, dx: usize, dy: usize| {
        let reach = |at: usize| at.saturating_sub(native::WINDOW)..at + native::WINDOW + 1;
        let pairs = reach(y)
            .flat_map(|j| reach(x).map(move |i| (i, j)))
            .filter(|(i, j)| known(*i, *j) && known(i + dx, j + dy));
        let differences =
            pairs.map(|(i, j)| u32::from(colour(i, j)[0].abs_diff(colour(i + dx, j + dy)[0])));
        differences.fold((0, 0), |(sum, count), d| (sum + d, count + 1))
    };
    let mut out = vec![0; height * width * WORDS];
    for (at, texel) in texels_of_mut(&mut out).iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        if known(x, y) {
            texel[..3].copy_from_slice(&colour(x, y));
        }
        for (value, (sum, count)) in texel[3..5]
            .iter_mut()
            .zip([slopes(x, y, 1, 0), slopes(x, y, 0, 1)])
        {
            *value = native::texture(op.texture, sum, count);
        }
        if let (Some(weight), Some(guide)) = (op.guide, inputs.get(2)) {
            let weighted = native::colour(&guide.f32()[3 * at..])
                .map(|v| (i32::from(v) * weight as i32 / 256) as i16);
            texel[5..].copy_from_slice(&weighted);
        }
    }
    vec![Tensor::u32(&[height, width, WORDS], out)]
}
