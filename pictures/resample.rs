//! Scaling: area averages down, bicubic up.

use rayon::prelude::*;

use crate::{Mask, Photo, Rect};

/// For each output position along one axis, the input positions it mixes and their weights (summing to 1).
#[derive(Debug, Clone)]
pub struct Taps {
    /// First input position and number of weights, per output position.
    spans: Vec<(usize, usize)>,
    /// Start of each output position's weights.
    starts: Vec<usize>,
    weights: Vec<f32>,
}

impl Taps {
    /// Catmull-Rom interpolation from `input` to `output` positions, edges repeated. Equal sizes copy exactly.
    pub fn bicubic(output: usize, input: usize) -> Taps {
        Taps::build(output, |i| {
            if output == input {
                return (i, vec![1.0]);
            }
            let at = (i as f64 + 0.5) * input as f64 / output as f64 - 0.5;
            let base = at.floor() as isize;
            let last = input as isize - 1;
            let first = (base - 1).clamp(0, last) as usize;
            let mut weights = vec![0.0; ((base + 2).clamp(0, last) as usize) - first + 1];
            for tap in base - 1..=base + 2 {
                weights[tap.clamp(0, last) as usize - first] += cubic(at - tap as f64);
            }
            (first, weights)
        })
    }

    /// Averages over the exact footprint of each output position, from `input` down to `output` positions.
    pub fn area(output: usize, input: usize) -> Taps {
        Taps::build(output, |i| {
            let (from, to) = (
                i as f64 * input as f64 / output as f64,
                (i + 1) as f64 * input as f64 / output as f64,
            );
            let first = (from.floor() as usize).min(input - 1);
            let last = ((to.ceil() as usize).max(first + 1) - 1).min(input - 1);
            let cover = |p: usize| (to.min((p + 1) as f64) - from.max(p as f64)).max(0.0);
            (first, (first..=last).map(cover).collect())
        })
    }

    fn build(output: usize, at: impl Fn(usize) -> (usize, Vec<f64>)) -> Taps {
        let mut taps = Taps {
            spans: Vec::with_capacity(output),
            starts: Vec::with_capacity(output),
            weights: Vec::new(),
        };
        for i in 0..output {
            let (first, weights) = at(i);
            let sum: f64 = weights.iter().sum();
            taps.spans.push((first, weights.len()));
            taps.starts.push(taps.weights.len());
            taps.weights
                .extend(weights.iter().map(|w| (w / sum) as f32));
        }
        taps
    }

    /// Input positions of output position `i`.
    pub fn inputs(&self, i: usize) -> std::ops::Range<usize> {
        self.spans[i].0..self.spans[i].0 + self.spans[i].1
    }

    /// The weights of [`Taps::inputs`] for output `i`.
    pub fn weights(&self, i: usize) -> &[f32] {
        &self.weights[self.starts[i]..self.starts[i] + self.spans[i].1]
    }

    /// Mixes whole rows of `pixels` (`stride` values each) into output row `i`.
    pub fn mix_rows(&self, i: usize, pixels: &[f32], stride: usize) -> Vec<f32> {
        let mut out = vec![0.0; stride];
        for (y, &w) in self.inputs(i).zip(self.weights(i)) {
            for (o, v) in out.iter_mut().zip(&pixels[y * stride..(y + 1) * stride]) {
                *o += w * v;
            }
        }
        out
    }

    /// Mixes the RGB pixels of one row into output pixel `i`, clamped to 0..=1.
    pub fn mix_rgb(&self, i: usize, row: &[f32]) -> [f32; 3] {
        let mut out = [0.0f32; 3];
        for (x, &w) in self.inputs(i).zip(self.weights(i)) {
            for c in 0..3 {
                out[c] += w * row[x * 3 + c];
            }
        }
        out.map(|v| v.clamp(0.0, 1.0))
    }
}

fn cubic(t: f64) -> f64 {
    let t = t.abs();
    if t < 1.0 {
        (1.5 * t - 2.5) * t * t + 1.0
    } else if t < 2.0 {
        ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    } else {
        0.0
    }
}

/// The pixels of `rect` averaged down to `width` x `height`: RGB 0..1, `[height, width, 3]`. Equal sizes copy exactly.
pub fn shrink_photo(photo: &Photo, rect: Rect, width: usize, height: usize) -> Vec<f32> {
    if (width, height) == (rect.width(), rect.height()) {
        return photo.crop_f32(rect);
    }
    shrink_rows(rect, (width, height), |out, y| {
        photo.push_row_f32(out, y, rect)
    })
}

/// The same of the photo as it is seen on a ground of one colour, RGB 0..1: nothing shows that is transparent.
pub fn shrink_seen(photo: &Photo, rect: Rect, size: (usize, usize), ground: [f32; 3]) -> Vec<f32> {
    shrink_rows(rect, size, |out, y| {
        let start = out.len();
        photo.push_row_f32(out, y, rect);
        for (x, pixel) in out[start..].chunks_exact_mut(3).enumerate() {
            let alpha = photo.alpha_f32(rect.x0 + x, y);
            (0..3).for_each(|c| pixel[c] = pixel[c] * alpha + ground[c] * (1.0 - alpha));
        }
    })
}

/// Averages down to `width` x `height` what `push` appends of each row of `rect`, RGB.
fn shrink_rows(
    rect: Rect,
    (width, height): (usize, usize),
    push: impl Fn(&mut Vec<f32>, usize) + Sync,
) -> Vec<f32> {
    let rows = Taps::area(height, rect.height());
    let columns = Taps::area(width, rect.width());
    let mut out = vec![0.0f32; width * height * 3];
    out.par_chunks_exact_mut(width * 3)
        .enumerate()
        .for_each(|(i, line)| {
            let mut sum = vec![0.0f32; rect.width() * 3];
            let mut row = Vec::with_capacity(rect.width() * 3);
            for (y, &w) in rows.inputs(i).zip(rows.weights(i)) {
                row.clear();
                push(&mut row, rect.y0 + y);
                sum.iter_mut().zip(&row).for_each(|(s, v)| *s += w * v);
            }
            for (x, px) in line.chunks_exact_mut(3).enumerate() {
                px.copy_from_slice(&columns.mix_rgb(x, &sum));
            }
        });
    out
}

/// RGB pixels `[h, w, 3]` of size `from` (width, height) brought to size `to`: bicubically where it grows, by area averages where
/// it shrinks. Equal sizes copy exactly.
pub fn resize(rgb: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    if from == to {
        return rgb.to_vec();
    }
    let taps = |output: usize, input: usize| {
        if output < input {
            Taps::area(output, input)
        } else {
            Taps::bicubic(output, input)
        }
    };
    let (columns, rows) = (taps(to.0, from.0), taps(to.1, from.1));
    let mut out = vec![0.0f32; to.0 * to.1 * 3];
    out.par_chunks_exact_mut(to.0 * 3)
        .enumerate()
        .for_each(|(y, line)| {
            let row = rows.mix_rows(y, rgb, from.0 * 3);
            for (x, px) in line.chunks_exact_mut(3).enumerate() {
                px.copy_from_slice(&columns.mix_rgb(x, &row));
            }
        });
    out
}

/// The hole of `rect` (`alpha` above 0) at `width` x `height`, 0/255: a pixel is hole when any pixel of its footprint is, so
/// that no averaged pixel outside the hole has a share of the object.
pub fn shrink_hole(alpha: &Mask, rect: Rect, width: usize, height: usize) -> Vec<u8> {
    let rows = Taps::area(height, rect.height());
    let columns = Taps::area(width, rect.width());
    let mut out = vec![0u8; width * height];
    out.par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(i, line)| {
            for y in rows.inputs(i) {
                let row = &alpha.row(rect.y0 + y)[rect.x0..rect.x1];
                for (x, hole) in line.iter_mut().enumerate() {
                    if *hole == 0 && row[columns.inputs(x)].iter().any(|&v| v != 0) {
                        *hole = 255;
                    }
                }
            }
        });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_weights_cover_each_input_evenly() {
        for (output, input) in [(3, 10), (7, 8), (1, 5), (5, 5), (64, 1000)] {
            let taps = Taps::area(output, input);
            let mut covered = vec![0.0f32; input];
            for i in 0..output {
                let sum: f32 = taps.weights(i).iter().sum();
                assert!((sum - 1.0).abs() < 1e-5);
                taps.inputs(i)
                    .zip(taps.weights(i))
                    .for_each(|(p, w)| covered[p] += w);
            }
            assert!(
                covered
                    .iter()
                    .all(|c| (c - output as f32 / input as f32).abs() < 1e-4),
                "{covered:?}"
            );
        }
    }

    #[test]
    fn bicubic_keeps_constants_and_ramps() {
        let row: Vec<f32> = (0..16).flat_map(|i| [i as f32 / 16.0, 0.5, 1.0]).collect();
        let taps = Taps::bicubic(64, 16);
        for i in 8..56 {
            let [ramp, half, one] = taps.mix_rgb(i, &row);
            let want = ((i as f32 + 0.5) / 4.0 - 0.5) / 16.0;
            assert!(
                (ramp - want).abs() < 1e-5 && (half - 0.5).abs() < 1e-6 && (one - 1.0).abs() < 1e-6
            );
        }
    }

    #[test]
    fn resizing_keeps_means_and_equal_sizes() {
        let rgb: Vec<f32> = (0..12 * 8 * 3)
            .map(|i| (i * 37 % 100) as f32 / 100.0)
            .collect();
        assert_eq!(resize(&rgb, (12, 8), (12, 8)), rgb);
        let small = resize(&rgb, (12, 8), (3, 2));
        let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
        assert!((mean(&small) - mean(&rgb)).abs() < 1e-5);
        assert_eq!(resize(&small, (3, 2), (30, 7)).len(), 30 * 7 * 3);
    }

    #[test]
    fn a_hole_pixel_survives_any_shrinking() {
        let mut alpha = Mask::empty(100, 90);
        alpha.data[45 * 100 + 37] = 1;
        let rect = Rect {
            x0: 3,
            y0: 5,
            x1: 98,
            y1: 88,
        };
        let small = shrink_hole(&alpha, rect, 17, 13);
        assert_eq!(small.iter().filter(|&&v| v == 255).count(), 1);
        assert_eq!(
            shrink_hole(&alpha, rect, 95, 83),
            alpha
                .crop(rect)
                .iter()
                .map(|&v| if v > 0 { 255 } else { 0 })
                .collect::<Vec<_>>()
        );
    }
}
