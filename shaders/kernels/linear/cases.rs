//! Few and many tokens, channel counts that no tile divides, every epilogue, one matrix per token.

use std::sync::Arc;

use super::Linear;
use crate::activation::Activation;
use crate::op::{Case, Op, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

const EXACT: Tolerance = Tolerance {
    absolute: 2e-5,
    relative: 2e-5,
    why: "f32 sums of up to 768 products against an f64 sum",
};

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(21);
    let mut out = Vec::new();
    let plain: [(&[usize], usize); 6] = [
        (&[1, 7, 256], 128),
        (&[2, 5, 9], 33),
        (&[1, 1, 3], 1),
        (&[1, 15, 11, 40], 120),
        (&[1, 130, 64], 70),
        (&[1, 65, 768], 48),
    ];
    for (dims, oc) in plain {
        let op = layer(&mut rng, dims[dims.len() - 1], oc);
        out.push(case(
            &mut rng,
            format!("{dims:?} to {oc}"),
            Arc::new(op),
            dims,
            None,
        ));
    }
    for act in [Activation::Relu, Activation::Gelu] {
        let op = layer(&mut rng, 36, 50)
            .absorb(&act)
            .expect("a linear layer takes an activation");
        out.push(case(&mut rng, format!("{act:?}"), op, &[1, 37, 36], None));
    }
    let op = layer(&mut rng, 20, 28)
        .absorb_add()
        .expect("a linear layer takes a residual");
    out.push(case(
        &mut rng,
        "residual".into(),
        op,
        &[2, 19, 20],
        Some(&[2, 19, 28]),
    ));
    let weight = Tensor::f32(&[4, 10, 24], rng.values(4 * 10 * 24, 0.2));
    let bias = rng.values(40, 0.5);
    let grouped = Linear::grouped(&weight, Some(&bias)).expect("case parameters are valid");
    out.push(case(
        &mut rng,
        "four matrices, batch 3".into(),
        Arc::new(grouped),
        &[3, 4, 24],
        None,
    ));
    out
}

fn layer(rng: &mut Rng, ic: usize, oc: usize) -> Linear {
    let weight = Tensor::f32(&[oc, ic], rng.values(oc * ic, 1.0 / (ic as f32).sqrt()));
    let bias = rng.values(oc, 0.5);
    Linear::new(&weight, Some(&bias)).expect("case parameters are valid")
}

fn case(
    rng: &mut Rng,
    name: String,
    op: Arc<dyn Op>,
    dims: &[usize],
    residual: Option<&[usize]>,
) -> Case {
    let mut random = |d: &[usize]| Tensor::f32(d, rng.values(d.iter().product(), 1.0));
    let inputs = std::iter::once(dims)
        .chain(residual)
        .map(&mut random)
        .collect();
    Case {
        name,
        op,
        inputs,
        tolerance: EXACT,
    }
}
