//! The meaning of [`super::Pick`].

use std::collections::BTreeMap;

use super::Pick;
use crate::patchmatch::votes::{mean_square, plain};
use crate::patchmatch::{NONE, site};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Pick, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let sites = inputs[0].u32();
    let mean: Vec<u32> = sites
        .iter()
        .zip(inputs[2].u32())
        .map(|(s, d)| mean_square(*s, *d))
        .collect();
    let field = super::field(inputs, &mean);
    let pick = |at: usize| {
        if sites[at] & site::HOLE == 0 {
            return NONE;
        }
        let mut totals: BTreeMap<usize, u32> = BTreeMap::new();
        plain(op.rule, field, at % field.width, at / field.width)
            .iter()
            .for_each(|v| *totals.entry(v.0).or_default() += v.1);
        let greatest = totals.values().max().copied();
        totals
            .iter()
            .find(|(_, total)| Some(**total) == greatest)
            .map_or(NONE, |(source, _)| *source as u32)
    };
    vec![Tensor::u32(
        inputs[0].shape().dims(),
        (0..sites.len()).map(pick).collect(),
    )]
}
