//! Every change of the size, channel counts that no register divides, maps of one pixel, noise smaller and larger than the map.

use std::sync::Arc;

use super::{Parts, Scale, Separable};
use crate::op::{Case, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

const TOLERANCE: Tolerance = Tolerance {
    absolute: 5e-5,
    relative: 2e-5,
    why: "f32 sums of up to 72 products of sums of nine, times up to 2",
};

/// Input dims, output channels, change of the size, side of the noise map, whether a map is added.
type Row = ([usize; 4], usize, Scale, Option<usize>, bool);

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(31);
    let rows: [Row; 12] = [
        ([1, 15, 11, 7], 9, Scale::Same, None, false),
        ([2, 5, 20, 32], 48, Scale::Same, None, true),
        ([1, 12, 9, 36], 33, Scale::Same, Some(4), false),
        ([1, 7, 7, 16], 16, Scale::Same, Some(16), true),
        ([1, 12, 20, 24], 40, Scale::Down, None, false),
        ([2, 6, 10, 5], 7, Scale::Down, None, true),
        ([1, 2, 2, 40], 8, Scale::Down, None, false),
        ([1, 34, 66, 8], 12, Scale::Down, None, false),
        ([1, 5, 7, 20], 36, Scale::Up, Some(8), true),
        ([2, 3, 4, 6], 5, Scale::Up, Some(4), false),
        ([1, 1, 1, 64], 64, Scale::Up, None, true),
        ([1, 17, 33, 72], 16, Scale::Up, None, false),
    ];
    let mut cases = Vec::new();
    for (dims, oc, scale, noise, skip) in rows {
        let [n, h, w, c] = dims;
        let parts = Parts {
            depthwise: Tensor::f32(&[c, 1, 3, 3], rng.values(9 * c, 0.5)),
            bias: rng.values(c, 0.3),
            pointwise: Tensor::f32(&[oc, c, 1, 1], rng.values(oc * c, 1.5 / (c as f32).sqrt())),
            scale,
            noise: noise.map(|side| Tensor::f32(&[side, side], rng.values(side * side, 0.5))),
            skip,
        };
        let mut inputs = vec![Tensor::f32(&dims, rng.values(n * h * w * c, 1.0))];
        let out = match scale {
            Scale::Same => [n, h, w, oc],
            Scale::Down => [n, h / 2, w / 2, oc],
            Scale::Up => [n, 2 * h, 2 * w, oc],
        };
        if skip {
            inputs.push(Tensor::f32(&out, rng.values(out.iter().product(), 1.0)));
        }
        cases.push(Case {
            name: format!("{dims:?} to {oc}, {scale:?}, noise {noise:?}, skip {skip}"),
            op: Arc::new(Separable::new(parts).expect("case parameters are valid")),
            inputs,
            tolerance: TOLERANCE,
        });
    }
    cases
}
