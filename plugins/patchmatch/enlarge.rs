//! A fill at full size from a field that was found at a whole fraction of it.
//!
//! Every hole pixel is copied from the strongest source of its small pixel, at the same place within it, so that detail is the
//! photo's own. What the copies differ from the small fill on average is added back, interpolated: tones are those of the
//! small fill, which met the rim.

use cleanplate_kernels::KernelError;
use cleanplate_kernels::patchmatch::NONE;
use cleanplate_kernels::patchmatch_vote::{Vote, strongest};
use rayon::prelude::*;

use super::Field;
use super::geometry::Pixel;

/// A picture and its hole at full size.
pub struct Large<'a> {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// RGB 0..1, `[height, width, 3]`; hole pixels are replaced.
    pub rgb: &'a mut [f32],
    /// What each pixel is.
    pub pixels: &'a [Pixel],
}

/// A picture at `1 / factor` of the size.
pub struct Small {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// RGB 0..1, `[height, width, 3]`.
    pub rgb: Vec<f32>,
    /// What each pixel is: hole if any of its pixels is, otherwise void if any is.
    pub pixels: Vec<Pixel>,
}

/// The means over squares of `factor` pixels, cut at the right and bottom.
pub fn shrink(rgb: &[f32], pixels: &[Pixel], width: usize, factor: usize) -> Small {
    let height = pixels.len() / width;
    let (w, h) = (width.div_ceil(factor), height.div_ceil(factor));
    let cell = |i: usize| {
        let mut out = ([0.0f32; 3], Pixel::Known, 0.0f32);
        for at in square(i % w, i / w, factor, width, height) {
            (0..3).for_each(|c| out.0[c] += rgb[3 * at + c]);
            out.2 += 1.0;
            if pixels[at] == Pixel::Hole || out.1 == Pixel::Known {
                out.1 = pixels[at];
            }
        }
        (out.0.map(|v| v / out.2), out.1)
    };
    let cells: Vec<([f32; 3], Pixel)> = (0..w * h).into_par_iter().map(cell).collect();
    Small { width: w, height: h, rgb: cells.iter().flat_map(|c| c.0).collect(), pixels: cells.iter().map(|c| c.1).collect() }
}

/// Indices of the pixels of one small pixel.
fn square(x: usize, y: usize, factor: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let columns = x * factor..((x + 1) * factor).min(width);
    (y * factor..((y + 1) * factor).min(height)).flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// Fills the hole of `large` by `field`, found at `1 / factor` of the size together with the fill `small`, `[h, w, 3]`.
pub fn enlarge(large: Large<'_>, small: &[f32], field: &Field, gamma: f32, factor: usize) -> Result<(), KernelError> {
    let Large { width, height, rgb, pixels } = large;
    let w = width.div_ceil(factor);
    let sources = strongest(&Vote::new(field.radius, gamma)?, &field.sites, &field.nnf, &field.distances, w);
    let source_of = |x: usize, y: usize| {
        let found = *sources.get(y / factor * w + x / factor)?;
        let (sx, sy) = (found as usize % w * factor + x % factor, found as usize / w * factor + y % factor);
        (found != NONE).then(|| sy.min(height - 1) * width + sx.min(width - 1))
    };
    in_bands(rgb, width, |rgb, x, y| {
        let at = y * width + x;
        let source = source_of(x, y).filter(|_| pixels[at] == Pixel::Hole)?;
        Some([rgb[3 * source], rgb[3 * source + 1], rgb[3 * source + 2]])
    });
    let missing: Vec<[f32; 3]> = (0..sources.len())
        .into_par_iter()
        .map(|i| {
            let inside: Vec<usize> = square(i % w, i / w, factor, width, height).filter(|at| pixels[*at] == Pixel::Hole).collect();
            if inside.is_empty() {
                return [0.0; 3];
            }
            let all: Vec<usize> = square(i % w, i / w, factor, width, height).collect();
            [0, 1, 2].map(|c| small[3 * i + c] - all.iter().map(|at| rgb[3 * at + c]).sum::<f32>() / all.len() as f32)
        })
        .collect();
    let h = height.div_ceil(factor);
    in_bands(rgb, width, |rgb, x, y| {
        let at = y * width + x;
        if pixels[at] != Pixel::Hole {
            return None;
        }
        let added = between(&missing, w, h, (x as f32 + 0.5) / factor as f32 - 0.5, (y as f32 + 0.5) / factor as f32 - 0.5);
        Some([0, 1, 2].map(|c| (rgb[3 * at + c] + added[c]).clamp(0.0, 1.0)))
    });
    Ok(())
}

/// Replaces the pixels for which `value` gives one. It sees the picture as it was before its band of rows.
fn in_bands(rgb: &mut [f32], width: usize, value: impl Fn(&[f32], usize, usize) -> Option<[f32; 3]> + Sync) {
    const ROWS: usize = 64;
    let height = rgb.len() / (3 * width);
    for first in (0..height).step_by(ROWS) {
        let picture = &*rgb;
        let rows = (first..(first + ROWS).min(height)).into_par_iter();
        let band: Vec<Vec<(usize, [f32; 3])>> =
            rows.map(|y| (0..width).filter_map(|x| value(picture, x, y).map(|v| (3 * (y * width + x), v))).collect()).collect();
        for (at, v) in band.into_iter().flatten() {
            rgb[at..at + 3].copy_from_slice(&v);
        }
    }
}

/// Linear interpolation at `(x, y)`, edges repeated.
fn between(values: &[[f32; 3]], width: usize, height: usize, x: f32, y: f32) -> [f32; 3] {
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    [0, 1, 2].map(|c| {
        let top = values[y0 * width + x0][c] * (1.0 - fx) + values[y0 * width + x1][c] * fx;
        let bottom = values[y1 * width + x0][c] * (1.0 - fx) + values[y1 * width + x1][c] * fx;
        top * (1.0 - fy) + bottom * fy
    })
}

#[cfg(test)]
mod tests {
    use cleanplate_kernels::patchmatch::site;

    use super::*;

    #[test]
    fn shrinking_averages_squares_and_keeps_every_hole_pixel() {
        let rgb: Vec<f32> = (0..5 * 3 * 3).map(|v| v as f32).collect();
        let mut pixels = vec![Pixel::Known; 15];
        pixels[14] = Pixel::Hole;
        pixels[0] = Pixel::Void;
        let small = shrink(&rgb, &pixels, 5, 2);
        assert_eq!((small.width, small.height), (3, 2));
        assert_eq!(small.pixels, [Pixel::Void, Pixel::Known, Pixel::Known, Pixel::Known, Pixel::Known, Pixel::Hole]);
        assert_eq!(small.rgb[..3], [9.0, 10.0, 11.0]);
        assert_eq!(small.rgb[15..], [42.0, 43.0, 44.0]);
    }

    #[test]
    fn copies_are_exact_where_the_small_fill_agrees_with_them() {
        let (width, height, factor) = (60, 40, 2);
        // Repeats every 20 pixels, so that a copy from 20 pixels to the right is the truth.
        let truth: Vec<f32> = (0..width * height * 3).map(|i| ((i / 3 % width % 20) * 7 + i / 180 * 3 + i % 3) as f32 / 300.0).collect();
        let hole = |at: usize| (11..25).contains(&(at % width)) && (11..29).contains(&(at / width));
        let pixels: Vec<Pixel> = (0..width * height).map(|at| if hole(at) { Pixel::Hole } else { Pixel::Known }).collect();
        let small = shrink(&truth, &pixels, width, factor);
        let sites: Vec<u32> =
            small.pixels.iter().map(|p| site::pack(if *p == Pixel::Hole { site::HOLE } else { site::KNOWN }, 9, 0)).collect();
        let target = |at: usize| (3..16).contains(&(at % 30)) && (3..18).contains(&(at / 30));
        let nnf: Vec<u32> = (0..600).map(|at| if target(at) { at as u32 + 10 } else { NONE }).collect();
        let field = Field { sites, nnf, distances: vec![0; 600], radius: 1 };
        let mut rgb = truth.clone();
        (0..width * height).filter(|at| hole(*at)).for_each(|at| rgb[3 * at..3 * at + 3].fill(0.9));
        enlarge(Large { width, height, rgb: &mut rgb, pixels: &pixels }, &small.rgb, &field, 2.0, factor).unwrap();
        let worst = rgb.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }
}
