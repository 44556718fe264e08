//! The meaning of [`super::MatmulNt`], f64 accumulation.

use crate::attention::reference::dot;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (a, b) = (inputs[0].shape().dims(), inputs[1].shape().dims());
    let (n, m, c) = (a[0], a[1], a[2]);
    let rest = &b[1..b.len() - 1];
    let p: usize = rest.iter().product();
    let mut out = Vec::with_capacity(n * m * p);
    for row in 0..n * m {
        let left = &inputs[0].f32()[row * c..][..c];
        let right = &inputs[1].f32()[row / m * p * c..][..p * c];
        out.extend(right.chunks_exact(c).map(|r| dot(left, r) as f32));
    }
    vec![Tensor::f32(&[&[n, m], rest].concat(), out)]
}
