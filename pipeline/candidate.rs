//! Several fills of the same hole, and what is needed to choose among them.

use cleanplate_pictures::components::Sets;
use cleanplate_pictures::resample::{resize, shrink_hole, shrink_photo};
use cleanplate_pictures::{Mask, Rect};
use serde::Serialize;

use crate::{Crop, Pixel, Work};

/// One fill of the whole hole, made by the steps of one branch of a pipeline.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name in the pipeline.
    pub name: String,
    /// The fills it is made of.
    pub crops: Vec<Crop>,
}

/// A part of the hole that each candidate fills with crops of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Bounds of its hole pixels.
    pub hole: Rect,
    /// For each candidate, which of its crops fill it.
    pub crops: Vec<Vec<usize>>,
}

/// Which candidate fills a region, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Left, top, right and bottom of the region's hole in pixels of the photo.
    pub hole: [usize; 4],
    /// The candidate that was kept.
    pub candidate: String,
    /// Why, in words.
    pub reason: String,
    /// Each candidate's score; the highest wins.
    pub scores: Vec<Score>,
}

/// A candidate's score in a [`Choice`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The candidate.
    pub candidate: String,
    /// Its score.
    pub score: f32,
}

/// A region as a judge looks at it: with surroundings, at a size that bounds time and memory.
#[derive(Debug, Clone)]
pub struct View {
    /// Where it lies in the photo.
    pub rect: Rect,
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What each pixel is, `[height, width]`.
    pub pixels: Vec<Pixel>,
    /// The photo, RGB 0..1, `[height, width, 3]`; the object is still in the hole.
    pub photo: Vec<f32>,
}

/// The regions of the hole: crops of different candidates that share a hole pixel belong together.
pub fn regions(candidates: &[Candidate], alpha: &Mask) -> Vec<Region> {
    let Some((first, others)) = candidates.split_first() else {
        return Vec::new();
    };
    let starts: Vec<usize> = candidates
        .iter()
        .scan(0, |sum, candidate| {
            let start = *sum;
            *sum += candidate.crops.len();
            Some(start)
        })
        .collect();
    let count = candidates.iter().map(|c| c.crops.len()).sum();
    let mut sets = Sets::new(count);
    let mut holes = Vec::with_capacity(first.crops.len());
    for (i, crop) in first.crops.iter().enumerate() {
        let mut hole: Option<Rect> = None;
        for y in crop.rect.y0..crop.rect.y1 {
            for span in crop.grid.spans(crop.group, crop.rect, y) {
                let row = &alpha.row(y)[span.clone()];
                let (Some(left), Some(right)) = (
                    row.iter().position(|share| *share > 0),
                    row.iter().rposition(|share| *share > 0),
                ) else {
                    continue;
                };
                let line = Rect {
                    x0: span.start + left,
                    y0: y,
                    x1: span.start + right + 1,
                    y1: y + 1,
                };
                hole = Some(hole.map_or(line, |h| h.union(&line)));
                for (other, start) in others.iter().zip(&starts[1..]) {
                    let there = other
                        .crops
                        .iter()
                        .position(|c| c.grid.group_at(line.x0, y) == Some(c.group));
                    if let Some(at) = there {
                        sets.join(i, start + at);
                    }
                }
            }
        }
        holes.push(hole);
    }
    let mut found: Vec<(usize, Region)> = Vec::new();
    for (i, hole) in holes.into_iter().enumerate() {
        let (root, Some(hole)) = (sets.least(i), hole) else {
            continue;
        };
        if let Some((_, region)) = found.iter_mut().find(|(other, _)| *other == root) {
            region.hole = region.hole.union(&hole);
            continue;
        }
        let crops = candidates.iter().zip(&starts).map(|(candidate, start)| {
            (0..candidate.crops.len())
                .filter(|at| sets.least(start + at) == root)
                .collect()
        });
        let crops = crops.collect();
        found.push((root, Region { hole, crops }));
    }
    found.into_iter().map(|(_, region)| region).collect()
}

impl View {
    /// The part `rect` of the photo with `region` in it, averaged down to `width` x `height` pixels.
    pub fn of(
        work: &Work<'_>,
        region: &Region,
        rect: Rect,
        (width, height): (usize, usize),
    ) -> View {
        // Holes of other regions, and transparent pixels, are neither filled here nor known.
        let (mut own, mut all) = (
            Mask::empty(rect.width(), rect.height()),
            Mask::empty(rect.width(), rect.height()),
        );
        for y in rect.y0..rect.y1 {
            let at = (y - rect.y0) * rect.width();
            all.data[at..at + rect.width()].copy_from_slice(&work.alpha.row(y)[rect.x0..rect.x1]);
            if let Some(transparency) = &work.transparency {
                let row = all.data[at..at + rect.width()].iter_mut();
                row.zip(rect.x0..)
                    .filter(|(_, x)| transparency.hides(*x, y))
                    .for_each(|(share, _)| *share = 255);
            }
        }
        let first = work.candidates.first().map(|c| c.crops.as_slice());
        for crop in region.crops.first().into_iter().flatten() {
            let Some(crop) = first.and_then(|crops| crops.get(*crop)) else {
                continue;
            };
            for y in rect.y0..rect.y1 {
                for x in crop.grid.spans(crop.group, rect, y).flatten() {
                    let at = (y - rect.y0) * rect.width() + x - rect.x0;
                    own.data[at] = work.alpha.data[y * work.alpha.width + x];
                }
            }
        }
        let inner = Rect {
            x0: 0,
            y0: 0,
            x1: rect.width(),
            y1: rect.height(),
        };
        let (own, all) = (
            shrink_hole(&own, inner, width, height),
            shrink_hole(&all, inner, width, height),
        );
        let pixels = own.iter().zip(&all).map(|(own, all)| match (*own, *all) {
            (0, 0) => Pixel::Known,
            (0, _) => Pixel::Void,
            _ => Pixel::Hole,
        });
        View {
            rect,
            width,
            height,
            pixels: pixels.collect(),
            photo: shrink_photo(&work.photo, rect, width, height),
        }
    }

    /// The picture with the fill of `crops` in its hole, RGB 0..1, `[height, width, 3]`.
    pub fn filled<'c>(&self, crops: impl Iterator<Item = &'c Crop>) -> Vec<f32> {
        let mut rgb = self.photo.clone();
        let (sx, sy) = (
            self.rect.width() as f64 / self.width as f64,
            self.rect.height() as f64 / self.height as f64,
        );
        for crop in crops {
            let side = |px: usize, scale: f64| ((px as f64 / scale).round() as usize).max(1);
            let (w, h) = (side(crop.rect.width(), sx), side(crop.rect.height(), sy));
            let fill = resize(&crop.fill.rgb, (crop.fill.width, crop.fill.height), (w, h));
            for y in 0..self.height {
                // The photo's pixel in the middle of this one, and where the fill shows it.
                let py =
                    self.rect.y0 + (((y as f64 + 0.5) * sy) as usize).min(self.rect.height() - 1);
                let Some(fy) = place(py, crop.rect.y0, crop.rect.y1, h) else {
                    continue;
                };
                for x in 0..self.width {
                    let at = y * self.width + x;
                    if self.pixels[at] != Pixel::Hole {
                        continue;
                    }
                    let px = self.rect.x0
                        + (((x as f64 + 0.5) * sx) as usize).min(self.rect.width() - 1);
                    let Some(fx) = place(px, crop.rect.x0, crop.rect.x1, w) else {
                        continue;
                    };
                    let from = 3 * (fy * w + fx);
                    rgb[3 * at..3 * at + 3].copy_from_slice(&fill[from..from + 3]);
                }
            }
        }
        rgb
    }
}

/// Where position `at` of `low..high` lies in `length` steps; `None` outside.
fn place(at: usize, low: usize, high: usize, length: usize) -> Option<usize> {
    (low..high)
        .contains(&at)
        .then(|| (((at - low) * length) / (high - low)).min(length - 1))
}
