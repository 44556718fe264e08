//! The meaning of [`super::Rays`].

use super::native::{DIRECTIONS, ONE};
use crate::patchmatch::{VOTED, site, texels_of_mut};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let (texels, sites, width) = super::planes(inputs);
    let height = sites.len() / width;
    let mut out = inputs[0].u32().to_vec();
    for (at, texel) in texels_of_mut(&mut out).iter_mut().enumerate() {
        if sites[at] & site::HOLE == 0 {
            continue;
        }
        let (x, y) = ((at % width) as i32, (at / width) as i32);
        let met = DIRECTIONS.iter().filter_map(|(dx, dy)| {
            let steps = (1..).map(|n| (n, x + n * dx, y + n * dy));
            let mut inside = steps.take_while(|(_, px, py)| {
                *px >= 0 && *py >= 0 && *px < width as i32 && *py < height as i32
            });
            let (n, px, py) = inside.find(|(_, px, py)| {
                sites[*py as usize * width + *px as usize] & site::KNOWN != 0
            })?;
            Some((
                py as usize * width + px as usize,
                (ONE / (n * n * (dx * dx + dy * dy))).max(1),
            ))
        });
        let met: Vec<(usize, i32)> = met.collect();
        let total: i32 = met.iter().map(|m| m.1).sum();
        for (c, value) in texel.iter_mut().enumerate().take(VOTED) {
            let sum: i32 = met.iter().map(|m| m.1 * i32::from(texels[m.0][c])).sum();
            if total > 0 {
                *value = ((sum + sum.signum() * (total / 2)) / total) as i16;
            }
        }
    }
    vec![Tensor::u32(inputs[0].shape().dims(), out)]
}
