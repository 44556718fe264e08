//! The meaning of [`super::Compose`].

use super::Compose;
use crate::patchmatch::votes::{Field, mean_square, plain};
use crate::patchmatch::{NONE, site};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Compose, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (image, sites, dims) = (inputs[0].f32(), inputs[1].u32(), inputs[0].shape().dims());
    let mean: Vec<u32> = sites
        .iter()
        .zip(inputs[3].u32())
        .map(|(s, d)| mean_square(*s, *d))
        .collect();
    let field = crate::patchmatch::vote::field(inputs, &mean);
    let (mut out, mut slopes) = (image.to_vec(), vec![0.0; image.len()]);
    for at in (0..sites.len()).filter(|at| sites[*at] & site::HOLE != 0) {
        let votes = plain(op.rule, field, at % field.width, at / field.width);
        let total: u32 = votes.iter().map(|v| v.1).sum();
        for c in 0..3 {
            if total > 0 {
                let sum: f64 = votes
                    .iter()
                    .map(|v| f64::from(v.1) * f64::from(image[3 * v.0 + c]))
                    .sum();
                out[3 * at + c] = (sum / f64::from(total)) as f32;
            }
            slopes[3 * at + c] = slope(image, field, inputs[4].u32(), at, c);
        }
    }
    vec![Tensor::f32(dims, out), Tensor::f32(dims, slopes)]
}

fn slope(image: &[f32], field: Field<'_>, picks: &[u32], at: usize, c: usize) -> f32 {
    let (w, h) = (field.width as isize, field.height as isize);
    let place = |at: usize| (at as isize % w, at as isize / w);
    let known = |(x, y): (isize, isize), flags: u32| {
        (0..w).contains(&x) && (0..h).contains(&y) && field.site[(y * w + x) as usize] & flags != 0
    };
    let value = |(x, y): (isize, isize)| image[3 * (y * w + x) as usize + c];
    let ((x, y), mut sum) = (place(at), 0.0);
    for (dx, dy) in [(0, -1), (-1, 0), (1, 0), (0, 1)] {
        if !known((x + dx, y + dy), site::KNOWN | site::HOLE) {
            continue;
        }
        let mut found = Vec::new();
        if picks[at] != NONE {
            let (sx, sy) = place(picks[at] as usize);
            found.push(((sx, sy), (sx + dx, sy + dy)));
        }
        let other = picks[((y + dy) * w + x + dx) as usize];
        if other != NONE {
            let (sx, sy) = place(other as usize);
            found.push(((sx - dx, sy - dy), (sx, sy)));
        }
        found.retain(|(a, b)| known(*a, site::KNOWN) && known(*b, site::KNOWN));
        sum += found
            .iter()
            .map(|(a, b)| value(*a) - value(*b))
            .sum::<f32>()
            / found.len().max(1) as f32;
    }
    sum
}
