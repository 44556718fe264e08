//! Windows that fit and windows that hang over the edge, global maps, both layouts, every bias.

use std::sync::Arc;

use super::{Bias, QkvLayout, WindowAttention};
use crate::op::{Case, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

struct Row {
    map: [usize; 3],
    heads: usize,
    dim: usize,
    layout: QkvLayout,
    window: Option<usize>,
    bias: &'static str,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { map: [1, 14, 14], heads: 2, dim: 32, layout: QkvLayout::PerHead, window: Some(7), bias: "distance" },
    Row { map: [1, 16, 9], heads: 3, dim: 32, layout: QkvLayout::PerHead, window: Some(7), bias: "distance" },
    Row { map: [2, 5, 5], heads: 1, dim: 8, layout: QkvLayout::PerHead, window: Some(14), bias: "distance" },
    Row { map: [1, 16, 16], heads: 2, dim: 24, layout: QkvLayout::Blocks, window: Some(14), bias: "decomposed" },
    Row { map: [1, 10, 10], heads: 2, dim: 64, layout: QkvLayout::Blocks, window: None, bias: "decomposed" },
    Row { map: [1, 9, 13], heads: 2, dim: 16, layout: QkvLayout::Blocks, window: None, bias: "none" },
    Row { map: [1, 1, 1], heads: 1, dim: 4, layout: QkvLayout::Blocks, window: Some(3), bias: "none" },
];

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(24);
    ROWS.iter()
        .map(|r| {
            let [n, h, w] = r.map;
            let (side, d) = (r.window.unwrap_or(h), r.heads * r.dim);
            let bias = match r.bias {
                "distance" => Bias::Distance(Arc::new(rng.values(r.heads * side * side, 1.0))),
                "decomposed" => {
                    let mut table = || Arc::new(rng.values((2 * side - 1) * r.dim, 0.3));
                    Bias::Decomposed {
                        rows: table(),
                        columns: table(),
                    }
                }
                _ => Bias::None,
            };
            let op = WindowAttention::new(
                r.heads,
                r.dim,
                r.layout,
                r.window,
                bias,
                rng.values(3 * d, 1.0),
            )
            .expect("case parameters are valid");
            let input = Tensor::f32(&[n, h, w, 3 * d], rng.values(n * h * w * 3 * d, 1.0));
            let tolerance = Tolerance {
                absolute: 5e-5,
                relative: 5e-5,
                why: "f32 scores: their error is magnified by the exponential",
            };
            Case {
                name: format!(
                    "{h}x{w} window {:?} heads {} {:?} {}",
                    r.window, r.heads, r.layout, r.bias
                ),
                op: Arc::new(op),
                inputs: vec![input],
                tolerance,
            }
        })
        .collect()
}
