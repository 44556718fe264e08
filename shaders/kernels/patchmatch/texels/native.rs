//! Fast CPU twin: colour and gradients in one pass, their windowed means in a second.

use rayon::prelude::*;

use super::Texels;
use crate::patchmatch::{Texel, site};
use crate::tensor::TensorRef;

/// Half a side of the window over which gradients are averaged.
pub(crate) const WINDOW: usize = 4;
/// Greatest texture value.
pub(crate) const TEXTURE_MAX: u32 = 1535;

pub(super) fn run(op: &Texels, inputs: &[TensorRef<'_>], out: &mut [Texel]) {
    let width = inputs[1].shape().dims()[1];
    let (image, sites) = (inputs[0].f32(), inputs[1].u32());
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, texel) in row.iter_mut().enumerate() {
            let at = y * width + x;
            *texel = [0; 8];
            if sites[at] & site::KNOWN != 0 {
                texel[..3].copy_from_slice(&colour(&image[at * 3..]));
            }
            if let (Some(weight), Some(guide)) = (op.guide, inputs.get(2)) {
                texel[5..].copy_from_slice(
                    &colour(&guide.f32()[at * 3..])
                        .map(|v| (i32::from(v) * weight as i32 / 256) as i16),
                );
            }
        }
    });
    put_texture(op.texture, sites, width, out);
}

/// Writes the texture channels of `out`, whose colours are set.
pub(crate) fn put_texture(weight: u32, sites: &[u32], width: usize, out: &mut [Texel]) {
    let height = out.len() / width;
    let slopes: Vec<[u16; 4]> = (0..out.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|at| slope(out, sites, at % width, at / width, width, height))
        .collect();
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        let mut columns = vec![[0u32; 4]; width];
        for line in slopes[y.saturating_sub(WINDOW) * width..(y + WINDOW + 1).min(height) * width]
            .chunks(width)
        {
            for (sum, slope) in columns.iter_mut().zip(line) {
                for k in 0..4 {
                    sum[k] += u32::from(slope[k]);
                }
            }
        }
        for (x, texel) in row.iter_mut().enumerate() {
            let mut sum = [0u32; 4];
            for column in &columns[x.saturating_sub(WINDOW)..(x + WINDOW + 1).min(width)] {
                for k in 0..4 {
                    sum[k] += column[k];
                }
            }
            texel[3] = texture(weight, sum[0], sum[1]);
            texel[4] = texture(weight, sum[2], sum[3]);
        }
    });
}

/// Luma and colour differences times 1.4, 1.6, 1.6, in 1/1024.
pub(super) fn colour(rgb: &[f32]) -> [i16; 3] {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as i32;
    let [r, g, b] = [byte(rgb[0]), byte(rgb[1]), byte(rgb[2])];
    [
        (6885 * r + 13517 * g + 2625 * b + 2048) >> 12,
        (-4441 * r - 8718 * g + 13159 * b + 2048) >> 12,
        (13159 * r - 11019 * g - 2140 * b + 2048) >> 12,
    ]
    .map(|v| v as i16)
}

/// Absolute difference of luma to the right and below, each with 1 if both pixels are known.
fn slope(
    texels: &[Texel],
    sites: &[u32],
    x: usize,
    y: usize,
    width: usize,
    height: usize,
) -> [u16; 4] {
    let at = y * width + x;
    let known = |at: usize| sites[at] & site::KNOWN != 0;
    let mut out = [0; 4];
    if !known(at) {
        return out;
    }
    if x + 1 < width && known(at + 1) {
        (out[0], out[1]) = (texels[at][0].abs_diff(texels[at + 1][0]), 1);
    }
    if y + 1 < height && known(at + width) {
        (out[2], out[3]) = (texels[at][0].abs_diff(texels[at + width][0]), 1);
    }
    out
}

/// Mean difference times the weight. Luma is stored times 1.4, texture is not.
pub(crate) fn texture(weight: u32, sum: u32, count: u32) -> i16 {
    if count == 0 {
        return 0;
    }
    // 81 differences of 1434 times a weight of 4096 stay below 2^32; 358 = 1.4 * 256.
    (sum * weight / (358 * count)).min(TEXTURE_MAX) as i16
}
