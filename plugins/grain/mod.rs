//! `grain`: the noise of the surroundings, on any fill.
//!
//! Tiles of the surroundings that are flat show nothing but grain. Their high frequencies, with their own colour and correlation,
//! are laid over the fill in overlapping windows, each as strong as what the fill lacks there: a smooth fill gets all of it, a fill
//! with texture none.

use cleanplate_kernels::patchmatch::hash;
use serde::Deserialize;

use cleanplate_pipeline::Pixel;
use cleanplate_pipeline::full_size::{FullSize, for_each};
use cleanplate_pipeline::{PluginError, PluginInfo};
use cleanplate_pipeline::{Stage, Work};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Grain>(include_str!("plugin.toml"));

/// Side of a tile in pixels; tiles overlap by half.
const TILE: usize = 8;
/// Brightnesses told apart: grain depends on it.
const BINS: usize = 8;
/// Flattest tiles kept for each brightness.
const KEPT: usize = 48;
/// The flattest of so many count as flat.
const FLAT_SHARE: usize = 4;

#[derive(Deserialize)]
struct Grain {
    strength: f32,
    around_px: usize,
    seed: u32,
}

/// A flat tile: its place, and the energy of its high frequencies, mean square of luma.
#[derive(Clone, Copy)]
struct Flat {
    x: usize,
    y: usize,
    energy: f32,
}

impl Grain {
    fn lay(&self, full: &mut FullSize) {
        let (width, height) = (full.width(), full.height());
        if width < TILE || height < TILE || self.strength == 0.0 {
            return;
        }
        let fine = fine(full);
        let flats = flats(full, &fine);
        let window: Vec<f32> = (0..TILE)
            .map(|i| ((i as f32 + 0.5) / TILE as f32 * std::f32::consts::PI).sin())
            .collect();
        let mut added = vec![0.0f32; full.rgb.len()];
        // Windows reach over the edge by half a tile, so that every pixel lies under two in each direction.
        let half = TILE / 2;
        for (row, top) in (0..height + half).step_by(half).enumerate() {
            for (column, left) in (0..width + half).step_by(half).enumerate() {
                let inside = |i: usize, j: usize| {
                    let (x, y) = ((left + i).checked_sub(half)?, (top + j).checked_sub(half)?);
                    (x < width && y < height && full.pixels[y * width + x] == Pixel::Hole)
                        .then_some(y * width + x)
                };
                let tile: Vec<(usize, usize, usize)> = (0..TILE * TILE)
                    .filter_map(|k| inside(k % TILE, k / TILE).map(|at| (k % TILE, k / TILE, at)))
                    .collect();
                if tile.is_empty() {
                    continue;
                }
                let mean = |value: &dyn Fn(usize) -> f32| {
                    tile.iter().map(|t| value(t.2)).sum::<f32>() / tile.len() as f32
                };
                let bright = mean(&|at| luma(&full.rgb[3 * at..]));
                let own = mean(&|at| luma(&fine[3 * at..]).powi(2));
                let Some(choices) = nearest(&flats, bin(bright)) else {
                    return;
                };
                let from =
                    choices[hash(self.seed, row as u32, column as u32) as usize % choices.len()];
                // Compared with the mean of all, not with the one tile: how strong the grain is varies less than one tile's sample of it.
                let floor = choices.iter().map(|f| f.energy).sum::<f32>() / choices.len() as f32;
                let share = (1.0 - own / floor.max(1e-9)).max(0.0).sqrt() * self.strength;
                for (i, j, at) in tile {
                    let source = (from.y + j) * width + from.x + i;
                    let weight = share * window[i] * window[j];
                    (0..3).for_each(|c| added[3 * at + c] += weight * fine[3 * source + c]);
                }
            }
        }
        full.rgb
            .iter_mut()
            .zip(&added)
            .filter(|(_, a)| **a != 0.0)
            .for_each(|(v, a)| *v = (*v + a).clamp(0.0, 1.0));
    }
}

fn luma(rgb: &[f32]) -> f32 {
    0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
}

fn bin(bright: f32) -> usize {
    ((bright * BINS as f32) as usize).min(BINS - 1)
}

/// What a blur over 3x3 pixels (1 2 1 a side) takes away, `[height, width, 3]`; pixels on the other side of the rim do not count.
fn fine(full: &FullSize) -> Vec<f32> {
    let (width, height) = (full.width(), full.height());
    let mut out = vec![0.0f32; full.rgb.len()];
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let (mut sum, mut total) = ([0.0f32; 3], 0.0f32);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = ny * width + nx;
                    if full.pixels[next] == full.pixels[at] {
                        let weight = ((2 - ny.abs_diff(y)) * (2 - nx.abs_diff(x))) as f32;
                        (0..3).for_each(|c| sum[c] += weight * full.rgb[3 * next + c]);
                        total += weight;
                    }
                }
            }
            (0..3).for_each(|c| out[3 * at + c] = full.rgb[3 * at + c] - sum[c] / total);
        }
    }
    out
}

/// The flattest tiles of known pixels for each brightness, in row order.
fn flats(full: &FullSize, fine: &[f32]) -> [Vec<Flat>; BINS] {
    let (width, height) = (full.width(), full.height());
    let mut found: [Vec<Flat>; BINS] = Default::default();
    for y in (0..=height - TILE).step_by(TILE / 2) {
        for x in (0..=width - TILE).step_by(TILE / 2) {
            let places = || (0..TILE * TILE).map(|k| (y + k / TILE) * width + x + k % TILE);
            if places().any(|at| full.pixels[at] != Pixel::Known) {
                continue;
            }
            let mean = |value: &dyn Fn(usize) -> f32| {
                places().map(value).sum::<f32>() / (TILE * TILE) as f32
            };
            let bright = mean(&|at| luma(&full.rgb[3 * at..]));
            let energy = mean(&|at| luma(&fine[3 * at..]).powi(2));
            // Clipped places have lost their grain.
            if (0.02..0.98).contains(&bright) {
                found[bin(bright)].push(Flat { x, y, energy });
            }
        }
    }
    for tiles in &mut found {
        tiles.sort_by(|a, b| {
            a.energy
                .total_cmp(&b.energy)
                .then((a.y, a.x).cmp(&(b.y, b.x)))
        });
        tiles.truncate((tiles.len() / FLAT_SHARE).clamp(tiles.len().min(4), KEPT));
    }
    found
}

/// The flat tiles of the brightness closest to `wanted` that has some.
fn nearest(flats: &[Vec<Flat>; BINS], wanted: usize) -> Option<&[Flat]> {
    (0..BINS)
        .filter(|bin| !flats[*bin].is_empty())
        .min_by_key(|bin| bin.abs_diff(wanted))
        .map(|bin| flats[bin].as_slice())
}

impl Stage for Grain {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        for_each(work, "grain", self.around_px, |_, full| {
            self.lay(full);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::Rect;

    /// Gray noise of the given deviation with a flat square hole; the left half is darker.
    fn scene(deviation: f32, in_hole: f32) -> FullSize {
        let (width, height) = (160, 120);
        let noise = |at: usize| {
            let unit = |salt: u32| (hash(at as u32, salt, 3) >> 8) as f32 / (1 << 24) as f32 - 0.5;
            (unit(1) + unit(2) + unit(3)) * 2.0
        };
        let hole =
            |at: usize| (50..110).contains(&(at % width)) && (40..80).contains(&(at / width));
        let pixels: Vec<Pixel> = (0..width * height)
            .map(|at| if hole(at) { Pixel::Hole } else { Pixel::Known })
            .collect();
        let value = |at: usize| 0.5 + noise(at) * if hole(at) { in_hole } else { deviation };
        let rgb = (0..3 * width * height).map(|i| value(i / 3)).collect();
        FullSize {
            rect: Rect {
                x0: 0,
                y0: 0,
                x1: width,
                y1: height,
            },
            rgb,
            pixels,
        }
    }

    fn deviation(full: &FullSize, of: Pixel) -> f32 {
        let values: Vec<f32> = (0..full.pixels.len())
            .filter(|at| full.pixels[*at] == of)
            .map(|at| full.rgb[3 * at])
            .collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt()
    }

    fn laid(mut full: FullSize, strength: f32) -> FullSize {
        Grain {
            strength,
            around_px: 32,
            seed: 1,
        }
        .lay(&mut full);
        full
    }

    #[test]
    fn a_smooth_fill_gets_the_grain_of_its_surroundings() {
        let before = scene(0.02, 0.0);
        let after = laid(before.clone(), 1.0);
        // A 3x3 blur takes 1 - 2 * 1/4 + 36/256 of white noise's energy: 80 % of its deviation is left to be added.
        let ratio = deviation(&after, Pixel::Hole) / deviation(&after, Pixel::Known);
        assert!((0.65..0.95).contains(&ratio), "{ratio}");
        let known = |full: &FullSize| -> Vec<f32> {
            (0..full.rgb.len())
                .filter(|i| full.pixels[i / 3] == Pixel::Known)
                .map(|i| full.rgb[i])
                .collect()
        };
        assert_eq!(known(&before), known(&after), "the photo itself changed");
        let gray = after
            .rgb
            .chunks_exact(3)
            .all(|p| (p[0] - p[1]).abs() < 1e-5 && (p[1] - p[2]).abs() < 1e-5);
        assert!(gray, "gray grain became coloured");
        assert_eq!(after.rgb, laid(before.clone(), 1.0).rgb);
        assert_eq!(before.rgb, laid(before.clone(), 0.0).rgb);
    }

    #[test]
    fn a_fill_with_more_texture_than_the_surroundings_stays_as_it_is() {
        let before = scene(0.02, 0.05);
        let after = laid(before.clone(), 1.0);
        let (was, is) = (
            deviation(&before, Pixel::Hole),
            deviation(&after, Pixel::Hole),
        );
        assert!((is / was - 1.0).abs() < 0.02, "{was} {is}");
    }

    #[test]
    fn without_a_flat_tile_nothing_happens() {
        let mut all_hole = scene(0.02, 0.0);
        all_hole.pixels.fill(Pixel::Hole);
        assert_eq!(all_hole.rgb, laid(all_hole.clone(), 1.0).rgb);
    }
}
