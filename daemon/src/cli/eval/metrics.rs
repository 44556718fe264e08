//! How far a fill is from the truth. Definitions as in benches/quality, which adds measures by a network.

use cleanplate_pictures::{Mask, Photo, Rect};
use rayon::prelude::*;
use serde::Serialize;

/// Side of the windows of SSIM and of the blur of the halo measure, in pixels; odd.
const WINDOW_PX: usize = 7;
/// Reach of the rim to both sides of the hole's edge, in pixels.
const RIM_PX: usize = 2;

/// 8-bit RGB, `[height, width, 3]`.
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The samples.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A photo's colours.
    pub fn of(photo: &Photo) -> Picture {
        let (width, height) = (photo.width, photo.height);
        Picture {
            width,
            height,
            rgb: photo.crop_rgb8(Rect {
                x0: 0,
                y0: 0,
                x1: width,
                y1: height,
            }),
        }
    }

    /// Luma 0..=255, rounded.
    fn gray(&self) -> Vec<f64> {
        let luma = |p: &[u8]| {
            (u32::from(p[0]) * 4899 + u32::from(p[1]) * 9617 + u32::from(p[2]) * 1868 + 8192) >> 14
        };
        self.rgb
            .chunks_exact(3)
            .map(|p| f64::from(luma(p)))
            .collect()
    }
}

/// The measures of one fill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Peak signal to noise ratio inside the hole, dB. Rewards blur.
    pub psnr: f64,
    /// Mean structural similarity inside the hole, 7x7 windows of luma. Rewards blur.
    pub ssim: f64,
    /// Mean gradient in the hole over that in a ring round it, divided by the same of the truth: 1 = as sharp as the truth.
    pub sharp: f64,
    /// Mean gradient within 2 px of the hole's edge over that in the ring, divided by the same of the truth: 1 = no edge, no blur.
    pub seam: f64,
    /// Mean distance of the 7x7-blurred luma from the truth's in the band inside the hole that is half as wide as the ring,
    /// in 8-bit steps: 0 = no bright or dark halo along the edge.
    pub halo: f64,
}

impl Scores {
    /// Names and values.
    pub fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("psnr", self.psnr),
            ("ssim", self.ssim),
            ("sharp", self.sharp),
            ("seam", self.seam),
            ("halo", self.halo),
        ]
    }
}

impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self
            .named()
            .iter()
            .map(|(name, value)| format!("{name} {value:.3}"))
            .collect();
        f.write_str(&words.join("  "))
    }
}

/// The truth of one photo, with everything about it that each fill is compared with.
pub struct Judge<'a> {
    truth: &'a Picture,
    gray: Vec<f64>,
    gradient: Vec<f64>,
    hole: Vec<bool>,
    ring: Vec<bool>,
    rim: Vec<bool>,
    band: Vec<bool>,
}

impl<'a> Judge<'a> {
    /// Prepares the comparison of fills of `mask`, which covers a part of the photo.
    pub fn new(truth: &'a Picture, mask: &Mask) -> Self {
        let (width, height) = (mask.width, mask.height);
        let ring_px = (width.min(height) / 32).max(4);
        let hole: Vec<bool> = mask.data.iter().map(|v| *v != 0).collect();
        let kept: Vec<bool> = hole.iter().map(|inside| !inside).collect();
        let both = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| *a && *b).collect();
        let near = |set: &[bool], px: usize| dilate(set, width, px);
        let (ring, band) = (
            both(&near(&hole, ring_px), &kept),
            both(&near(&kept, ring_px / 2), &hole),
        );
        let rim = both(&near(&hole, RIM_PX), &near(&kept, RIM_PX));
        let gray = truth.gray();
        Judge {
            gradient: gradient(&gray, width),
            truth,
            gray,
            hole,
            ring,
            rim,
            band,
        }
    }

    /// Measures one fill, of the truth's size.
    pub fn score(&self, result: &Picture) -> Scores {
        let (width, gray) = (self.truth.width, result.gray());
        let own = gradient(&gray, width);
        let share =
            |gradient: &[f64], area: &[bool]| mean(gradient, area) / mean(gradient, &self.ring);
        let relative = |area: &[bool]| share(&own, area) / share(&self.gradient, area);
        let (a, b) = (blur(&self.gray, width), blur(&gray, width));
        let apart: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).collect();
        Scores {
            psnr: self.psnr(result),
            ssim: mean(&ssim(&self.gray, &gray, width), &self.hole),
            sharp: relative(&self.hole),
            seam: relative(&self.rim),
            halo: mean(&apart, &self.band),
        }
    }

    fn psnr(&self, result: &Picture) -> f64 {
        let pixels = self
            .truth
            .rgb
            .chunks_exact(3)
            .zip(result.rgb.chunks_exact(3))
            .zip(&self.hole)
            .filter(|(_, hole)| **hole);
        let square = |a: &u8, b: &u8| (f64::from(*a) - f64::from(*b)).powi(2);
        let sum: f64 = pixels
            .clone()
            .map(|((a, b), _)| a.iter().zip(b).map(|(a, b)| square(a, b)).sum::<f64>())
            .sum();
        let error = sum / (3 * pixels.count()) as f64;
        // A perfect fill would be infinite, which JSON cannot say.
        10.0 * (255.0 * 255.0 / error.max(1e-5)).log10()
    }
}

/// Mean over the pixels of an area; NaN for an empty one.
fn mean(values: &[f64], area: &[bool]) -> f64 {
    let (sum, count) = values
        .iter()
        .zip(area)
        .filter(|(_, inside)| **inside)
        .fold((0.0, 0usize), |(s, n), (v, _)| (s + v, n + 1));
    sum / count as f64
}

/// Differences to the right and lower neighbour, absolute, added.
fn gradient(gray: &[f64], width: usize) -> Vec<f64> {
    let right = |i: usize| {
        if (i + 1).is_multiple_of(width) {
            i
        } else {
            i + 1
        }
    };
    let below = |i: usize| if i + width < gray.len() { i + width } else { i };
    (0..gray.len())
        .map(|i| (gray[right(i)] - gray[i]).abs() + (gray[below(i)] - gray[i]).abs())
        .collect()
}

/// Every pixel within a disk of `radius` pixels round a pixel of the set.
fn dilate(set: &[bool], width: usize, radius: usize) -> Vec<bool> {
    let height = set.len() / width;
    let r2 = (radius * radius) as f64;
    // Half the disk's width at each distance from its centre line.
    let reach: Vec<usize> = (0..=radius)
        .map(|dy| (r2 - (dy * dy) as f64).sqrt().round() as usize)
        .collect();
    // How many of the row are set before each position.
    let before: Vec<u32> = set.par_chunks(width).flat_map_iter(prefix).collect();
    let mut out = vec![false; set.len()];
    out.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for other in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            let (counts, reach) = (
                &before[other * (width + 1)..(other + 1) * (width + 1)],
                reach[other.abs_diff(y)],
            );
            if counts[width] == 0 {
                continue;
            }
            for (x, near) in row.iter_mut().enumerate() {
                *near |= counts[(x + reach + 1).min(width)] > counts[x.saturating_sub(reach)];
            }
        }
    });
    out
}

fn prefix(row: &[bool]) -> Vec<u32> {
    let mut counts = Vec::with_capacity(row.len() + 1);
    counts.push(0);
    for inside in row {
        counts.push(counts[counts.len() - 1] + u32::from(*inside));
    }
    counts
}

/// Mean over 7x7 windows; beyond the border the picture is mirrored without repeating its edge.
fn blur(values: &[f64], width: usize) -> Vec<f64> {
    let height = values.len() / width;
    let half = (WINDOW_PX / 2) as isize;
    let mirror = |at: isize, length: usize| {
        let last = length as isize - 1;
        let at = if at < 0 { -at } else { at };
        (if at > last { 2 * last - at } else { at }).clamp(0, last) as usize
    };
    let across = |row: &[f64], x: usize| {
        (-half..=half)
            .map(|d| row[mirror(x as isize + d, width)])
            .sum::<f64>()
    };
    let rows: Vec<f64> = values
        .par_chunks(width)
        .flat_map_iter(|row| (0..width).map(move |x| across(row, x)))
        .collect();
    let down = |x: usize, y: usize| {
        (-half..=half)
            .map(|d| rows[mirror(y as isize + d, height) * width + x])
            .sum::<f64>()
    };
    let count = (WINDOW_PX * WINDOW_PX) as f64;
    (0..values.len())
        .into_par_iter()
        .map(|i| down(i % width, i / width) / count)
        .collect()
}

/// Structural similarity at every pixel.
fn ssim(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| {
        blur(
            &a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>(),
            width,
        )
    };
    let (ma, mb) = (blur(a, width), blur(b, width));
    let (aa, bb, ab) = (product(a, a), product(b, b), product(a, b));
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let one = |i: usize| {
        let (ma, mb) = (ma[i], mb[i]);
        let (va, vb, cov) = (aa[i] - ma * ma, bb[i] - mb * mb, ab[i] - ma * mb);
        (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    };
    (0..a.len()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 96;

    /// A texture, and a mask of its middle.
    fn case() -> (Picture, Mask) {
        let rgb = (0..SIZE * SIZE * 3)
            .map(|i| 90 + ((i / 3).wrapping_mul(2_654_435_761) >> 9) as u8 % 70)
            .collect();
        let mut mask = Mask::empty(SIZE, SIZE);
        for y in 30..60 {
            mask.data[y * SIZE + 30..y * SIZE + 60].fill(255);
        }
        (
            Picture {
                width: SIZE,
                height: SIZE,
                rgb,
            },
            mask,
        )
    }

    fn changed(truth: &Picture, mask: &Mask, to: impl Fn(u8) -> u8) -> Picture {
        let rgb = truth
            .rgb
            .iter()
            .enumerate()
            .map(|(i, v)| if mask.data[i / 3] != 0 { to(*v) } else { *v })
            .collect();
        Picture { rgb, ..*truth }
    }

    #[test]
    fn the_truth_itself_is_perfect() {
        let (truth, mask) = case();
        let scores = Judge::new(&truth, &mask).score(&truth);
        assert!(
            (scores.ssim - 1.0).abs() < 1e-9
                && (scores.sharp - 1.0).abs() < 1e-12
                && (scores.seam - 1.0).abs() < 1e-12
        );
        assert!(scores.halo == 0.0 && scores.psnr > 90.0, "{scores}");
    }

    /// SSIM, on average over the square hole, of a fill in the mean colour of noise that is even from 90 to 159.
    ///
    /// Both means are equal, so a window whose share `f` lies outside the hole, where both are the noise of variance `v`, gives
    /// `(2 f v + c2) / (v + f v + c2)`: 0.13 where it lies inside, 1 where it lies outside. The variance of a window differs from
    /// that of the noise, most where few of its pixels are noise, hence a tolerance.
    fn ssim_of_flat() -> f64 {
        let v = (70.0f64.powi(2) - 1.0) / 12.0;
        let c2 = (0.03f64 * 255.0).powi(2);
        // Of the seven columns of a window centred `depth` pixels inside the edge, so many lie inside the hole; rows alike.
        let inside = |at: usize| (at.min(29 - at) + 4).min(7) as f64 / 7.0;
        let one = |x: usize, y: usize| {
            let f = 1.0 - inside(x) * inside(y);
            (2.0 * f * v + c2) / (v + f * v + c2)
        };
        (0..900).map(|i| one(i % 30, i / 30)).sum::<f64>() / 900.0
    }

    #[test]
    fn each_fault_shows_in_its_measure() {
        let (truth, mask) = case();
        let judge = Judge::new(&truth, &mask);
        let flat = judge.score(&changed(&truth, &mask, |_| 125));
        let (want, within) = (ssim_of_flat(), 0.02);
        assert!(
            flat.sharp < 0.1 && (flat.ssim - want).abs() < within,
            "{flat}, expected an ssim of {want}"
        );
        let brighter = judge.score(&changed(&truth, &mask, |v| v + 20));
        let off_by_20 = 10.0 * (255.0f64 * 255.0 / 400.0).log10();
        assert!(
            (brighter.psnr - off_by_20).abs() < 1e-9 && (brighter.sharp - 1.0).abs() < 0.05,
            "{brighter}"
        );
        assert!(brighter.halo > 12.0 && brighter.halo <= 20.0, "{brighter}");
        let edge = judge.score(&changed(&truth, &mask, |v| v + 90));
        assert!(edge.seam > 1.1, "{edge}");
    }

    #[test]
    fn a_dilated_pixel_is_a_disk_cut_at_the_border() {
        let mut set = vec![false; 9 * 7];
        set[3 * 9 + 4] = true;
        let disk = dilate(&set, 9, 2);
        let rows: Vec<usize> = disk
            .chunks(9)
            .map(|row| row.iter().filter(|v| **v).count())
            .collect();
        assert_eq!(rows, [0, 1, 5, 5, 5, 1, 0]);
        set[0] = true;
        assert!(dilate(&set, 9, 2)[0..3].iter().all(|v| *v));
    }

    #[test]
    fn the_blur_is_the_mean_of_mirrored_windows() {
        let values: Vec<f64> = (0..12 * 10).map(|i| ((i * 37) % 91) as f64).collect();
        let at =
            |x: isize, y: isize| values[(y.unsigned_abs().min(9)) * 12 + x.unsigned_abs().min(11)];
        let want: f64 = (-3..=3)
            .flat_map(|y| (-3..=3).map(move |x| (x, y)))
            .map(|(x, y)| at(x, y))
            .sum::<f64>()
            / 49.0;
        assert!((blur(&values, 12)[0] - want).abs() < 1e-9);
    }
}
