//! The meaning of [`super::Compose`].

use super::Compose;
use crate::patchmatch::votes::{Field, mean_square, plain};
use crate::patchmatch::{NONE, site};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Compose, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (image, sites, dims) = (inputs[0].f32(), inputs[1].u32(), inputs[0].shape().dims());
    let mean: Vec<u32> = sites.iter().zip(inputs[3].u32()).map(|(s, d)| mean_square(*s, *d)).collect();
    let field = crate::patchmatch_vote::field(inputs, &mean);
    let (mut out, mut slopes) = (image.to_vec(), vec![0.0; image.len()]);
    for at in (0..sites.len()).filter(|at| sites[*at] & site::HOLE != 0) {
        let votes = plain(op.rule, field, at % field.width, at / field.width);
        let total: u32 = votes.iter().map(|v| v.1).sum();
        for c in 0..3 {
            if total > 0 {
                let sum: f64 = votes.iter().map(|v| f64::from(v.1) * f64::from(image[3 * v.0 + c])).sum();
                out[3 * at + c] = (sum / f64::from(total)) as f32;
            }
            slopes[3 * at + c] = slope(image, field, at, c);
        }
    }
    vec![Tensor::f32(dims, out), Tensor::f32(dims, slopes)]
}

fn slope(image: &[f32], field: Field<'_>, at: usize, c: usize) -> f32 {
    let (x, y, w) = ((at % field.width) as isize, (at / field.width) as isize, field.width as isize);
    let value = |at: isize| image[3 * at as usize + c];
    let mut sum = 0.0;
    for (nx, ny) in [(x, y - 1), (x - 1, y), (x + 1, y), (x, y + 1)] {
        if nx < 0 || ny < 0 || nx >= w || ny >= field.height as isize {
            continue;
        }
        let next = (ny * w + nx) as usize;
        let (own, other) = (field.nnf[at], field.nnf[next]);
        if field.site[next] & (site::KNOWN | site::HOLE) == 0 || own == NONE || other == NONE {
            continue;
        }
        let shift = next as isize - at as isize;
        let (own, other) = (own as isize, other as isize);
        sum += 0.5 * ((value(own) - value(own + shift)) + (value(other - shift) - value(other)));
    }
    sum
}
