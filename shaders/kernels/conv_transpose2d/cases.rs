//! Odd maps, one-pixel rims, channel counts that no tile divides, two segments with norm and ReLU, batches.

use std::sync::Arc;

use super::ConvTranspose2d;
use crate::activation::Activation;
use crate::affine::Affine;
use crate::op::{Case, Op, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

const EXACT: Tolerance = Tolerance {
    absolute: 2e-5,
    relative: 2e-5,
    why: "f32 sums of a few hundred products against an f64 sum",
};

fn conv(rng: &mut Rng, ic: usize, oc: usize) -> ConvTranspose2d {
    let weight = Tensor::f32(
        &[ic, oc, 3, 3],
        rng.values(ic * oc * 9, 1.0 / (3.0 * (ic as f32).sqrt())),
    );
    let bias = rng.values(oc, 0.5);
    ConvTranspose2d::new(&weight, Some(&bias)).expect("case parameters are valid")
}

fn input(rng: &mut Rng, dims: [usize; 4]) -> Tensor {
    Tensor::f32(&dims, rng.values(dims.iter().product(), 1.0))
}

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(2);
    let plain = [
        ("15x11", [1, 7, 15, 11], 18),
        ("12x20 batch 2", [2, 16, 12, 20], 32),
        ("1x1", [1, 3, 1, 1], 5),
        ("1x9", [1, 5, 1, 9], 3),
        ("wide 33x9", [1, 40, 33, 9], 65),
    ];
    let mut cases: Vec<Case> = plain
        .iter()
        .map(|(name, dims, oc)| Case {
            name: (*name).to_string(),
            op: Arc::new(conv(&mut rng, dims[1], *oc)),
            inputs: vec![input(&mut rng, *dims)],
            tolerance: EXACT,
        })
        .collect();
    let (a, b) = (conv(&mut rng, 6, 20), conv(&mut rng, 19, 20));
    let norm = Affine::batch_norm(
        &rng.values(20, 1.0),
        &rng.values(20, 1.0),
        &rng.values(20, 1.0),
        &[0.7; 20],
        1e-5,
    );
    let op = a
        .merge_add(&b)
        .and_then(|op| op.absorb(&norm.expect("equal lengths")))
        .and_then(|op| op.absorb(&Activation::Relu))
        .and_then(|op| op.absorb_add())
        .expect("a transposed convolution takes all of these");
    let inputs = vec![
        input(&mut rng, [2, 6, 13, 10]),
        input(&mut rng, [2, 19, 13, 10]),
        input(&mut rng, [2, 20, 26, 20]),
    ];
    cases.push(Case {
        name: "two segments, norm, relu, residual".to_string(),
        op,
        inputs,
        tolerance: EXACT,
    });
    cases
}
