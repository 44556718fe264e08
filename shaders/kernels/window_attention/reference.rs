//! The meaning of [`super::WindowAttention`], in f64.

use super::{Bias, WindowAttention};
use crate::attention::reference::{dot, softmax};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &WindowAttention, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let dims = inputs[0].shape().dims();
    let (n, h, w, d) = (dims[0], dims[1], dims[2], op.heads * op.head_dim);
    let mut out = vec![0.0f32; n * h * w * d];
    for b in 0..n {
        let map = &inputs[0].f32()[b * h * w * 3 * d..][..h * w * 3 * d];
        for y in 0..h {
            for x in 0..w {
                for head in 0..op.heads {
                    let at = ((b * h + y) * w + x) * d + head * op.head_dim;
                    attend(
                        op,
                        map,
                        [h, w],
                        [y, x],
                        head,
                        &mut out[at..at + op.head_dim],
                    );
                }
            }
        }
    }
    vec![Tensor::f32(&[n, h, w, d], out)]
}

/// One query pixel and head.
fn attend(
    op: &WindowAttention,
    map: &[f32],
    [h, w]: [usize; 2],
    [y, x]: [usize; 2],
    head: usize,
    out: &mut [f32],
) {
    let c = 3 * op.heads * op.head_dim;
    let (sh, sw) = op.window.map_or((h, w), |s| (s, s));
    let (y0, x0) = (y / sh * sh, x / sw * sw);
    let [oq, ok, ov] = op.offsets(head);
    let pixel = |y: usize, x: usize| {
        if y < h && x < w {
            &map[(y * w + x) * c..][..c]
        } else {
            &op.pad[..]
        }
    };
    let query = &pixel(y, x)[oq..oq + op.head_dim];
    let keys: Vec<[usize; 2]> = (y0..y0 + sh)
        .flat_map(|ky| (x0..x0 + sw).map(move |kx| [ky, kx]))
        .collect();
    let scores = keys.iter().map(|&[ky, kx]| {
        let key = &pixel(ky, kx)[ok..ok + op.head_dim];
        dot(query, key) / (op.head_dim as f64).sqrt() + bias(op, query, head, [y, x], [ky, kx], sh)
    });
    let weights = softmax(scores.collect());
    for (i, value) in out.iter_mut().enumerate() {
        let sum: f64 = keys
            .iter()
            .zip(&weights)
            .map(|([ky, kx], p)| p * f64::from(pixel(*ky, *kx)[ov + i]))
            .sum();
        *value = sum as f32;
    }
}

fn bias(
    op: &WindowAttention,
    query: &[f32],
    head: usize,
    [y, x]: [usize; 2],
    [ky, kx]: [usize; 2],
    side: usize,
) -> f64 {
    match &op.bias {
        Bias::None => 0.0,
        Bias::Distance(table) => {
            f64::from(table[(head * side + y.abs_diff(ky)) * side + x.abs_diff(kx)])
        }
        Bias::Decomposed { rows, columns } => {
            let row = |table: &[f32], q: usize, k: usize| {
                dot(
                    query,
                    &table[(q + side - 1 - k) * op.head_dim..][..op.head_dim],
                )
            };
            row(rows, y, ky) + row(columns, x, kx)
        }
    }
}
