//! Few queries over many keys and the reverse (SAM's decoder), odd head sizes, large scores.

use std::sync::Arc;

use super::Attention;
use crate::op::{Case, Tolerance};
use crate::tensor::Tensor;
use crate::testing::Rng;

pub(super) fn cases() -> Vec<Case> {
    let mut rng = Rng::new(23);
    // (N, Tq, Tk, D, heads, size of the scores)
    let rows = [
        (1, 7, 300, 128, 8, 1.0),
        (1, 300, 7, 128, 8, 1.0),
        (2, 9, 9, 256, 8, 1.0),
        (1, 1, 1, 16, 2, 1.0),
        (1, 33, 65, 40, 2, 1.0),
        (1, 5, 70, 64, 8, 12.0),
    ];
    let mut cases: Vec<Case> = rows
        .iter()
        .map(|(n, tq, tk, d, heads, scale)| {
            let mut random = |t: usize| Tensor::f32(&[*n, t, *d], rng.values(n * t * d, *scale));
            let inputs = vec![random(*tq), random(*tk), random(*tk)];
            let tolerance = Tolerance {
                absolute: 3e-5 * scale * scale,
                relative: 3e-5,
                why: "f32 scores: their error is magnified by the exponential",
            };
            Case {
                name: format!("{tq}x{tk} heads {heads} dim {d} batch {n} scale {scale}"),
                op: Arc::new(Attention { heads: *heads }),
                inputs,
                tolerance,
            }
        })
        .collect();
    let mut random = |d: &[usize]| Tensor::f32(d, rng.values(d.iter().product(), 1.0));
    let (tokens, map) = (random(&[1, 6, 32]), random(&[1, 9, 5, 32]));
    let tolerance = Tolerance {
        absolute: 3e-5,
        relative: 3e-5,
        why: "f32 scores: their error is magnified by the exponential",
    };
    let op = Arc::new(Attention { heads: 4 });
    cases.push(Case {
        name: "map as keys".into(),
        op: op.clone(),
        inputs: vec![tokens.clone(), map.clone(), map.clone()],
        tolerance,
    });
    cases.push(Case {
        name: "map as queries".into(),
        op,
        inputs: vec![map, tokens.clone(), tokens],
        tolerance,
    });
    cases
}
