//! The meaning of [`super::Upsample`].

use super::{
    Upsample,
    native::{NEAR, SPARE},
};
use crate::patchmatch::{NONE, hash, site};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Upsample, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (coarse, sites, sources, dims) = (
        inputs[0].u32(),
        inputs[1].u32(),
        inputs[2].u32(),
        inputs[1].shape().dims(),
    );
    let (height, width) = (dims[0] as i32, dims[1] as i32);
    let coarse_width = dims[1].div_ceil(2);
    let is_source = |x: i32, y: i32| {
        x >= 0
            && y >= 0
            && x < width
            && y < height
            && sites[(y * width + x) as usize] & site::SOURCE != 0
    };
    let one = |at: usize| {
        if sites[at] & site::TARGET == 0 {
            return NONE;
        }
        let (x, y) = (at % dims[1], at / dims[1]);
        let parent = coarse[y / 2 * coarse_width + x / 2] as usize;
        let near = (-NEAR..=NEAR).flat_map(|dy| (-NEAR..=NEAR).map(move |dx| (dx, dy)));
        let found = near
            .filter(|_| parent != NONE as usize)
            .filter_map(|(dx, dy)| {
                let (px, py) = (
                    (2 * (parent % coarse_width) + x % 2) as i32 + dx,
                    (2 * (parent / coarse_width) + y % 2) as i32 + dy,
                );
                is_source(px, py).then_some((dx * dx + dy * dy, (py * width + px) as u32))
            });
        // Of equally near ones the first, which has the smallest index.
        let spare = || sources[hash(op.seed, at as u32, SPARE) as usize % sources.len()];
        found.min().map_or_else(spare, |f| f.1)
    };
    vec![
        Tensor::u32(dims, (0..sites.len()).map(one).collect()),
        Tensor::u32(dims, vec![0; sites.len()]),
    ]
}
