//! A fill at full size from sources that were found at a whole fraction of it.
//!
//! Every hole pixel is copied from the source of its small pixel, at the same place within it, so that detail is the photo's
//! own. What the copies differ from the small fill on average is added back, interpolated between the small pixels of the hole:
//! tones are those of the small fill, which met the rim. The photo is read where it lies; only the fill itself is of full size.

use cleanplate_kernels::patchmatch::NONE;
use rayon::prelude::*;

use super::Scene;
use cleanplate_pictures::resample::resize;
use cleanplate_pictures::{Photo, Rect};
use cleanplate_pipeline::Fill;
use cleanplate_pipeline::Pixel;

/// A part of a photo with its hole.
#[derive(Clone, Copy)]
pub struct Large<'a> {
    /// The photo.
    pub photo: &'a Photo,
    /// The part.
    pub rect: Rect,
    /// What each pixel of the part is, `[rect.height(), rect.width()]`.
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

impl Small {
    /// The picture to fill, with `guide` brought to its size, and its `alpha` if it is not opaque.
    pub fn scene(self, guide: Option<&Fill>, alpha: Option<Vec<f32>>) -> Scene {
        let size = (self.width, self.height);
        let guide = guide.map(|fill| resize(&fill.rgb, (fill.width, fill.height), size));
        Scene {
            width: self.width,
            height: self.height,
            rgb: self.rgb,
            pixels: self.pixels,
            guide,
            alpha,
        }
    }
}

impl Large<'_> {
    /// The part as it is matched at `1 / factor` of the size.
    pub fn small(self, factor: usize) -> Small {
        if factor > 1 {
            return self.shrink(factor);
        }
        Small {
            width: self.rect.width(),
            height: self.rect.height(),
            rgb: self.photo.crop_f32(self.rect),
            pixels: self.pixels.to_vec(),
        }
    }

    /// The means over squares of `factor` pixels, cut at the right and bottom.
    pub fn shrink(self, factor: usize) -> Small {
        let (width, height) = (self.rect.width(), self.rect.height());
        let (w, h) = (width.div_ceil(factor), height.div_ceil(factor));
        let (mut rgb, mut pixels) = (vec![0.0f32; 3 * w * h], vec![Pixel::Known; w * h]);
        rgb.par_chunks_mut(3 * w)
            .zip(pixels.par_chunks_mut(w))
            .enumerate()
            .for_each(|(cy, (rgb, pixels))| {
                let rows = cy * factor..((cy + 1) * factor).min(height);
                let mut line = Vec::with_capacity(3 * width);
                for y in rows.clone() {
                    line.clear();
                    self.photo
                        .push_row_f32(&mut line, self.rect.y0 + y, self.rect);
                    for (x, pixel) in line.chunks_exact(3).enumerate() {
                        (0..3).for_each(|c| rgb[3 * (x / factor) + c] += pixel[c]);
                        let (own, all) = (self.pixels[y * width + x], &mut pixels[x / factor]);
                        if own == Pixel::Hole || *all == Pixel::Known {
                            *all = own;
                        }
                    }
                }
                for (cx, sum) in rgb.chunks_exact_mut(3).enumerate() {
                    let count = rows.len() * (((cx + 1) * factor).min(width) - cx * factor);
                    sum.iter_mut().for_each(|v| *v /= count as f32);
                }
            });
        Small {
            width: w,
            height: h,
            rgb,
            pixels,
        }
    }

    /// The bounds of the hole in the photo, in whole small pixels; the part itself if there is no hole.
    pub fn hole(self, factor: usize) -> Rect {
        let width = self.rect.width();
        let hole = |p: &Pixel| *p == Pixel::Hole;
        let (mut x0, mut x1, mut y0, mut y1) = (width, 0, self.rect.height(), 0);
        for (y, row) in self.pixels.chunks_exact(width).enumerate() {
            if let (Some(first), Some(last)) =
                (row.iter().position(hole), row.iter().rposition(hole))
            {
                (x0, x1, y0, y1) = (x0.min(first), x1.max(last + 1), y0.min(y), y + 1);
            }
        }
        if x0 >= x1 {
            return self.rect;
        }
        let (down, up) = (
            |v: usize| v / factor * factor,
            |v: usize| v.next_multiple_of(factor),
        );
        let Rect {
            x0: left,
            y0: top,
            x1: right,
            y1: bottom,
        } = self.rect;
        Rect {
            x0: left + down(x0),
            y0: top + down(y0),
            x1: right.min(left + up(x1)),
            y1: bottom.min(top + up(y1)),
        }
    }

    /// Fills the hole from `picks`, the source of each small pixel, found at `1 / factor` of the size together with the fill
    /// `small`, `[h, w, 3]`. Returns the bounds of the hole in the photo and their fill. With `ends`, what is copied from black or
    /// white stays so.
    pub fn enlarge(self, small: &[f32], picks: &[u32], factor: usize, ends: bool) -> (Rect, Fill) {
        let (width, height) = (self.rect.width(), self.rect.height());
        let (w, h) = (width.div_ceil(factor), height.div_ceil(factor));
        let hole = self.hole(factor);
        let mut rgb = vec![0.0f32; 3 * hole.pixels()];
        rgb.par_chunks_exact_mut(3 * hole.width())
            .enumerate()
            .for_each(|(i, row)| self.copy_row(hole, i, row, picks, factor));
        let missing = self.missing(small, hole, &rgb, factor);
        let (left, top) = (hole.x0 - self.rect.x0, hole.y0 - self.rect.y0);
        rgb.par_chunks_exact_mut(3 * hole.width())
            .enumerate()
            .for_each(|(i, row)| {
                for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                    let (px, py) = (left + x, top + i);
                    let end = ends && (*pixel == [0.0; 3] || *pixel == [1.0; 3]);
                    if self.pixels[py * width + px] != Pixel::Hole || end {
                        continue;
                    }
                    let place = |at: usize| (at as f32 + 0.5) / factor as f32 - 0.5;
                    let added = between(&missing, w, h, place(px), place(py));
                    pixel
                        .iter_mut()
                        .zip(added)
                        .for_each(|(v, added)| *v = (*v + added).clamp(0.0, 1.0));
                }
            });
        let fill = Fill {
            width: hole.width(),
            height: hole.height(),
            rgb,
        };
        (hole, fill)
    }

    /// What the small fill has more than the copies `rgb` in `hole`, for each small pixel that the hole touches.
    ///
    /// A small pixel that the rim cuts averages hole and photo, which says little about the hole's share of it: it takes the
    /// mean of whole ones beside it, where there are some.
    fn missing(
        self,
        small: &[f32],
        hole: Rect,
        rgb: &[f32],
        factor: usize,
    ) -> Vec<Option<[f32; 3]>> {
        let (width, height) = (self.rect.width(), self.rect.height());
        let (w, h) = (width.div_ceil(factor), height.div_ceil(factor));
        let (left, top) = (hole.x0 - self.rect.x0, hole.y0 - self.rect.y0);
        let own = |cell: usize| {
            let (x0, y0) = (cell % w * factor, cell / w * factor);
            let (x1, y1) = ((x0 + factor).min(width), (y0 + factor).min(height));
            let all = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y)));
            let inside = all
                .clone()
                .filter(|(x, y)| self.pixels[y * width + x] == Pixel::Hole)
                .count();
            if inside == 0 {
                return (None, false);
            }
            let mut sum = [0.0f32; 3];
            for (x, y) in all {
                let at = 3 * ((y - top) * hole.width() + x - left);
                (0..3).for_each(|c| sum[c] += rgb[at + c]);
            }
            let count = ((x1 - x0) * (y1 - y0)) as f32;
            (
                Some([0, 1, 2].map(|c| small[3 * cell + c] - sum[c] / count)),
                inside as f32 == count,
            )
        };
        let own: Vec<(Option<[f32; 3]>, bool)> = (0..w * h).into_par_iter().map(own).collect();
        let settled = |cell: usize| {
            let (value, whole) = own[cell];
            let value = value?;
            if whole {
                return Some(value);
            }
            let (x, y) = (cell % w, cell / w);
            let around = (y.saturating_sub(1)..(y + 2).min(h))
                .flat_map(|j| (x.saturating_sub(1)..(x + 2).min(w)).map(move |i| j * w + i));
            let beside: Vec<[f32; 3]> = around
                .filter(|at| own[*at].1)
                .filter_map(|at| own[at].0)
                .collect();
            if beside.is_empty() {
                return Some(value);
            }
            Some([0, 1, 2].map(|c| beside.iter().map(|v| v[c]).sum::<f32>() / beside.len() as f32))
        };
        (0..w * h).into_par_iter().map(settled).collect()
    }

    /// Row `i` of `hole`: the photo, its hole pixels copied from their sources.
    fn copy_row(self, hole: Rect, i: usize, row: &mut [f32], picks: &[u32], factor: usize) {
        let (width, height) = (self.rect.width(), self.rect.height());
        let w = width.div_ceil(factor);
        let y = hole.y0 - self.rect.y0 + i;
        let mut line = Vec::with_capacity(row.len());
        self.photo.push_row_f32(&mut line, hole.y0 + i, hole);
        row.copy_from_slice(&line);
        for (column, pixel) in row.chunks_exact_mut(3).enumerate() {
            let x = hole.x0 - self.rect.x0 + column;
            if self.pixels[y * width + x] != Pixel::Hole {
                continue;
            }
            if let Some(found) = picks
                .get(y / factor * w + x / factor)
                .filter(|found| **found != NONE)
            {
                let (sx, sy) = (
                    *found as usize % w * factor + x % factor,
                    *found as usize / w * factor + y % factor,
                );
                let (sx, sy) = (
                    self.rect.x0 + sx.min(width - 1),
                    self.rect.y0 + sy.min(height - 1),
                );
                pixel.copy_from_slice(&self.photo.pixel_f32(sx, sy));
            }
        }
    }
}

/// Linear interpolation at `(x, y)` between those values that there are; edges repeated.
fn between(values: &[Option<[f32; 3]>], width: usize, height: usize, x: f32, y: f32) -> [f32; 3] {
    let (x, y) = (
        x.clamp(0.0, (width - 1) as f32),
        y.clamp(0.0, (height - 1) as f32),
    );
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let corners = [
        (x0, y0, (1.0 - fx) * (1.0 - fy)),
        (x1, y0, fx * (1.0 - fy)),
        (x0, y1, (1.0 - fx) * fy),
        (x1, y1, fx * fy),
    ];
    let (mut sum, mut total) = ([0.0f32; 3], 0.0f32);
    for (cx, cy, weight) in corners {
        if let Some(value) = values[cy * width + cx] {
            (0..3).for_each(|c| sum[c] += weight * value[c]);
            total += weight;
        }
    }
    if total > 0.0 {
        sum.map(|v| v / total)
    } else {
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_pictures::{Channels, Format, Metadata, PngSource, Samples, Source};

    /// A photo of 16-bit samples from values 0..1, `[height, width, 3]`.
    fn photo(width: usize, height: usize, rgb: &[f32]) -> Photo {
        Photo {
            width,
            height,
            format: Format::Png,
            channels: Channels::Rgb,
            samples: Samples::U16(rgb.iter().map(|v| (v * 65535.0 + 0.5) as u16).collect()),
            metadata: Metadata::default(),
            source: Source::Png(PngSource {
                bit_depth: 16,
                palette: None,
            }),
        }
    }

    const fn whole(width: usize, height: usize) -> Rect {
        Rect {
            x0: 0,
            y0: 0,
            x1: width,
            y1: height,
        }
    }

    #[test]
    fn shrinking_averages_squares_and_keeps_every_hole_pixel() {
        let rgb: Vec<f32> = (0..5 * 3 * 3).map(|v| v as f32 / 64.0).collect();
        let mut pixels = vec![Pixel::Known; 15];
        pixels[14] = Pixel::Hole;
        pixels[0] = Pixel::Void;
        let small = Large {
            photo: &photo(5, 3, &rgb),
            rect: whole(5, 3),
            pixels: &pixels,
        }
        .shrink(2);
        assert_eq!((small.width, small.height), (3, 2));
        assert_eq!(
            small.pixels,
            [
                Pixel::Void,
                Pixel::Known,
                Pixel::Known,
                Pixel::Known,
                Pixel::Known,
                Pixel::Hole
            ]
        );
        let near = |got: &[f32], want: [f32; 3]| {
            got.iter()
                .zip(want)
                .all(|(a, b)| (a - b / 64.0).abs() < 1e-4)
        };
        assert!(
            near(&small.rgb[..3], [9.0, 10.0, 11.0]) && near(&small.rgb[15..], [42.0, 43.0, 44.0]),
            "{:?}",
            small.rgb
        );
    }

    /// Noise that repeats every 20 pixels on a brightness of its own left and right of `split`.
    fn scene(split: usize, step: f32) -> (Vec<f32>, Vec<Pixel>, Vec<u32>) {
        let (width, height) = (60, 40);
        let value = |i: usize| {
            let (x, y) = (i / 3 % width, i / 3 / width);
            ((x % 20) * 7 + y * 3 + i % 3) as f32 / 400.0 + if x >= split { step } else { 0.0 }
        };
        let truth: Vec<f32> = (0..width * height * 3).map(value).collect();
        let hole = |at: usize| (11..25).contains(&(at % width)) && (11..29).contains(&(at / width));
        let pixels = (0..width * height)
            .map(|at| if hole(at) { Pixel::Hole } else { Pixel::Known })
            .collect();
        // A copy from 20 pixels to the right.
        let target = |at: usize| (5..13).contains(&(at % 30)) && (5..15).contains(&(at / 30));
        let picks = (0..600)
            .map(|at| if target(at) { at as u32 + 10 } else { NONE })
            .collect();
        (truth, pixels, picks)
    }

    /// The largest error of the fill where its small fill is the truth's.
    fn worst(split: usize, step: f32) -> f32 {
        let (truth, pixels, picks) = scene(split, step);
        let whole_truth = photo(60, 40, &truth);
        let small = Large {
            photo: &whole_truth,
            rect: whole(60, 40),
            pixels: &pixels,
        }
        .shrink(2);
        let mut blank = truth.clone();
        pixels
            .iter()
            .zip(blank.chunks_exact_mut(3))
            .filter(|(p, _)| **p == Pixel::Hole)
            .for_each(|(_, v)| v.fill(0.9));
        let blank = photo(60, 40, &blank);
        let (rect, fill) = Large {
            photo: &blank,
            rect: whole(60, 40),
            pixels: &pixels,
        }
        .enlarge(&small.rgb, &picks, 2, false);
        assert_eq!(
            (rect, fill.width, fill.height),
            (
                Rect {
                    x0: 10,
                    y0: 10,
                    x1: 26,
                    y1: 30
                },
                16,
                20
            )
        );
        let want = whole_truth.crop_f32(rect);
        fill.rgb
            .iter()
            .zip(&want)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn copies_are_exact_where_the_small_fill_agrees_with_them() {
        assert!(worst(60, 0.0) < 1e-4, "{}", worst(60, 0.0));
    }

    #[test]
    fn copies_of_another_brightness_take_that_of_the_small_fill_up_to_the_rim() {
        // A correction that faded towards the rim would leave a step there.
        assert!(worst(30, 0.3) < 0.01, "{}", worst(30, 0.3));
    }
}
