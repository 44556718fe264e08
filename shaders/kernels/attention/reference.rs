//! The meaning of [`super::Attention`], in f64.

use super::{Attention, tokens};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: Attention, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (dims, keys) = (inputs[0].shape().dims(), tokens(inputs[1].shape().dims()));
    let (n, queries, d) = (dims[0], tokens(dims), dims[dims.len() - 1]);
    let head = d / op.heads;
    let scale = 1.0 / (head as f64).sqrt();
    let (q, k, v) = (inputs[0].f32(), inputs[1].f32(), inputs[2].f32());
    let mut out = vec![0.0f32; q.len()];
    for b in 0..n {
        for t in 0..queries {
            for h in 0..op.heads {
                let row = |tokens: usize, s: usize| (b * tokens + s) * d + h * head;
                let query = &q[row(queries, t)..][..head];
                let score = |s: usize| scale * dot(query, &k[row(keys, s)..][..head]);
                let weights = softmax((0..keys).map(score).collect());
                for i in 0..head {
                    let sum: f64 = weights
                        .iter()
                        .enumerate()
                        .map(|(s, p)| p * f64::from(v[row(keys, s) + i]))
                        .sum();
                    out[row(queries, t) + i] = sum as f32;
                }
            }
        }
    }
    vec![Tensor::f32(dims, out)]
}

/// Inner product in f64.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

/// Normalised exponentials, shifted by the largest score.
pub(crate) fn softmax(mut scores: Vec<f64>) -> Vec<f64> {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|s| *s = (*s - top).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum);
    scores
}
