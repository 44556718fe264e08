//! Small pictures of one number a pixel, and what is measured on them.

use std::ops::Index;

/// A picture of one number a pixel, `[height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

impl Index<usize> for Plane {
    type Output = f32;
    fn index(&self, at: usize) -> &f32 {
        &self.values[at]
    }
}

impl Plane {
    pub(super) fn new(width: usize, height: usize, values: Vec<f32>) -> Plane {
        debug_assert_eq!(values.len(), width * height);
        Plane {
            width,
            height,
            values,
        }
    }

    /// Correlated with `taps` along rows, then along columns; positions outside are mirrored at the border pixel.
    fn separable(&self, along_x: &[f32], along_y: &[f32]) -> Plane {
        let (w, h) = (self.width, self.height);
        let mut rows = vec![0.0; w * h];
        let reach = along_x.len() / 2;
        for y in 0..h {
            let row = &self.values[y * w..(y + 1) * w];
            for x in 0..w {
                let terms = along_x.iter().enumerate();
                rows[y * w + x] = terms.map(|(i, t)| t * row[mirrored(x + i, reach, w)]).sum();
            }
        }
        let mut values = vec![0.0; w * h];
        let reach = along_y.len() / 2;
        for y in 0..h {
            for (i, t) in along_y.iter().enumerate() {
                let from = mirrored(y + i, reach, h) * w;
                for x in 0..w {
                    values[y * w + x] += t * rows[from + x];
                }
            }
        }
        Plane::new(w, h, values)
    }

    /// Blurred by a Gaussian of this standard deviation in pixels, cut at four of them.
    pub(super) fn blurred(&self, sigma: f32) -> Plane {
        let reach = (sigma * 4.0).round() as usize;
        let taps: Vec<f32> = (0..=2 * reach)
            .map(|i| {
                let x = i as f32 - reach as f32;
                (-x * x / (2.0 * sigma * sigma)).exp()
            })
            .collect();
        let sum: f32 = taps.iter().sum();
        let taps: Vec<f32> = taps.iter().map(|t| t / sum).collect();
        self.separable(&taps, &taps)
    }

    /// Slopes along x and y per pixel, smoothed across (Sobel).
    pub(super) fn slopes(&self) -> (Plane, Plane) {
        let (change, smooth) = ([-0.5, 0.0, 0.5], [0.25, 0.5, 0.25]);
        (
            self.separable(&change, &smooth),
            self.separable(&smooth, &change),
        )
    }
}

/// Position `at - reach` of a line of `length`, mirrored at its ends without repeating them.
fn mirrored(at: usize, reach: usize, length: usize) -> usize {
    let last = length as isize - 1;
    let mut at = at as isize - reach as isize;
    if last == 0 {
        return 0;
    }
    loop {
        if at < 0 {
            at = -at;
        } else if at > last {
            at = 2 * last - at;
        } else {
            return at as usize;
        }
    }
}

/// Lightness, a and b of CIE Lab (sRGB, D65), divided by 100, of RGB 0..1 `[height, width, 3]` rounded to 8 bits.
pub(super) fn lab(rgb: &[f32], width: usize) -> [Plane; 3] {
    let linear: Vec<f32> = (0..256)
        .map(|v| {
            let v = v as f32 / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        })
        .collect();
    let curve = |t: f32| {
        if t > 0.008856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let count = rgb.len() / 3;
    let mut out = [(); 3].map(|()| Vec::with_capacity(count));
    for pixel in rgb.chunks_exact(3) {
        let [r, g, b] =
            [0, 1, 2].map(|c| linear[(pixel[c].clamp(0.0, 1.0) * 255.0).round() as usize]);
        let x = curve((0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.950456);
        let luminance = 0.212671 * r + 0.71516 * g + 0.072169 * b;
        let y = curve(luminance);
        let z = curve((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754);
        let lightness = if luminance > 0.008856 {
            116.0 * y - 16.0
        } else {
            903.3 * luminance
        };
        out[0].push(lightness / 100.0);
        out[1].push(5.0 * (x - y));
        out[2].push(2.0 * (y - z));
    }
    out.map(|values| Plane::new(width, count / width, values))
}

/// `mask` widened by a disk of `px` pixels.
pub(super) fn widened(mask: &[bool], width: usize, px: usize) -> Vec<bool> {
    spread(mask, width, px, true)
}

/// `mask` narrowed by a disk of `px` pixels; what lies outside of the picture does not narrow it.
pub(super) fn narrowed(mask: &[bool], width: usize, px: usize) -> Vec<bool> {
    let outside: Vec<bool> = mask.iter().map(|m| !m).collect();
    spread(&outside, width, px, false)
}

/// Whether any (or, turned round, none) of a disk's pixels is set.
fn spread(mask: &[bool], width: usize, px: usize, wanted: bool) -> Vec<bool> {
    let height = mask.len() / width;
    let radius = px as f32;
    // Half widths of the disk's rows.
    let half: Vec<usize> = (0..=px)
        .map(|dy| {
            let dy = dy as f32;
            (radius * ((radius * radius - dy * dy) / (radius * radius)).sqrt()).round() as usize
        })
        .collect();
    let mut counts = vec![0u32; (width + 1) * height];
    for y in 0..height {
        for x in 0..width {
            counts[y * (width + 1) + x + 1] =
                counts[y * (width + 1) + x] + u32::from(mask[y * width + x]);
        }
    }
    let mut out = vec![!wanted; mask.len()];
    for y in 0..height {
        for x in 0..width {
            let rows = y.saturating_sub(px)..=(y + px).min(height - 1);
            let mut rows = rows.map(|row| {
                let reach = half[row.abs_diff(y)];
                let at = row * (width + 1);
                let right = (x + reach + 1).min(width);
                counts[at + right] - counts[at + x.saturating_sub(reach)]
            });
            if rows.any(|count| count > 0) {
                out[y * width + x] = wanted;
            }
        }
    }
    out
}

/// The `share` quantile of `values`, between neighbours in proportion; 0 of none.
pub(super) fn quantile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share * last as f32;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f32)
}

/// Mean of `values`; 0 of none.
pub(super) fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0u32);
    for value in values {
        sum += f64::from(value);
        count += 1;
    }
    (sum / f64::from(count.max(1))) as f32
}

/// Standard deviation of `values`.
pub(super) fn deviation(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let middle = mean(values.clone());
    mean(values.map(|v| (v - middle) * (v - middle))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_their_known_lab_values() {
        let [l, a, b] = lab(&[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 3);
        let close = |found: f32, wanted: f32| assert!((found - wanted).abs() < 5e-3, "{found}");
        close(l[0], 1.0);
        close(a[0], 0.0);
        close(b[0], 0.0);
        close(l[1], 0.5324);
        close(a[1], 0.8009);
        close(b[1], 0.6720);
        close(l[2], 0.0);
    }

    #[test]
    fn a_blur_keeps_the_mean_of_a_constant_and_slopes_a_ramp() {
        let ramp = Plane::new(20, 12, (0..240).map(|i| (i % 20) as f32 * 0.1).collect());
        let flat = Plane::new(20, 12, vec![0.3; 240]).blurred(3.0);
        assert!(flat.values.iter().all(|v| (v - 0.3).abs() < 1e-5));
        let (dx, dy) = ramp.slopes();
        assert!((dx[5 * 20 + 7] - 0.1).abs() < 1e-6 && dy[5 * 20 + 7].abs() < 1e-6);
    }

    #[test]
    fn disks_widen_and_narrow() {
        let mut mask = vec![false; 15 * 15];
        mask[7 * 15 + 7] = true;
        let wide = widened(&mask, 15, 2);
        assert_eq!(wide.iter().filter(|m| **m).count(), 17);
        let back = narrowed(&wide, 15, 2);
        assert_eq!(back, mask);
        assert!(narrowed(&[true; 9], 3, 2).iter().all(|m| *m));
    }

    #[test]
    fn quantiles_lie_between() {
        assert!((quantile(&[3.0, 1.0, 2.0], 0.75) - 2.5).abs() < 1e-6);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
