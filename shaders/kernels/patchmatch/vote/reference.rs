//! The meaning of [`super::Vote`].

use super::Vote;
use crate::patchmatch::votes::{mean_square, plain};
use crate::patchmatch::{VOTED, site, texels_of, texels_of_mut};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Vote, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (sites, texels) = (inputs[1].u32(), texels_of(inputs[0].u32()));
    let mean: Vec<u32> = sites
        .iter()
        .zip(inputs[3].u32())
        .map(|(s, d)| mean_square(*s, *d))
        .collect();
    let field = super::field(inputs, &mean);
    let mut out = inputs[0].u32().to_vec();
    for (at, texel) in texels_of_mut(&mut out).iter_mut().enumerate() {
        if sites[at] & site::HOLE == 0 {
            continue;
        }
        let votes = plain(op.rule, field, at % field.width, at / field.width);
        let total: i32 = votes.iter().map(|v| v.1 as i32).sum();
        for (c, value) in texel.iter_mut().enumerate().take(VOTED) {
            let sum: i32 = votes
                .iter()
                .map(|v| v.1 as i32 * i32::from(texels[v.0][c]))
                .sum();
            if total > 0 {
                *value = ((sum + sum.signum() * (total / 2)) / total) as i16;
            }
        }
    }
    vec![Tensor::u32(inputs[0].shape().dims(), out)]
}
