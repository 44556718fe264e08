//! Shapes that the convolution is tested with: every kernel size and padding that networks here use, odd sizes,
//! one-pixel rims, channel counts that no tile divides, several segments, batches.

use std::sync::Arc;

use super::{Conv2d, Padding};
use crate::activation::Activation;
use crate::affine::Affine;
use crate::op::{Case, Op, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

struct Row {
    name: &'static str,
    n: usize,
    ic: usize,
    oc: usize,
    k: usize,
    stride: usize,
    padding: Padding,
    h: usize,
    w: usize,
}

#[rustfmt::skip]
const PLAIN: &[Row] = &[
    Row { name: "stem 7x7 reflect", n: 1, ic: 4, oc: 8, k: 7, stride: 1, padding: Padding::Reflect(3), h: 16, w: 24 },
    Row { name: "head 7x7 to 3 channels", n: 1, ic: 10, oc: 3, k: 7, stride: 1, padding: Padding::Reflect(3), h: 15, w: 11 },
    Row { name: "3x3 reflect 15x11", n: 1, ic: 7, oc: 18, k: 3, stride: 1, padding: Padding::Reflect(1), h: 15, w: 11 },
    Row { name: "3x3 reflect 12x20 batch 2", n: 2, ic: 16, oc: 32, k: 3, stride: 1, padding: Padding::Reflect(1), h: 12, w: 20 },
    Row { name: "3x3 reflect 2x2", n: 1, ic: 3, oc: 5, k: 3, stride: 1, padding: Padding::Reflect(1), h: 2, w: 2 },
    Row { name: "3x3 zero 9x33", n: 1, ic: 5, oc: 17, k: 3, stride: 1, padding: Padding::Zero(1), h: 9, w: 33 },
    Row { name: "3x3 zero 1x1", n: 1, ic: 4, oc: 4, k: 3, stride: 1, padding: Padding::Zero(1), h: 1, w: 1 },
    Row { name: "3x3 zero 1x37", n: 1, ic: 4, oc: 6, k: 3, stride: 1, padding: Padding::Zero(1), h: 1, w: 37 },
    Row { name: "3x3 stride 2 reflect even", n: 1, ic: 8, oc: 16, k: 3, stride: 2, padding: Padding::Reflect(1), h: 16, w: 24 },
    Row { name: "3x3 stride 2 reflect odd, batch 3", n: 3, ic: 6, oc: 9, k: 3, stride: 2, padding: Padding::Reflect(1), h: 15, w: 11 },
    Row { name: "3x3 stride 2 zero", n: 1, ic: 3, oc: 33, k: 3, stride: 2, padding: Padding::Zero(1), h: 13, w: 18 },
    Row { name: "1x1 15x11", n: 1, ic: 13, oc: 21, k: 1, stride: 1, padding: Padding::Zero(0), h: 15, w: 11 },
    Row { name: "1x1 wide, batch 2", n: 2, ic: 72, oc: 144, k: 1, stride: 1, padding: Padding::Zero(0), h: 8, w: 5 },
    Row { name: "3x3 wide 64x64 tile edges", n: 1, ic: 36, oc: 70, k: 3, stride: 1, padding: Padding::Reflect(1), h: 17, w: 65 },
];

const EXACT: Tolerance = Tolerance {
    absolute: 2e-5,
    relative: 2e-5,
    why: "f32 sums of up to 1300 products against an f64 sum",
};

fn conv(rng: &mut Rng, ic: usize, oc: usize, k: usize, stride: usize, padding: Padding) -> Conv2d {
    let scale = 1.0 / ((ic * k * k) as f32).sqrt();
    let weight = Tensor::f32(&[oc, ic, k, k], rng.values(oc * ic * k * k, scale));
    let bias = rng.values(oc, 0.5);
    Conv2d::new(&weight, Some(&bias), stride, padding).expect("case parameters are valid")
}

fn input(rng: &mut Rng, dims: [usize; 4]) -> Tensor {
    Tensor::f32(&dims, rng.values(dims.iter().product(), 1.0))
}

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(1);
    let mut cases: Vec<Case> = PLAIN
        .iter()
        .map(|r| Case {
            name: r.name.to_string(),
            op: Arc::new(conv(&mut rng, r.ic, r.oc, r.k, r.stride, r.padding)),
            inputs: vec![input(&mut rng, [r.n, r.ic, r.h, r.w])],
            tolerance: EXACT,
        })
        .collect();
    cases.push(two_segments(
        &mut rng,
        "3x3 + 3x3, norm, relu, residual",
        3,
        [2, 5, 11, 17, 12],
    ));
    cases.push(two_segments(
        &mut rng,
        "3x3 + 1x1, norm, relu, residual",
        1,
        [1, 6, 18, 36, 15],
    ));
    cases.push(sigmoid(&mut rng));
    cases
}

/// What fusion makes of an FFC branch: two segments, folded batch norm, ReLU, residual.
fn two_segments(
    rng: &mut Rng,
    name: &str,
    second_kernel: usize,
    [n, ic_a, ic_b, oc, side]: [usize; 5],
) -> Case {
    let (h, w) = (side, side + 4);
    let a = conv(rng, ic_a, oc, 3, 1, Padding::Reflect(1));
    let padding = if second_kernel == 3 {
        Padding::Reflect(1)
    } else {
        Padding::Zero(0)
    };
    let b = conv(rng, ic_b, oc, second_kernel, 1, padding);
    let variance: Vec<f32> = rng.values(oc, 0.4).iter().map(|v| v + 0.6).collect();
    let norm = Affine::batch_norm(
        &rng.values(oc, 1.0),
        &rng.values(oc, 1.0),
        &rng.values(oc, 1.0),
        &variance,
        1e-5,
    );
    let op = a
        .merge_add(&b)
        .and_then(|op| op.absorb(&norm.expect("equal lengths")))
        .and_then(|op| op.absorb(&Activation::Relu))
        .and_then(|op| op.absorb_add())
        .expect("a convolution takes all of these");
    let inputs = vec![
        input(rng, [n, ic_a, h, w]),
        input(rng, [n, ic_b, h, w]),
        input(rng, [n, oc, h, w]),
    ];
    Case {
        name: name.to_string(),
        op,
        inputs,
        tolerance: EXACT,
    }
}

fn sigmoid(rng: &mut Rng) -> Case {
    let op = conv(rng, 9, 3, 7, 1, Padding::Reflect(3))
        .absorb(&Activation::Sigmoid)
        .expect("a linear convolution");
    Case {
        name: "7x7 sigmoid".to_string(),
        op,
        inputs: vec![input(rng, [1, 9, 12, 20])],
        tolerance: EXACT,
    }
}
