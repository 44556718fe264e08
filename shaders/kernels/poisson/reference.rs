//! The meaning of [`super::Poisson`]: relaxed until nothing moves, in f64.

use crate::patchmatch::site;
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(soft: Option<f32>, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (image, slopes, sites) = (inputs[0].f32(), inputs[1].f32(), inputs[2].u32());
    let dims = inputs[2].shape().dims();
    let (h, w) = (dims[0], dims[1]);
    let mut u: Vec<f64> = image.iter().map(|v| f64::from(*v)).collect();
    let around = |at: usize| {
        let (x, y) = (at % w, at / w);
        let all = [
            (y > 0, at.wrapping_sub(w)),
            (x > 0, at.wrapping_sub(1)),
            (x + 1 < w, at + 1),
            (y + 1 < h, at + w),
        ];
        let counts = |n: &usize| sites[*n] & (site::HOLE | site::KNOWN) != 0;
        all.into_iter()
            .filter(|(inside, _)| *inside)
            .map(|(_, n)| n)
            .filter(counts)
            .collect::<Vec<_>>()
    };
    let hole: Vec<(usize, Vec<usize>)> = (0..h * w)
        .filter(|at| sites[*at] & site::HOLE != 0)
        .map(|at| (at, around(at)))
        .collect();
    for _ in 0..4000 {
        let mut moved = 0.0f64;
        for (at, next) in hole.iter().filter(|(_, next)| !next.is_empty()) {
            for c in 0..3 {
                let sum: f64 = next.iter().map(|n| u[3 * n + c]).sum();
                let value = (f64::from(slopes[3 * at + c]) + sum) / next.len() as f64;
                moved = moved.max((value - u[3 * at + c]).abs());
                u[3 * at + c] = value;
            }
        }
        if moved < 1e-9 {
            break;
        }
    }
    let mut out = image.to_vec();
    for (at, _) in &hole {
        let delta = [0, 1, 2].map(|c| (u[3 * at + c] - f64::from(image[3 * at + c])) as f32);
        let keep = super::damping(soft, delta);
        for c in 0..3 {
            out[3 * at + c] = image[3 * at + c] + delta[c] * keep;
        }
    }
    vec![Tensor::f32(inputs[0].shape().dims(), out)]
}
