//! The meaning of [`super::Texture`].

use super::Texture;
use crate::patchmatch::texels::native::{WINDOW, texture};
use crate::patchmatch::{site, texels_of, texels_of_mut};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Texture, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (texels, sites, dims) = (
        texels_of(inputs[0].u32()),
        inputs[1].u32(),
        inputs[1].shape().dims(),
    );
    let (height, width) = (dims[0], dims[1]);
    let known =
        |x: usize, y: usize| x < width && y < height && sites[y * width + x] & site::KNOWN != 0;
    let luma = |x: usize, y: usize| texels[y * width + x][0];
    let slopes = |x: usize, y: usize, dx: usize, dy: usize| {
        let reach = |at: usize| at.saturating_sub(WINDOW)..at + WINDOW + 1;
        let pairs = reach(y)
            .flat_map(|j| reach(x).map(move |i| (i, j)))
            .filter(|(i, j)| known(*i, *j) && known(i + dx, j + dy));
        let differences = pairs.map(|(i, j)| u32::from(luma(i, j).abs_diff(luma(i + dx, j + dy))));
        differences.fold((0, 0), |(sum, count), d| (sum + d, count + 1))
    };
    let mut out = inputs[0].u32().to_vec();
    for (at, texel) in texels_of_mut(&mut out).iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        for (value, (sum, count)) in texel[3..5]
            .iter_mut()
            .zip([slopes(x, y, 1, 0), slopes(x, y, 0, 1)])
        {
            *value = texture(op.weight, sum, count);
        }
    }
    vec![Tensor::u32(inputs[0].shape().dims(), out)]
}
