//! The meaning of [`super::Separable`]: plain loops step by step; filters accumulate in f64.

use super::{Scale, Separable};
use crate::common::epilogue::Act;
use crate::op::Op;
use crate::tensor::{Tensor, TensorRef};

/// The filter of one axis.
const TAPS: [f64; 4] = [1.0, 3.0, 3.0, 1.0];

pub(super) fn run(op: &Separable, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let mut x = op.depthwise.reference(&inputs[..1]).remove(0);
    if op.scale == Scale::Down {
        x = down(&x);
    }
    if !op.finishes_apart() {
        let all: Vec<TensorRef<'_>> = std::iter::once(x.view())
            .chain(inputs[1..].iter().copied())
            .collect();
        return op.pointwise.reference(&all);
    }
    let mut y = op.pointwise.reference(&[x.view()]).remove(0);
    if op.scale == Scale::Up {
        y = up(&y);
    }
    let [_, h, w, c] = dims(&y);
    let skip = op.skip.then(|| inputs[1].f32());
    let values = y.as_f32().unwrap_or_default().iter().enumerate();
    let finished = values.map(|(at, v)| {
        let (px, py) = (at / c % w, at / (c * w) % h);
        let noise = op.noise.as_ref().map_or(0.0, |noise| {
            noise.values[py % noise.side * noise.side + px % noise.side]
        });
        Act::LreluAgc.apply(v + noise) + skip.map_or(0.0, |skip| skip[at])
    });
    vec![Tensor::f32(&dims(&y), finished.collect())]
}

fn dims(x: &Tensor) -> [usize; 4] {
    x.shape.dims4().unwrap_or_default()
}

/// Half the size: stride 2, zero padding 1, over 64.
fn down(x: &Tensor) -> Tensor {
    let [n, h, w, c] = dims(x);
    let data = x.as_f32().unwrap_or_default();
    filtered(
        [n, h / 2, w / 2, c],
        64.0,
        |b, y, x, i| {
            let inside = (1..=h).contains(&y) && (1..=w).contains(&x);
            inside.then(|| data[((b * h + y - 1) * w + x - 1) * c + i])
        },
        2,
    )
}

/// Twice the size: zero insertion, padding 2 left and top, 1 right and bottom, over 16.
pub(crate) fn up(x: &Tensor) -> Tensor {
    let [n, h, w, c] = dims(x);
    let data = x.as_f32().unwrap_or_default();
    filtered(
        [n, 2 * h, 2 * w, c],
        16.0,
        |b, y, x, i| {
            let inside = (2..2 * h + 2).contains(&y) && (2..2 * w + 2).contains(&x);
            let even = y % 2 == 0 && x % 2 == 0;
            (inside && even).then(|| data[((b * h + y / 2 - 1) * w + x / 2 - 1) * c + i])
        },
        1,
    )
}

/// `out[b, y, x, i]` = sum over the 4x4 taps of `padded(b, y * stride + ky, x * stride + kx, i)`, over `divisor`.
fn filtered(
    shape: [usize; 4],
    divisor: f64,
    padded: impl Fn(usize, usize, usize, usize) -> Option<f32>,
    stride: usize,
) -> Tensor {
    let [n, h, w, c] = shape;
    let mut out = Vec::with_capacity(n * h * w * c);
    for at in 0..n * h * w * c {
        let (i, x, y, b) = (at % c, at / c % w, at / (c * w) % h, at / (c * w * h));
        let mut sum = 0.0;
        for (ky, a) in TAPS.iter().enumerate() {
            for (kx, k) in TAPS.iter().enumerate() {
                let value = padded(b, y * stride + ky, x * stride + kx, i).unwrap_or(0.0);
                sum += a * k * f64::from(value);
            }
        }
        out.push((sum / divisor) as f32);
    }
    Tensor::f32(&shape, out)
}
